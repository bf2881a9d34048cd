"""CUDA graphs in one of two traces: their launch lies in no range, so nothing may be told apart by ranges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.ledger.classes import Classes
from bench.analysis.replay.common_ranges import with_common_ranges
from bench.analysis.replay.program import program_of
from bench.analysis.timeline import Analysis
from bench.analysis.traces.classed import CLASSED
from bench.analysis.traces.graphs import ONE_GRAPHED
from bench.analysis.traces.pair import Trace, explain_traces
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.planted import CAST
from benchmarks.fidelity.writers import write_kineto, write_nsys
from benchmarks.intervals.world import CpuDecode
from profiling.summarize import read_timeline

WRITERS = pytest.mark.parametrize(("write", "suffix"), [(write_kineto, "json"), (write_nsys, "sqlite")])


def analysed(path, decode, write=write_kineto) -> Analysis:
    played = Machine(jitter=0.1, noise=(0.01, 0.01), seed=len(path.name))
    for _ in range(6):
        played.step(decode.step())
    write(path, played.happened)
    return Analysis(read_timeline(path))


def told(folder, write, suffix, *arms):
    """Both with the time of a recorded step: nothing observes this machine."""
    paths = [folder / f"{'a' * number}b.{suffix}" for number in range(2)]
    traces = [Trace(path, analysed(path, arm, write)) for path, arm in zip(paths, arms, strict=True)]
    times = explain_traces(*traces).recorded.wall_ms
    return explain_traces(*(replace(trace, time_ms=ms) for trace, ms in zip(traces, times, strict=True)))


def casts(base, ns):
    def planted(ranges):
        return (Action("launch", base.host, 3_000, (Kernel(CAST, ns),), ranges, ("aten::_to_copy",)),)

    return replace(base, before_linear=planted)


@WRITERS
@pytest.mark.parametrize("regime", [HOST_BOUND, GPU_BOUND], ids=["host-bound", "GPU-bound"])
@pytest.mark.parametrize("order", [1, -1], ids=["candidate", "reference"])
def test_no_line_that_both_do_alike_is_surely_another_in_a_graph(tmp_path, write, suffix, regime, order):
    eager = Decode(**regime)
    pair = told(tmp_path, write, suffix, *(eager, replace(eager, graph=True))[::order])
    alike = (c.GEMM, c.LM_HEAD, c.NORM, c.ATTENTION, c.SAMPLING)
    lines = [*pair.recorded.lines, *pair.timed.closed.lines, *pair.timed.causes]
    assert not [line.cause for line in lines if line.cause in alike and line.sure]
    sure = {cost.cause for cost in pair.timed.diagnosis.costs if cost.sure}
    assert not sure & set(alike)
    assert not [cost for cost in pair.timed.diagnosis.costs if cost.cause in alike and abs(cost.mean) > 30e3]


@WRITERS
def test_what_the_eager_trace_does_more_is_its_own_cause_all_the_same(tmp_path, write, suffix):
    base = Decode(**GPU_BOUND)
    pair = told(tmp_path, write, suffix, replace(base, graph=True), casts(base, 15_000))
    assert pair.timed.causes[0].cause == pair.timed.diagnosis.costs[0].cause == c.CAST
    assert pair.timed.causes[0].sure
    assert pair.timed.diagnosis.costs[0].mean * 1e-6 == pytest.approx(0.38, abs=0.02)


@pytest.mark.parametrize("order", [1, -1])
def test_graphs_in_one_are_said_with_what_tells_what_they_would_save(tmp_path, order):
    eager = Decode(**HOST_BOUND)
    pair = told(tmp_path, write_kineto, "json", *(eager, replace(eager, graph=True))[::order])
    (finding,) = [one for one in pair.findings if one.code == ONE_GRAPHED]
    without = "reference" if order == 1 else "candidate"
    assert f"would save the {without}: 'whatif TRACE --cuda-graph'" in finding.remedy
    both = told(tmp_path, write_kineto, "json", *[replace(eager, graph=True)] * 2)
    assert not {ONE_GRAPHED, CLASSED} & {one.code for one in both.findings}


def test_a_name_that_is_in_two_lines_of_one_trace_and_in_one_of_the_other_is_named(tmp_path):
    """Of a product that both have, the range of the output layer tells a part in the eager trace alone."""
    eager = replace(Decode(**HOST_BOUND), head=40_000)
    pair = told(tmp_path, write_kineto, "json", eager, replace(eager, graph=True))
    (finding,) = [one for one in pair.findings if one.code == CLASSED]
    assert "nvjet" in finding.message and "the output layer and matrix products" in finding.message


def program(path, decode):
    return program_of(analysed(path, decode), Classes(), "decode_step")


def renamed(decode, suffix):
    """The same work in ranges of other names."""

    class Renamed:
        def step(self):
            for action in decode.step():
                yield replace(action, ranges=tuple(f"{name}{suffix}" for name in action.ranges))

    return Renamed()


def test_ranges_of_other_code_tell_nothing_apart(tmp_path):
    base = Decode(**GPU_BOUND)
    one, other = program(tmp_path / "a.json", base), program(tmp_path / "b.json", renamed(base, "_block"))
    found = with_common_ranges(one, other)
    assert not any(op.range for each in found for op in each.ops if op.cause == c.GEMM)
    pair = told(tmp_path, write_kineto, "json", base, renamed(casts(base, 15_000), "_block"))
    costs = {cost.cause: cost.mean * 1e-6 for cost in pair.timed.diagnosis.costs}
    assert costs[c.CAST] == pytest.approx(0.38, abs=0.02)
    assert abs(costs[c.GEMM]) < 0.03


class NoRanges:
    """The same work in no ranges."""

    def __init__(self, decode):
        self._decode = decode

    def step(self):
        return (replace(action, ranges=()) for action in self._decode.step())


@pytest.mark.parametrize("other", [renamed(CpuDecode(), "_block"), NoRanges(CpuDecode())], ids=["others", "none"])
@pytest.mark.parametrize("order", [1, -1])
def test_on_a_cpu_ranges_of_one_alone_move_no_host_time_to_work_that_both_do(tmp_path, other, order):
    pair = told(tmp_path, write_kineto, "json", *(CpuDecode(), other)[::order])
    assert all(abs(cost.mean) < 10e3 for cost in pair.timed.diagnosis.costs), "nothing differs"


def test_on_a_cpu_a_cast_in_ranges_of_other_names_is_the_whole_difference(tmp_path):
    pair = told(tmp_path, write_kineto, "json", CpuDecode(), renamed(CpuDecode(casts=True), "_block"))
    first, *others = pair.timed.diagnosis.costs
    assert first.cause == c.CAST
    assert first.mean * 1e-6 == pytest.approx(pair.timed.closed.delta.delta_ms, abs=0.02)
    assert all(abs(cost.mean) < 15e3 for cost in others)


def test_what_a_range_alone_tells_apart_saves_nothing_surely(tmp_path):
    """A trace without ranges knows no output layer: its product is among the others."""
    for regime in (HOST_BOUND, GPU_BOUND):
        pair = told(tmp_path, write_nsys, "sqlite", NoRanges(Decode(**regime)), Decode(**regime))
        assert not [cost.cause for cost in pair.timed.diagnosis.costs if cost.sure]


def test_ranges_that_both_have_still_count(tmp_path):
    base = Decode(**GPU_BOUND)
    both = program(tmp_path / "a.json", base), program(tmp_path / "b.json", casts(base, 15_000))
    assert all(one is other for one, other in zip(with_common_ranges(*both), both, strict=True))
