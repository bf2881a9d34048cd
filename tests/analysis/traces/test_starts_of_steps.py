"""What comes first in a step does not take along the way into it, which is the host's work whatever it leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from bench.analysis.ledger.costs import START
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.record import causes as c
from benchmarks.fidelity.decode import HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.planted import CAST
from benchmarks.fidelity.writers import write_kineto, write_nsys
from benchmarks.intervals.world import CpuDecode
from profiling.summarize import read_timeline

WAY, HOST, WORK = 90_000, 9_000, 50_000


def prepared(*more):
    """A step that the host prepares for a while before it asks for anything."""
    way = Action("host", WAY)
    return replace(Decode(**HOST_BOUND), before_step=lambda ranges: (way, *more))


PLAIN = prepared()
CAST_FIRST = prepared(Action("launch", HOST, 3_000, (Kernel(CAST, WORK),), (), ("aten::_to_copy",)))
WRITERS = pytest.mark.parametrize(("write", "suffix"), [(write_kineto, "json"), (write_nsys, "sqlite")])


def trace(path, decode, write) -> Trace:
    """With the machine's own time of a step."""
    played, steps = Machine(), 6
    for _ in range(steps):
        played.step(decode.step())
    write(path, played.happened)
    ends = sorted(row[4] for row in played.happened.spans if row[2] == "decode_step")
    return Trace(path, Analysis(read_timeline(path)), (ends[-1] - ends[0]) / (steps - 1) * 1e-6)


def told(folder, write, suffix, *arms):
    paths = [folder / f"{number}.{suffix}" for number in range(2)]
    return explain_traces(*(trace(path, arm, write) for path, arm in zip(paths, arms, strict=True))).timed


@WRITERS
@pytest.mark.parametrize("sign", [1, -1], ids=["the candidate has it", "the reference has it"])
def test_a_first_kernel_that_one_trace_has_takes_its_own_time_along_and_not_the_step_s(tmp_path, write, suffix, sign):
    found = told(tmp_path, write, suffix, *(PLAIN, CAST_FIRST)[::sign])
    (cast,) = [cause for cause in found.causes if cause.cause == c.CAST]
    assert cast.work_ms == pytest.approx(sign * WORK * 1e-6)
    assert abs(cast.host_ms) < 0.015, "its own launch, and none of the 0.09 ms before it"
    start = {part.range: part for part in found.sources}.get(START)
    assert start is None or abs(start.delta_ms) < 0.005


@WRITERS
def test_removing_a_first_kernel_leaves_the_way_into_the_step(tmp_path, write, suffix):
    """The host's work is hidden behind the new kernel: all that it costs the step is what its launch does."""
    found = told(tmp_path, write, suffix, PLAIN, CAST_FIRST)
    costs = {cost.cause: cost.mean * 1e-6 for cost in found.diagnosis.costs}
    assert costs[c.CAST] == pytest.approx(found.closed.delta.delta_ms, abs=0.002)
    assert abs(costs.get(c.HOST_GAP, 0.0)) < 0.002


@WRITERS
def test_a_longer_way_into_a_step_is_the_host_s(tmp_path, write, suffix):
    longer = replace(PLAIN, before_step=lambda ranges: (Action("host", WAY + 200_000),))
    found = told(tmp_path, write, suffix, PLAIN, longer)
    assert found.causes[0].cause == found.diagnosis.costs[0].cause == c.HOST_GAP
    assert found.causes[0].delta_ms == pytest.approx(0.2, abs=0.005)
    assert found.diagnosis.costs[0].mean * 1e-6 == pytest.approx(0.2, abs=0.005)
    (start,) = [part for part in found.sources if part.range == START]
    assert start.delta_ms == pytest.approx(0.2, abs=0.005)


@dataclass(frozen=True)
class Prepared:
    """A CPU's step that the host prepares for a while; ``cast``: whether a cast comes first in it."""

    cast: bool

    def step(self):
        yield Action("host", WAY)
        if self.cast:
            yield Action("host", WORK, operators=("aten::_to_copy",))
            yield Action("host", HOST)
        yield from CpuDecode().step()


@pytest.mark.parametrize("sign", [1, -1], ids=["the candidate has it", "the reference has it"])
def test_a_first_operator_that_one_trace_has_leaves_the_way_into_the_step(tmp_path, sign):
    found = told(tmp_path, write_kineto, "json", *(Prepared(False), Prepared(True))[::sign])
    (cast,) = [cause for cause in found.causes if cause.cause == c.CAST]
    assert cast.work_ms == pytest.approx(sign * WORK * 1e-6, abs=0.002)
    assert abs(cast.host_ms) < 0.002, "none of the 0.09 ms before it"
    costs = {cost.cause: cost.mean * 1e-6 for cost in found.diagnosis.costs}
    assert costs[c.CAST] == pytest.approx(sign * WORK * 1e-6, abs=0.002)
