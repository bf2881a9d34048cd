"""The filter lets threads through and no process, on either machine, by no other number, and none of the calls that a
program has no use for."""

from __future__ import annotations

import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from bench.quality import calls
from bench.quality.sandbox import find
from bench.quality.seccomp import program
from bench.quality.values import load
from bench.record.errors import MachineError

X86, ARM, I386 = 0xC000003E, 0xC00000B7, 0x40000003
ALLOWED, TOO_MANY, UNKNOWN = 0x7FFF0000, 0x50000 | errno.EAGAIN, 0x50000 | errno.ENOSYS
REFUSED, NO_FAMILY = 0x50000 | errno.EPERM, 0x50000 | errno.EAFNOSUPPORT
# What glibc starts a thread with, and what fork and posix_spawn are made of.
THREAD, FORK, SPAWN = 0x3D0F00, 0x1200011, 0x4111


def verdict(filter_: bytes, audit: int, number: int, *arguments: int) -> int:
    """The kernel's reading of a filter (classic BPF), for the four kinds of line that there are in it."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    lines = [struct.unpack_from("=HBBI", filter_, place) for place in range(0, len(filter_), 8)]
    at, value = 0, 0
    while True:
        code, yes, no, operand = lines[at]
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,), at = struct.unpack_from("=I", data, operand), at + 1
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
        at += 1 + (yes if holds else no)


@pytest.mark.parametrize(("machine", "audit", "clone"), [("x86_64", X86, 56), ("aarch64", ARM, 220)])
def test_threads_are_allowed_and_processes_refused(machine, audit, clone):
    made = program(machine)
    assert verdict(made, audit, clone, THREAD) == ALLOWED
    assert {verdict(made, audit, clone, flags) for flags in (FORK, SPAWN, 0)} == {TOO_MANY}
    assert verdict(made, audit, 435) == UNKNOWN  # clone3
    assert verdict(made, audit, {X86: 0, ARM: 63}[audit]) == verdict(made, audit, 231) == ALLOWED  # read, …
    assert verdict(made, I386, 2) == UNKNOWN


def test_the_calls_have_no_second_name_on_x86():
    made = program("x86_64")
    assert verdict(made, X86, 57) == verdict(made, X86, 58) == TOO_MANY
    assert {verdict(made, X86, 0x40000000 + number) for number in (0, 56, 57, 58)} == {UNKNOWN}
    # There is no fork on aarch64; these numbers are other calls.
    assert verdict(program("aarch64"), ARM, 57) == ALLOWED


@pytest.mark.parametrize(("machine", "audit", "place"), [("x86_64", X86, 0), ("aarch64", ARM, 1)])
def test_calls_that_no_program_needs_are_refused(machine, audit, place):
    made = program(machine)
    numbers = {name: both[place] for name, both in calls.REFUSED.items() if both[place] is not None}
    assert {name: verdict(made, audit, number) for name, number in numbers.items()} == dict.fromkeys(numbers, REFUSED)
    assert len(set(numbers.values())) == len(numbers)
    assert verdict(made, audit, calls.NEWER) == verdict(made, audit, 500) == UNKNOWN


@pytest.mark.parametrize(("machine", "audit"), [("x86_64", X86), ("aarch64", ARM)])
def test_sockets_threads_and_terminals_are_looked_at_more_closely(machine, audit):
    made, known = program(machine), calls.MACHINES[machine]
    for call in (known.socket, known.socketpair):
        assert [family for family in range(46) if verdict(made, audit, call, family) == ALLOWED] == [1]
        assert verdict(made, audit, call, 40) == verdict(made, audit, call, 16) == NO_FAMILY
    namespaces = [1 << bit for bit in range(32) if calls.NEW_NAMESPACE >> bit & 1]
    assert len(namespaces) == 8
    assert {verdict(made, audit, known.clone, THREAD | flag) for flag in namespaces} == {REFUSED}
    assert verdict(made, audit, known.ioctl, 0, 0x5412) == REFUSED
    assert verdict(made, audit, known.ioctl, 0, 0x5401) == ALLOWED
    # SO_SNDBUF, SO_RCVBUF, SO_REUSEADDR
    made_larger = [verdict(made, audit, known.setsockopt, 5, 1, option) for option in (7, 8, 2)]
    assert made_larger == [REFUSED, REFUSED, ALLOWED]


def test_the_numbers_are_those_of_this_machines_headers():
    header = {"x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")}.get(platform.machine())
    if header is None or not header.is_file():
        pytest.skip("no headers of Linux here")
    known = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read_text()))
    told = {name: both[0] for name, both in calls.REFUSED.items() if name in known}
    assert told == {name: int(known[name]) for name in told}
    assert len(told) > 60


def test_no_jump_is_longer_than_the_kernel_reads():
    for machine in calls.MACHINES:
        assert len(program(machine)) // 8 < 250


def test_a_machine_that_is_not_known_has_no_filter():
    assert program("riscv64") == b""


@pytest.mark.parametrize(
    "start",
    ["os.fork()", "os.posix_spawn(sys.executable, ['x'], {})", "subprocess.run([sys.executable, '-c', ''])",
     "multiprocessing.get_context('fork').Process(target=print).start()"],
)  # fmt: skip
def test_in_the_box_no_process_starts(start):
    program_ = (
        "import multiprocessing, os, subprocess, sys\n"
        f"def f():\n    try:\n        {start}\n    except OSError as error:\n        return error.errno\n"
    )
    try:
        sandbox = find()
    except MachineError as error:
        pytest.skip(str(error))
    if sandbox.facts["new_processes"] != "refused":
        pytest.skip("no filter for this kind of machine")
    with sandbox.box(program_, "f") as box:
        outcome = box.ask([[]], [10.0], 10.0, 20.0)
    assert load(outcome.lines[0].removeprefix(b"v ").decode()) == errno.EAGAIN
