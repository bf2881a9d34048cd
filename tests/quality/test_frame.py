"""Nothing of the judge's own frame reaches a program, and nothing is missing that plain Python has."""

from __future__ import annotations

import signal
import subprocess
import sys
from bisect import bisect_left
from pathlib import Path

import pytest

from bench.quality.evaluate import Sample, evaluate
from bench.quality.sandbox import find
from bench.quality.tasks import PlusTask
from bench.record.errors import MachineError
from tests.long_tables import one_in
from tests.quality.frame import PROGRAMS, RIGHT

TASK = PlusTask("Test/0", "def f(x):\n", "    return x + 1\n", "f", 0.0, ([1],), ([2],))
PASSED = 77  # a program may end with 0 by itself
DRIVER = (
    f"import sys; sys.path.append('.'); import program; sys.exit({PASSED} * (program.f(1) == 2 == program.f(2) - 1))"
)
# The one that the sandbox has too, without the packages of this environment.
PLAIN = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
DEPTH = "def r(n):\n    return n and 1 + r(n - 1)\ndef f(x):\n    return r(DEPTH) - DEPTH + x + 1\n"


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


def judged(sandbox, program: str):
    (found,) = evaluate([TASK], [Sample("Test/0", 0, program)], sandbox, 1)
    return found


IGNORED = (signal.SIGINT, signal.SIGHUP)  # by a background job, by nohup


def handled_anew() -> None:
    """In the child, before it becomes plain Python: what started these tests may ignore signals."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)


def passes_in_plain_python(program: str, folder) -> bool:
    (folder / "program.py").write_bytes(program.encode())
    command = [PLAIN, "-X", "utf8", "-P", "-s", "-B", "-c", DRIVER]
    # Nothing of this process's own either: a parent's -W or PYTHONSTARTUP is no plain Python.
    ended = subprocess.run(command, cwd=folder, env={"HOME": str(folder)}, stdin=subprocess.DEVNULL,
                           capture_output=True, check=False, preexec_fn=handled_anew)  # fmt: skip
    return ended.returncode == PASSED


@pytest.mark.parametrize("name", one_in(3, PROGRAMS))
def test_a_program_is_judged_as_plain_python_judges_it(name, sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("BITLEDGER_TEST", "told to nobody")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    program, passes = PROGRAMS[name]
    assert passes_in_plain_python(program, tmp_path) is passes
    found = judged(sandbox, program)
    assert found.passed is passes, found


def test_unprotected_too_it_is_judged_so(tmp_path):
    loose = find(unprotected=True)
    for name in ("an annotation's name is not imported", "the name dump", "digits of an int", "input()"):
        assert judged(loose, PROGRAMS[name][0]).passed is PROGRAMS[name][1], name
    assert judged(loose, RIGHT).passed


def test_a_recursion_may_be_as_deep_as_in_plain_python(sandbox, tmp_path):
    """Called from the top of a script: there only the script's own frame stands above it."""

    def in_plain_python(depth: int) -> bool:
        script = tmp_path / "script.py"
        script.write_text(DEPTH.replace("DEPTH", str(depth)) + "assert f(1) == 2\n")
        return subprocess.run([PLAIN, script], capture_output=True, check=False).returncode == 0

    deepest = bisect_left(range(901, 1001), True, key=lambda depth: not in_plain_python(depth)) + 900
    assert judged(sandbox, DEPTH.replace("DEPTH", str(deepest))).passed
    assert not judged(sandbox, DEPTH.replace("DEPTH", str(deepest + 1))).passed


def test_a_program_sees_the_same_hashes_each_time(sandbox):
    """An order that depends on the seed would make the verdict a matter of luck."""
    in_order = "def f(x):\n    return x + (list({'a', 'b', 'c', 'd', 'e', 'f'}) == ORDER)\n"
    with sandbox.box("def f(x):\n    return list({'a', 'b', 'c', 'd', 'e', 'f'})\n", "f") as box:
        order = box.ask([[1]], [5.0], 5.0, 20.0).lines[0].removeprefix(b"v ").decode()
    for _ in range(3):
        assert judged(sandbox, in_order.replace("ORDER", order)).passed


def test_modules_that_the_judge_loaded_bring_no_attribute_along(sandbox):
    """``import a`` must not make ``a.b`` work because the judge had loaded a.b."""
    program = "import sys\ndef f(x):\n    return sorted(sys.modules)\n"
    with sandbox.box(program, "f") as box:
        loaded = eval(box.ask([[1]], [5.0], 5.0, 20.0).lines[0].removeprefix(b"v "))
    bare = subprocess.run([PLAIN, "-I", "-S", "-c", "import os, sys; print(*sys.modules)"], capture_output=True,
                          text=True, check=True).stdout.split()  # fmt: skip
    assert not [name for name in set(loaded) - set(bare) if "." in name]


def test_what_started_the_judge_may_ignore_signals(sandbox):
    """Under nohup, or as a background job, the judge inherits ignored signals, and its programs do not."""
    program, _ = PROGRAMS["handlers of signals"]
    theirs = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    try:
        assert judged(sandbox, program).passed
    finally:
        for number, handler in theirs.items():
            signal.signal(number, handler)
