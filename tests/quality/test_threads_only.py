"""The filter lets threads through and no process, on either machine, and by no other number of the same call."""

from __future__ import annotations

import errno
import struct

import pytest

from bench.quality.sandbox import find
from bench.quality.threads_only import program
from bench.quality.values import load
from bench.record.errors import MachineError

X86, ARM, I386 = 0xC000003E, 0xC00000B7, 0x40000003
ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x50000 | errno.EAGAIN, 0x50000 | errno.ENOSYS
# What glibc starts a thread with, and what fork and posix_spawn are made of.
THREAD, FORK, SPAWN = 0x3D0F00, 0x1200011, 0x4111


def verdict(filter_: bytes, audit: int, number: int, flags: int = 0) -> int:
    """The kernel's reading of a filter (classic BPF), for the four kinds of line that there are in it."""
    data = struct.pack("=IIQQ", number, audit, 0, flags)
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
    assert {verdict(made, audit, clone, flags) for flags in (FORK, SPAWN, 0)} == {REFUSED}
    assert verdict(made, audit, 435) == UNKNOWN  # clone3
    assert verdict(made, audit, 0) == verdict(made, audit, 231) == ALLOWED
    assert verdict(made, I386, 2) == UNKNOWN


def test_the_calls_have_no_second_name_on_x86():
    made = program("x86_64")
    assert verdict(made, X86, 57) == verdict(made, X86, 58) == REFUSED
    assert {verdict(made, X86, 0x40000000 + number) for number in (0, 56, 57, 58)} == {UNKNOWN}
    # There is no fork on aarch64; these numbers are other calls.
    assert verdict(program("aarch64"), ARM, 57) == ALLOWED


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
