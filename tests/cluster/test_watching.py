"""Where the blocks are, and how that is shown."""

import io
import json

import pytest
from rich.console import Console

from bench.cluster import folder as places
from bench.cluster import queue
from bench.cluster.block_state import block_states, planned_records
from bench.cluster.queue import SlurmJob
from bench.cluster.verbs import watching
from bench.record.errors import MachineError
from tests.cluster.sweeps import plan


@pytest.fixture
def sweep(tmp_path):
    return plan(tmp_path, repeats=4)


def attempt(folder, number, **fields):
    state = places.AttemptState("n1", "5_0", 1, 100.0, 160.0, **{"counts": {"ok": 2}, **fields})
    places.write_state(places.claim(folder, number), state)


def stands(folder, sweep, jobs=None):
    found = block_states(folder, sweep, planned_records(folder, sweep), jobs or {}, on_slurm=bool(jobs))
    return [(one.state, one.detail, one.recorded, one.node) for one in found]


def test_without_slurm(tmp_path, sweep):
    attempt(tmp_path, 1, running="generation nf4")
    attempt(tmp_path, 2, ended="complete")
    attempt(tmp_path, 3, ended="cancelled")
    planned = planned_records(tmp_path, sweep)[2]
    assert stands(tmp_path, sweep) == [
        ("running", "generation nf4", 2, "n1"),
        ("done", "", planned, "n1"),
        ("stopped", "cancelled", 2, "n1"),
        ("not begun", "", 0, ""),
    ]


def test_with_slurm(tmp_path, sweep):
    attempt(tmp_path, 1, running="generation nf4")
    attempt(tmp_path, 2, running="generation fp16")
    attempt(tmp_path, 3, ended="out of time")
    jobs = {
        1: SlurmJob("5_0", "RUNNING", "n1", "None"),
        2: SlurmJob("5_1", "NODE_FAIL", "n1", "None"),
        3: SlurmJob("5_2", "PENDING", "", "BeginTime"),
        4: None,
    }
    assert stands(tmp_path, sweep, jobs) == [
        ("running", "generation nf4", 2, "n1"),
        ("stopped", "its node or job is gone (node_fail)", 2, "n1"),
        ("waiting", "BeginTime", 2, "n1"),
        ("stopped", "its job is gone", 0, ""),
    ]


def test_a_job_that_runs_and_has_not_begun_to_measure(tmp_path, sweep):
    attempt(tmp_path, 1, ended="out of time")
    jobs = {1: SlurmJob("5_0", "RUNNING", "n2", "None"), 2: SlurmJob("5_1", "CONFIGURING", "n3", "None")}
    assert [one[0] for one in stands(tmp_path, sweep, jobs)] == ["starting", "starting", "stopped", "stopped"]


def test_records_of_several_attempts_add_up(tmp_path, sweep):
    attempt(tmp_path, 1, ended="out of time", counts={"ok": 2, "failed": 1})
    attempt(tmp_path, 1, running="x", counts={"skipped": 1})
    found = block_states(tmp_path, sweep, planned_records(tmp_path, sweep), {}, on_slurm=False)[0]
    assert (found.recorded, found.failed, found.attempts) == (4, 1, 2)


