"""An evaluation that is ended ends at once, and the next one goes on from the judgements that were made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality.answers import Kept
from bench.quality.evaluate import Sample, evaluate
from bench.quality.journal import journal
from bench.quality.sandbox import Limits, Sandbox, find
from bench.quality.tasks import PlusTask
from bench.record.errors import MachineError

ROOT = Path(__file__).parents[2]
TASKS = [PlusTask(f"Test/{n}", "def f(x):\n", "    return x\n", "f", 0.0, ([1],), ([2],)) for n in range(3)]
SAMPLES = [Sample(task.task_id, 0, task.solution) for task in TASKS]
# Nothing stops it but the judge, after a minute.
HOLDS = "import signal, time\ndef add(x, y):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    time.sleep(3600)\n"


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


class Ended(BaseException):
    """As a KeyboardInterrupt, which pytest would take for its own."""


def interrupted_after_one(sandbox, kept):
    def done(_task_id):
        raise Ended

    with pytest.raises(Ended):
        evaluate(TASKS, SAMPLES, sandbox, 1, done, kept)


def counted(sandbox, monkeypatch):
    """The programs for which a box is made."""
    made, box = [], Sandbox.box
    monkeypatch.setattr(Sandbox, "box", lambda self, code, *rest: made.append(code) or box(self, code, *rest))
    return made


def test_the_next_evaluation_goes_on_from_there_and_the_one_after_judges_anew(sandbox, tmp_path, monkeypatch):
    kept = Kept(tmp_path / "answers", sandbox.limits)
    interrupted_after_one(sandbox, kept)
    (file,) = (tmp_path / "judging").iterdir()
    found = len(file.read_text().splitlines())
    assert 1 <= found <= 3
    boxes = counted(sandbox, monkeypatch)
    assert [one.passed for one in evaluate(TASKS, SAMPLES, sandbox, 1, kept=kept)] == [True] * 3
    assert len(boxes) <= 2 * (3 - found)
    assert not file.exists()
    boxes.clear()
    evaluate(TASKS, SAMPLES, sandbox, 1, kept=kept)
    assert len(boxes) == 3


def test_judgements_of_other_samples_limits_and_damaged_lines_are_not_taken_up(sandbox, tmp_path):
    kept = Kept(tmp_path / "answers", sandbox.limits)
    interrupted_after_one(sandbox, kept)
    folder = tmp_path / "judging"
    assert journal(folder, TASKS, SAMPLES, sandbox).found
    assert not journal(folder, TASKS, SAMPLES[:2], sandbox).found
    assert not journal(folder, TASKS, SAMPLES, replace(sandbox, limits=Limits(threads=3))).found
    (file,) = folder.iterdir()
    whole = file.read_text()
    for spoilt in (whole.replace('"pass"', '"wrong"'), whole[:-3], "", "\x00\n", "{}\n"):
        file.write_text(spoilt)
        kept_lines = [line for line in spoilt.splitlines() if line in whole.splitlines()]
        assert len(journal(folder, TASKS, SAMPLES, sandbox).found) == len(kept_lines)
    folder.chmod(0o777)
    file.write_text(whole)
    assert not journal(folder, TASKS, SAMPLES, sandbox).found


def test_a_disk_that_is_full_costs_the_notes_and_not_the_judgements(sandbox, tmp_path):
    (tmp_path / "judging").write_text("a file in the place of the folder")
    kept = Kept(tmp_path / "answers", sandbox.limits)
    assert all(one.passed for one in evaluate(TASKS, SAMPLES, sandbox, 1, kept=kept))


def _heed_signals():
    """What a shell's background job or nohup ignores is ignored by its children too, on purpose."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_one_signal_ends_it_whatever_programs_do(number, code, sandbox, tmp_path):
    samples, notes = tmp_path / "samples.jsonl", tmp_path / "bitledger" / "judging"
    programs = ["def add(x, y):\n    return x + y\n", HOLDS]
    samples.write_text("\n".join(json.dumps({"task_id": "HumanEval/53", "solution": one}) for one in programs))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "evaluate", str(samples)], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)}, preexec_fn=_heed_signals,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (notes.is_dir() and any(file.stat().st_size for file in notes.iterdir())):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    # The program that holds would be stopped after a minute.
    _, error = process.communicate(timeout=30)
    assert process.returncode == code
    assert "interrupted" in error and "Traceback" not in error
    (file,) = notes.iterdir()
    assert '"base":"pass"' in file.read_text()
