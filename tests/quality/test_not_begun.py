"""A box that does not begin says nothing of its program: it is made again, and at last there is no verdict."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality import box, programs, sandbox
from bench.quality.error_names import OTHER, error_name
from bench.quality.evaluate import Sample, evaluate
from bench.quality.samples import out_of_memory
from bench.quality.sandbox import Sandbox, find
from bench.quality.tasks import PlusTask
from bench.record.errors import MeasurementError

TASK = PlusTask("Test/0", "def f(x):\n", "    return x + 1\n", "f", 0.0, ([1],), ([2],))
RIGHT = Sample("Test/0", 0, TASK.solution)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(programs, "REST_SECONDS", 0.01)
    monkeypatch.setattr(box, "START_SECONDS", 2.0)


def judged(made: Sandbox):
    return evaluate([TASK], [RIGHT], made, 1)[0]


@pytest.mark.parametrize("instead", ["raise SystemExit", "print('v 2')", "import time; time.sleep(9)"])
def test_a_box_that_never_begins_makes_no_verdict(instead, monkeypatch):
    monkeypatch.setattr(Sandbox, "_command", lambda *_: [sys.executable, "-c", instead])
    monkeypatch.setattr(box, "START_SECONDS", 0.4)
    with pytest.raises(MeasurementError, match=r"Test/0: a box .* 3 times, so nothing is known of its program"):
        judged(find(unprotected=True))


def test_a_box_that_begins_at_last_is_judged(monkeypatch):
    right, tried = Sandbox._command, []

    def command(*given):
        tried.append(given)
        return [sys.executable, "-c", ""] if len(tried) in (1, 3, 4) else right(*given)

    monkeypatch.setattr(Sandbox, "_command", command)
    assert judged(find(unprotected=True)).passed
    assert len(tried) == 5  # the task's own solution at the second time, the sample at the third


def test_a_process_that_cannot_be_started_is_no_verdict(monkeypatch):
    def full(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    made = find(unprotected=True)
    monkeypatch.setattr(sandbox.subprocess, "Popen", full)
    with pytest.raises(MeasurementError, match=r"cannot be started \(Resource temporarily unavailable\)"):
        judged(made)


def test_the_time_of_a_program_begins_with_its_box(monkeypatch):
    right = Sandbox._command
    late = "import os, sys, time; time.sleep(0.8); os.execv(sys.argv[1], sys.argv[1:])"
    monkeypatch.setattr(Sandbox, "_command", lambda *given: [sys.executable, "-c", late, *right(*given)])
    monkeypatch.setattr(programs, "LEAST_SECONDS", 0.3)
    monkeypatch.setattr(programs, "START_SECONDS", 0.3)
    assert judged(find(unprotected=True)).passed


def test_hard_limits_of_the_machine_are_kept():
    """Login nodes often limit the seconds of a process: nobody may raise that again."""
    program = (
        "from tests.quality.test_not_begun import judged\nfrom bench.quality.sandbox import find\n"
        "assert judged(find(unprotected=True)).passed"
    )

    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (600, 600))
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    # Root may raise a limit unless it has lost the right to, as in a container.
    is_lost = os.geteuid() == 0 and shutil.which("setpriv")
    drop = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"] if is_lost else []
    done = subprocess.run([*drop, sys.executable, "-c", program], preexec_fn=limits, capture_output=True, text=True,
                          cwd=Path(__file__).parents[2], check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "program", "told"),
    [
        ("ValueError", "", "ValueError"),
        ("JSONDecodeError", "", "JSONDecodeError"),
        ("Odd", "class Odd(Exception): pass", "Odd"),
        ("Odd", "class Odder(Exception): pass", OTHER),
        ("home_carla_models", "raise type(secret, (Exception,), {})", OTHER),
        ("", "", OTHER),
        (".*", "x.*", OTHER),
    ],
)
def test_of_an_exception_only_a_known_name_leaves_the_box(name, program, told):
    assert error_name(name, program) == told


def test_what_a_program_saw_leaves_by_no_name_of_an_exception():
    program = "def f(x):\n    raise type(open('/proc/self/mountinfo').read().split()[3], (Exception,), {})\n"
    (found,) = evaluate([TASK], [Sample("Test/0", 0, program)], find(unprotected=True), 1)
    assert (found.base, found.why) == ("error", f"input 0: {OTHER}")


def test_a_second_load_is_judged_by_itself():
    """What the first load left in the process is no fault of the program's; a wrong one stays wrong."""
    made = replace(find(unprotected=True))
    twice = "import sys\nassert not hasattr(sys, 'seen')\nsys.seen = True\ndef f(x):\n    return x + 1\n"
    wrong = "def f(x):\n    return 2\n"
    samples = [Sample("Test/0", 0, twice), Sample("Test/0", 1, wrong)]
    found = evaluate([TASK], samples, made, 1)
    assert [(one.base, one.plus, one.why) for one in found] == [("pass", "pass", ""), ("pass", "wrong", "input 0")]


@pytest.mark.parametrize(
    ("kills", "how", "why"),
    [
        (1, "os.kill(os.getpid(), 9)", "input 0: killed: this machine or container had no memory left"),
        (0, "os.kill(os.getpid(), 9)", "input 0: the process ended"),
        (1, "os._exit(1)", "input 0: the process ended"),  # another one was killed meanwhile
    ],
)
def test_a_program_that_the_kernel_killed_for_memory_is_told_so(kills, how, why, monkeypatch, tmp_path):
    counts = tmp_path / "vmstat"
    counts.write_text("oom_kill 3\n")
    monkeypatch.setattr(box, "_COUNTS", counts)
    begin = box.Box._begin

    def begun(self):
        begin(self)
        counts.write_text(f"pgfault 1\noom_kill {3 + kills}\n")

    right = programs.right_answers(TASK, find(unprotected=True))
    monkeypatch.setattr(box.Box, "_begin", begun)
    sample = Sample("Test/0", 0, f"import os\ndef f(x):\n    {how}\n")
    made = programs.judgement(TASK, sample, right, lambda: right, find(unprotected=True), lambda *_: True)
    assert (made.base, made.why) == ("died", why)
    found = out_of_memory([made])
    assert (found is None) == (kills == 0 or "exit" in how)


def test_where_the_kernel_does_not_count_nothing_is_said_of_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(box, "_COUNTS", tmp_path / "none")
    assert box.kills_for_memory() == 0