def shown(found, width):
    stream = io.StringIO()
    Console(file=stream, width=width).print(watching.table(found))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_and_names_what_stopped_first_of_many(tmp_path, width):
    sweep = plan(tmp_path, schemes=("fp16",), repeats=60)
    attempt(tmp_path, 60, ended="no space left on the device")
    found = block_states(tmp_path, sweep, planned_records(tmp_path, sweep), {}, on_slurm=False)
    text = shown(found, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "repeat 60" in text and "… 36 more not begun" in text
    assert "stopped" in text


def test_the_summary_says_how_long_it_takes_at_this_pace(tmp_path, sweep):
    attempt(tmp_path, 1, running="x", counts={"ok": 6})
    found = block_states(tmp_path, sweep, dict.fromkeys(sweep.numbers, 6), {}, on_slurm=False)
    told = watching.summary(found, seconds=600.0, new=6)
    assert told == "1 running, 3 not begun; 6 of 24 records, about 30 min left at this pace"
    assert watching.summary(found, seconds=600.0) == "1 running, 3 not begun; 6 of 24 records"


def test_without_a_terminal_a_line_comes_for_what_has_moved(tmp_path, sweep, capsys):
    lines = watching._Lines(Console(width=200))
    planned = planned_records(tmp_path, sweep)
    attempt(tmp_path, 1, running="generation nf4")
    for _ in range(2):
        lines.show(block_states(tmp_path, sweep, planned, {}, on_slurm=False))
    attempt(tmp_path, 1, ended="complete")
    lines.show(block_states(tmp_path, sweep, planned, {}, on_slurm=False))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("block 1,")]
    assert told == [
        f"block 1, smoke: all, repeat 1: running on n1, 2 of {planned[1]} records (generation nf4)",
        f"block 1, smoke: all, repeat 1: done on n1, {planned[1]} of {planned[1]} records, attempt 2",
    ]


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """A stand-in for squeue that says what the test wrote, and scancel that notes its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in (("squeue", f"cat {tmp_path}/queue"), ("scancel", f'echo "$@" >>{tmp_path}/cancelled-jobs')):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def test_the_latest_living_job_of_a_block_counts(squeue):
    (squeue / "queue").write_text("5_0|TIMEOUT|n1|None\n6_0|RUNNING|n2|None\n5_1|COMPLETED|n1|None\nrubbish\n")
    queue.remember(squeue, {1: "5_0", 2: "5_1", 3: "5_2"})
    queue.remember(squeue, {1: "6_0"})
    with (squeue / queue.JOBS).open("a") as stream:
        stream.write("half a li")
    jobs = queue.latest(squeue)
    assert jobs == {1: SlurmJob("6_0", "RUNNING", "n2", "None"), 2: SlurmJob("5_1", "COMPLETED", "n1", "None"), 3: None}
    assert [job and job.alive for job in jobs.values()] == [True, False, None]


def test_slurm_that_has_forgotten_the_jobs_and_slurm_that_does_not_answer(squeue, monkeypatch):
    queue.remember(squeue, {1: "5_0"})
    program = squeue / "bin" / "squeue"
    program.write_text('#!/bin/sh\necho "slurm_load_jobs error: Invalid job id specified" >&2\nexit 1\n')
    assert queue.latest(squeue) == {1: None}
    program.write_text('#!/bin/sh\necho "Unable to contact slurm controller" >&2\nexit 1\n')
    with pytest.raises(MachineError, match="Slurm does not answer: Unable to contact"):
        queue.latest(squeue)
    monkeypatch.setenv("PATH", str(squeue))
    with pytest.raises(MachineError, match="no Slurm here: squeue is not found"):
        queue.latest(squeue)


def test_watching_ends_when_all_is_done_and_when_nothing_moves(squeue):
    sweep = plan(squeue / "sweep", repeats=2)
    folder = squeue / "sweep"
    queue.remember(folder, {1: "5_0", 2: "5_1"})
    attempt(folder, 1, ended="complete")
    (squeue / "queue").write_text("5_0|COMPLETED|n1|None\n5_1|FAILED|n1|None\n")
    assert [one.number for one in watching.watch(folder, 0.0)] == [2]
    attempt(folder, 2, ended="complete")
    assert watching.watch(folder, 0.0) == []
    assert sweep.blocks[0] == "smoke: all, repeat 1"


def test_cancelling_ends_what_lives_and_leaves_a_mark(squeue, capsys):
    from bench.cli import main

    folder = squeue / "sweep"
    plan(folder, repeats=3)
    queue.remember(folder, {1: "5_0", 2: "5_1", 3: "5_2"})
    (squeue / "queue").write_text("5_0|COMPLETED|n1|None\n5_1|RUNNING|n1|None\n5_2|PENDING||Resources\n")
    assert main(["run", "--cancel", "--out", str(folder)]) == 0
    assert (squeue / "cancelled-jobs").read_text().split() == ["5_1", "5_2"]
    assert (folder / places.CANCELLED).exists()
    assert "cancelled 2 jobs" in capsys.readouterr().out
    assert json.loads((folder / queue.JOBS).read_text().splitlines()[0]) == {"block": 1, "job": "5_0"}
