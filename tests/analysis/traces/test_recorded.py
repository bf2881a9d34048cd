"""What recordings alone allow: bounds of the real step, and the inputs that would make a claim from them false."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.recorded import recorded
from bench.record import causes as c
from bench.record.timeline import Spans
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline
from tests.foreign_traces import Story

# A profiler that makes a host-bound step more than twice as long.
HEAVY = (3_000.0, 3_000.0, 5_000.0)


def trace(tmp_path, actions, *, steps=4, name="trace", **machine) -> Analysis:
    played = Machine(**machine)
    for _ in range(steps):
        played.step(actions.step() if isinstance(actions, Decode) else actions)
    path = tmp_path / f"{name}.json"
    write_kineto(path, played.happened)
    return Analysis(read_timeline(path))


def told(one: Analysis, other: Analysis):
    return recorded((one, other), (step_costs(one), step_costs(other)), ("decode_step",) * 2)


def wall(analysis: Analysis) -> float:
    return float(step_costs(analysis).wall.mean()) * 1e-6


@pytest.mark.parametrize("values", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
def test_the_real_step_lies_between_its_bounds(tmp_path, values):
    real = trace(tmp_path, Decode(**values))
    seen = trace(tmp_path, Decode(**values), observer=HEAVY)
    found = told(seen, seen)
    assert found.floor_ms[0] <= wall(real) <= found.wall_ms[0]


def test_a_gpu_that_is_always_busy_tells_the_sign(tmp_path):
    """Both GPU-bound, three times the work: recording cannot have done that."""
    one = trace(tmp_path, Decode(**GPU_BOUND), observer=HEAVY)
    other = trace(tmp_path, replace(Decode(**GPU_BOUND), gemm=130_000), observer=HEAVY)
    found, back = told(one, other), told(other, one)
    assert (found.verdict, back.verdict) == ("SLOWER", "FASTER")
    real = [trace(tmp_path, replace(Decode(**GPU_BOUND), gemm=gemm)) for gemm in (40_000, 130_000)]
    assert found.low <= wall(real[1]) / wall(real[0]) <= found.high


def test_a_busy_gpu_does_not_tell_what_processes_differ_by(tmp_path):
    """Half more work in a GPU-bound step is what two clocks may differ by: no overall answer, but that line."""
    one = trace(tmp_path, Decode(**GPU_BOUND))
    other = trace(tmp_path, replace(Decode(**GPU_BOUND), gemm=60_000))
    found = told(one, other)
    assert found.verdict is None
    assert next(line for line in found.lines if line.cause == c.GEMM).sure


def test_a_host_that_was_slowed_down_tells_nothing(tmp_path):
    """The heart of it: recorded ×0.4, really ×1.2. The profiler of the reference was the slower one."""
    one = trace(tmp_path, Decode(**HOST_BOUND), observer=tuple(4 * cost for cost in HEAVY))
    other = trace(tmp_path, replace(Decode(**HOST_BOUND), host=12_000))
    assert wall(other) < 0.5 * wall(one)
    assert wall(other) > wall(trace(tmp_path, Decode(**HOST_BOUND)))
    found = told(one, other)
    assert found.verdict is None
    assert not any(line.sure for line in found.lines)


def test_one_step_of_each_claims_nothing(tmp_path):
    one = trace(tmp_path, Decode(**GPU_BOUND), steps=1)
    other = trace(tmp_path, replace(Decode(**GPU_BOUND), gemm=400_000), steps=1)
    found = told(one, other)
    assert found.verdict is None
    assert not any(line.sure or line.low is not None for line in found.lines)


def test_streams_that_a_slow_host_keeps_apart(tmp_path):
    """Recorded one after the other, really beside each other: together they are no floor of the step."""
    beside = (
        Action("launch", 1_000, 3_000, (Kernel("gemm_a", 500_000, stream=7),)),
        Action("launch", 1_000, 3_000, (Kernel("gemm_b", 500_000, stream=9),)),
        Action("sync", 1_000, 2_000),
    )
    apart = (beside[0], replace(beside[1], before=600_000), beside[2])
    seen, real = (trace(tmp_path, actions, name=name) for actions, name in ((apart, "seen"), (beside, "real")))
    assert wall(real) < 0.6 * wall(seen)
    found = told(seen, seen)
    assert found.floor_ms[0] <= wall(real)
    short = trace(tmp_path, (Action("launch", 1_000, 3_000, (Kernel("gemm_a", 400_000),)), beside[2]), name="short")
    assert told(short, seen).verdict is None, "really ×1.25"


def test_another_process_on_the_gpu_is_no_work_of_these_steps(tmp_path):
    """As in a trace of the whole machine: a neighbour that keeps the GPU busy all the time."""
    mine = trace(tmp_path, Decode(**HOST_BOUND))
    timeline = mine.timeline
    kernels = timeline.kernels
    extra = {
        "start": [int(kernels.start.min())], "end": [int(kernels.end.max())], "device": [0], "stream": [99],
        "process": [int(kernels.process.max()) + 1], "correlation": [-1], "name": [int(kernels.name[0])],
        "graph_node": [0],
    }  # fmt: skip
    columns = {key: np.concatenate((getattr(kernels, key), np.array(value))) for key, value in extra.items()}
    shared = Analysis(replace(timeline, kernels=type(kernels).build(**columns)))
    assert len(shared.timeline.kernels) == len(kernels) + 1
    assert told(shared, shared).floor_ms[0] == pytest.approx(told(mine, mine).floor_ms[0])


def cpu(ns: int, count: int = 20, **machine):
    actions = [
        action
        for _ in range(count)
        for action in (Action("host", 5_000), Action("host", ns, operators=("aten::linear",)))
    ]
    return actions, machine


def test_operators_of_a_cpu(tmp_path):
    """Its operators hold the profiler's cost too: milliseconds of products outlast it, microseconds do not."""
    long, longer = (trace(tmp_path, cpu(ns)[0]) for ns in (3_000_000, 12_000_000))
    found = told(long, longer)
    gemm = next(line for line in found.lines if line.cause == c.GEMM)
    assert gemm.inflated and gemm.sure
    assert found.verdict == "SLOWER" and found.low <= 4.0 <= found.high
    short, shorter = (trace(tmp_path, cpu(ns)[0]) for ns in (3_000, 12_000))
    found = told(short, shorter)
    assert found.verdict is None
    assert not any(line.sure for line in found.lines)
    assert found.floor_ms == (0.0, pytest.approx(found.floor_ms[1]))


