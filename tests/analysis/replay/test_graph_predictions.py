"""What a CUDA graph would save is predicted with what is not known of it: the way from kernel to kernel inside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.replay.change import Change
from bench.analysis.replay.whatif import Replay
from bench.analysis.statistics.spread import ASSUMED
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.single import predict
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto, write_nsys
from profiling.summarize import read_timeline


def analysed(path, decode, write, observer=(0.0, 0.0, 0.0)) -> Analysis:
    played = Machine(observer=observer, jitter=0.1, noise=(0.01, 0.01), seed=5)
    for _ in range(6):
        played.step(decode.step())
    write(path, played.happened)
    return Analysis(read_timeline(path))


@pytest.mark.parametrize(("write", "suffix"), [(write_kineto, "json"), (write_nsys, "sqlite")])
@pytest.mark.parametrize("regime", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
def test_the_interval_of_a_graph_holds_what_its_steps_take(tmp_path, write, suffix, regime):
    """This machine's graphs have 0.4 µs between their kernels, and 0.9 µs where each is launched."""
    path, decode = tmp_path / f"a.{suffix}", Decode(**regime)
    eager, graphed = (
        explain_traces(*[Trace(path, analysed(path, each, write))] * 2).recorded.wall_ms[0]
        for each in (decode, replace(decode, graph=True))
    )
    observed = analysed(path, decode, write, (1_760.0, 2_950.0, 2_700.0))
    found = predict(Trace(path, observed, eager), Change(cuda_graph=True)).found
    assert found.low < graphed < found.high
    assert found.low < found.predicted_ms < found.high < eager * 1.2


def test_what_is_not_known_of_a_graph_makes_no_interval_narrower(tmp_path):
    replay = Replay(analysed(tmp_path / "a.json", Decode(**GPU_BOUND), write_kineto))
    plain, graph = (replay.whatif(change, ASSUMED) for change in (Change({"host_gap": 0.0}), Change(cuda_graph=True)))
    assert graph.high - graph.low > plain.high - plain.low
    assert "half as much more or less" in graph.notes[0]
