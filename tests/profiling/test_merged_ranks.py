"""A Chrome trace merged from the ranks of a job: each kernel is of the process that launched it, one rank is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.taken import Wanted, taken
from bench.record import causes as c
from bench.record.errors import RecordError
from profiling.summarize import read_timeline, summarize
from tests.foreign_traces import Story, steady

Events = list[dict[str, Any]]
GEMM = (300, 500)  # µs per step of each rank


def rank(number: int, *, device: int, pid: int | None = None, behind: float = 0.0) -> Events:
    """The events of one rank's own file; ids of calls begin at 1 in each. ``behind``: µs after the first rank's."""
    pid = 40 + number if pid is None else pid
    story = steady(["decode_step"] * 5, gemm=GEMM[number], pid=pid, device=device)
    return [{**event, "ts": event["ts"] + behind} for event in story.events()]


def labelled(events: Events, label: str) -> Events:
    return [{**event, "pid": f"{label} {event['pid']}"} for event in events]


def one_pid(events: Events, pid: int) -> Events:
    return [{**event, "pid": pid} for event in events]


def other_ids(events: Events, more: int) -> Events:
    def args(event):
        told = dict(event["args"])
        return {**told, "correlation": told["correlation"] + more} if "correlation" in told else told

    return [{**event, "args": args(event)} for event in events]


MERGED = {
    "labels, each rank sees all GPUs": labelled(rank(0, device=0), "[TP00-EP00]")
    + labelled(rank(1, device=1), "[TP01-EP01]"),
    "labels, each rank sees its own": labelled(rank(0, device=0), "[TP00]") + labelled(rank(1, device=0), "[TP01]"),
    "one pid a rank": one_pid(rank(0, device=0), 1) + one_pid(rank(1, device=1), 2),
    "as they are, told by time": rank(0, device=0) + rank(1, device=1, behind=300),
    "as they are, at the same time": rank(0, device=0) + rank(1, device=1),
    "other ids for each": rank(0, device=0) + other_ids(rank(1, device=1), 10_000),
}


def written(path: Path, events: Events) -> Path:
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    return path


@pytest.mark.parametrize("form", MERGED)
def test_each_rank_has_its_own_kernels(tmp_path, form):
    analysis = Analysis(read_timeline(written(tmp_path / "merged.json", MERGED[form])))
    for number in (0, 1):
        found = taken(analysis, Wanted(rank=number))
        costs = step_costs(found.analysis, found.step_range)
        assert (costs.steps, costs.causes[c.GEMM].tolist()) == (5, [GEMM[number] * 1000] * 5), number
        assert (costs.wall - costs.causes[c.GEMM] == costs.causes[c.HOST_GAP]).all()
    assert "of 2 processes with work rank 0" in " ".join(taken(analysis, Wanted()).notes)
    assert taken(analysis, Wanted(device=1)).analysis.devices == [1]


def test_gpus_that_each_rank_numbers_for_itself_stay_apart(tmp_path):
    found = summarize(written(tmp_path / "a.json", MERGED["labels, each rank sees its own"]))
    assert [(gpu["device"], gpu["busy_ns"]) for gpu in found["gpus"]] == [(0, 1_500_000), (1, 2_500_000)]
    assert any("that of process 41 is 1" in note for note in found["notes"])


def test_what_is_assumed_is_said(tmp_path):
    notes = {
        form: " ".join(read_timeline(written(tmp_path / "a.json", events)).notes) for form, events in MERGED.items()
    }
    guessed = {form for form, told in notes.items() if "is taken for whose work is whose" in told}
    assert guessed == {"as they are, at the same time"}
    assert "GPU 0 is of process 40, GPU 1 is of process 41" in notes["as they are, at the same time"]


def without_device(events: Events) -> Events:
    """The first kernel is of no GPU that the file tells."""
    at = next(place for place, event in enumerate(events) if event["cat"] == "kernel")
    first = events[at]
    return [*events[:at], {**first, "args": {**first["args"], "device": -1}}, *events[at + 1 :]]


def test_work_of_no_known_gpu_keeps_its_number_and_takes_nobodys_turn(tmp_path):
    own = without_device(labelled(rank(0, device=0), "[TP00]")) + without_device(labelled(rank(1, device=0), "[TP01]"))
    timeline = read_timeline(written(tmp_path / "a.json", own))
    pairs = zip(timeline.kernels.process.tolist(), timeline.kernels.device.tolist(), strict=True)
    assert set(pairs) == {(0, -1), (0, 0), (1, -1), (1, 1)}
    assert [note for note in timeline.notes if "number their GPUs" in note and "that of process 41 is 1" in note]
    same_time = without_device(rank(0, device=0)) + rank(1, device=1)
    notes = " ".join(read_timeline(written(tmp_path / "b.json", same_time)).notes)
    assert "GPU 0 is of process 40, GPU -1 is of process 40, GPU 1 is of process 41" in notes


def test_ranks_that_nothing_tells_apart_are_refused(tmp_path):
    path = written(tmp_path / "a.json", rank(0, device=0) + rank(1, device=0))
    with pytest.raises(RecordError, match=r"a\.json: it holds the work of 2 processes.*give the trace of one rank"):
        read_timeline(path)


def test_a_process_whose_launches_run_nothing_here_does_not_refuse_the_file(tmp_path):
    stray = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 99, "tid": 99, "ts": 1, "dur": 1}
    events = [*rank(0, device=0), {**stray, "args": {"correlation": 1 << 30}}]
    timeline = read_timeline(written(tmp_path / "a.json", events))
    working = np.isin(timeline.threads.process, timeline.kernels.process)
    assert set(timeline.threads.pid[working].tolist()) == {40}
    assert timeline.notes == read_timeline(written(tmp_path / "b.json", rank(0, device=0))).notes
    found = taken(Analysis(timeline), Wanted())
    assert step_costs(found.analysis, found.step_range).causes[c.GEMM].tolist() == [300_000] * 5
    # With the id of a kernel it may be this kernel's launch.
    known = next(event["args"]["correlation"] for event in events if event["cat"] == "kernel")
    with pytest.raises(RecordError, match="merged so that nothing tells"):
        read_timeline(written(tmp_path / "c.json", [*events[:-1], {**stray, "args": {"correlation": known}}]))


def test_work_that_nobody_called_is_refused_too(tmp_path):
    """Operators of two processes and kernels, without a call of the host."""
    merged = MERGED["as they are, told by time"]
    operators = [
        {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": pid, "tid": pid, "ts": 1, "dur": 1} for pid in (40, 41)
    ]
    kept = [event for event in merged if event.get("cat") not in ("cuda_runtime", "cuda_driver", "cpu_op")]
    with pytest.raises(RecordError, match="merged so that nothing tells whose kernels are whose"):
        read_timeline(written(tmp_path / "a.json", kept + operators))


def test_operators_under_another_pid_are_of_the_same_process(tmp_path):
    """As where the profiler in a container gives calls the pid of the host's and operators the container's."""
    events = [{**event, "pid": 7} if event["cat"] == "user_annotation" else event for event in rank(0, device=0)]
    found = taken(Analysis(read_timeline(written(tmp_path / "a.json", events))), Wanted())
    assert step_costs(found.analysis, found.step_range).causes[c.GEMM].tolist() == [300_000] * 5


def test_what_is_told_after_the_events_is_read(tmp_path):
    path = tmp_path / "a.json"
    gpus = [{"id": number, "name": "H100"} for number in (0, 1)]
    events = MERGED["labels, each rank sees all GPUs"]
    path.write_text(
        json.dumps({"traceEvents": events, "cuda_driver_version": 12080, "deviceProperties": [*gpus, *gpus]})
    )
    assert dict(read_timeline(path).facts) == {"GPU": "2 × H100", "CUDA driver": "12.8"}


def test_ranks_of_a_cpu_are_told_apart_too(tmp_path):
    def cpu(pid: int, length: float) -> Events:
        story = Story()
        for step in range(5):
            story.range("decode_step", 1000 + 1000 * step, 1000, pid)
            story.operator("aten::mm", 1100 + 1000 * step, length, pid)
        return story.events()

    analysis = Analysis(read_timeline(written(tmp_path / "a.json", cpu(1, 300) + cpu(2, 800))))
    for rank, ms in ((0, 0.3), (1, 0.8)):
        found = taken(analysis, Wanted(rank=rank))
        costs = step_costs(found.analysis, found.step_range)
        assert (costs.steps, costs.causes[c.GEMM].tolist()) == (5, [round(ms * 1e6)] * 5)
    assert "rank 0 (process 1, CPU) is taken" in taken(analysis, Wanted()).notes[-1]