def test_recorded_python_frames_have_no_bound(tmp_path):
    """with_stack records every call of Python: what that costs is nowhere near a cost per operator."""
    long, longer = (trace(tmp_path, cpu(ns)[0]) for ns in (3_000_000, 12_000_000))
    frames = Spans.build(start=[0], end=[1], thread=[0], name=[0], domain=[0], lane=[0])
    stacked = [Analysis(replace(each.timeline, frames=frames)) for each in (long, longer)]
    found = told(*stacked)
    assert found.floor_ms == (0.0, 0.0)
    assert found.verdict is None and not any(line.sure for line in found.lines)


def test_a_gpu_against_a_cpu_is_refused(tmp_path):
    from bench.record.errors import RecordError

    one, other = trace(tmp_path, Decode(**HOST_BOUND)), trace(tmp_path, cpu(3_000)[0])
    with pytest.raises(RecordError, match="same kind of device"):
        explain_traces(Trace(Path("a"), one), Trace(Path("b"), other))


def test_copies_and_kernels_of_one_stream_run_one_after_the_other(tmp_path):
    """0.3 ms of copies, then 0.4 ms of kernels in each step: on one stream no step is shorter than both."""
    for stream, floor in ((7, 0.7), (8, 0.4)):
        story = Story()
        for step in range(4):
            at = 1000 + 1000 * step
            story.range("decode_step", at, 1000).copy("HtoD", at + 10, at + 30, 300, 30_000_000)
            story.kernel("toy_gemm", at + 20, at + 330, 400)
        events = story.events()
        for event in events:
            if event["cat"] == "gpu_memcpy":
                event["args"]["stream"] = stream
        path = tmp_path / f"{stream}.json"
        path.write_text(json.dumps({"traceEvents": events}))
        found = Trace(path, Analysis(read_timeline(path)))
        assert explain_traces(found, found).recorded.floor_ms == (pytest.approx(floor), pytest.approx(floor))
