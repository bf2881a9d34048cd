"""Hostile programs: none escapes, none passes, none stops the run."""

from __future__ import annotations

import ctypes
import platform
import socket

import pytest

from bench.quality import programs
from bench.quality.evaluate import Sample, evaluate
from bench.quality.sandbox import Limits, find
from bench.quality.tasks import PlusTask
from bench.quality.verbs.evaluate_run import before_run
from bench.record.errors import MachineError
from bench.record.instruments import SAMPLES
from tests.long_tables import one_in
from tests.quality import before
from tests.quality.hostile import AGAIN, JUDGE, KERNEL, PLAIN, PROGRAMS

# Nothing ends these but their time, which is waited for.
TAKE_THEIR_TIME = {
    "a class of errors that will not say its name", "a decimal of a thousand million digits",
    "a dict's keys without an end", "asks for the other inputs and waits", "deep recursion in C",
    "drops a byte now and then", "endless loop while loading", "its own decimals", "replaces the timer", "stops itself",
}  # fmt: skip
SOME = one_in(4, sorted(PROGRAMS), "endless loop that swallows the alarm", *PLAIN, but=TAKE_THEIR_TIME)
LIMITS = Limits(memory=1 << 30, output=32 << 20)
SECRET = "SECRET-of-the-host"


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find(limits=LIMITS)
    except MachineError as error:
        pytest.skip(str(error))


def task(canonical: str = "    return x + 1\n", inputs=((1,), (2,))) -> PlusTask:
    given = tuple(list(one) for one in inputs)
    return PlusTask("Test/0", "def f(x):\n", canonical, "f", 0.0, given[:1], given[1:])


@pytest.fixture
def listening():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0)
        yield server


@pytest.fixture
def secrets(monkeypatch):
    """What no program may find: in the environment, and in the keyring of this thread, whose threads get it too."""
    monkeypatch.setenv("BITLEDGER_SECRET", SECRET)
    numbers = {"x86_64": (250, 248), "aarch64": (219, 217)}.get(platform.machine())
    if numbers:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(numbers[0], 1, None)
        libc.syscall(numbers[1], b"user", b"bitledger:secret", SECRET.encode(), len(SECRET), -3)


@pytest.fixture
def sooner(monkeypatch):
    """Many of them are only ended by the time that they have."""
    monkeypatch.setattr(programs, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(programs, "START_SECONDS", 2.0)


def test_there_are_enough_of_them_and_the_page_says_what_each_did_before():
    assert len(PROGRAMS) == len(PLAIN) + len(KERNEL) + len(JUDGE) + len(AGAIN) >= 155
    assert set(before.BEFORE) <= set(PROGRAMS)
    text = before.PAGE.read_text(encoding="utf-8")
    assert text == before.page(text), "python -m tests.quality.before --write"
    assert set(PROGRAMS) >= TAKE_THEIR_TIME


@pytest.mark.parametrize("name", SOME)
@pytest.mark.usefixtures("secrets", "sooner")
def test_a_hostile_program_does_not_pass_and_the_next_one_is_judged(name, sandbox, tmp_path, listening):
    marker = tmp_path / "marker"
    program = PROGRAMS[name].replace("MARKER", str(marker)).replace("PORT", str(listening.getsockname()[1]))
    samples = [Sample("Test/0", 0, program), Sample("Test/0", 1, task().solution)]
    hostile, honest = evaluate([task()], samples, sandbox, 1)
    assert hostile.base != "pass", hostile
    assert not hostile.passed
    assert honest.passed, honest
    assert not marker.exists()
    with pytest.raises(BlockingIOError):
        listening.accept()


def test_what_an_honest_program_needs_is_there(sandbox):
    program = (
        "import math, re, itertools, collections, hashlib, socket\nimport numpy as np\n"
        "def f(x):\n    print('seen by nobody')\n    open('/tmp/scratch', 'w').write('x')\n"
        "    return collections.Counter(a=np.int64(x + 1))\n"
    )
    wanted = task("    return {'a': x + 1}\n")
    (found,) = evaluate([wanted], [Sample("Test/0", 0, program)], sandbox, 1)
    assert found.passed, found


def test_without_a_sandbox_it_refuses_unless_told(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(MachineError, match="apt-get install bubblewrap"):
        find()
    assert find(unprotected=True).facts["sandbox"] == "none"


def test_before_a_run_it_is_said_what_is_lacking_and_apart_how_to_get_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    (finding,) = before_run({SAMPLES})
    assert finding.message == (
        "programs will be written and not judged: bubblewrap is not installed, and programs that a model wrote must "
        "not run loose. Judge them later: python -m bench evaluate RUN_FOLDER"
    )
    assert finding.remedy == "install bubblewrap (Debian: apt-get install bubblewrap) where namespaces are allowed"


def test_a_sandbox_that_cannot_be_made_is_refused(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _name: str(fake))
    with pytest.raises(MachineError, match="namespaces"):
        find()


def test_unprotected_it_still_judges():
    samples = [Sample("Test/0", 0, task().solution), Sample("Test/0", 1, "def f(x): return x")]
    right, wrong = evaluate([task()], samples, find(unprotected=True), 1)
    assert right.passed
    assert (wrong.base, wrong.why) == ("wrong", "input 0")
