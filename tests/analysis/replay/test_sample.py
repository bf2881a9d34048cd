"""Long traces: the steps that are played again are spread over all of it, said, and held against the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.ledger.read import step_costs
from bench.analysis.observer.costs import EventCosts
from bench.analysis.replay import sample
from bench.analysis.replay.change import Change
from bench.analysis.replay.undisturb import Undisturbed
from bench.analysis.statistics.spread import NOTHING
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.single import predict
from bench.record import causes as c
from bench.report.answer_traces import TracesAsked, answer
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Kernel, Machine
from benchmarks.fidelity.writers import write_nsys
from profiling.summarize import read_timeline

PLAIN, SLOW = Decode(**GPU_BOUND), replace(Decode(**GPU_BOUND), gemm=60_000)
COSTS = (1_800.0, 2_900.0, 2_800.0)


def recorded(path: Path, *parts: tuple[Decode, int], **machine) -> Trace:
    """A trace of so many steps of each decode, one after the other."""
    played = Machine(**machine)
    for decode, steps in parts:
        for _ in range(steps):
            played.step(decode.step())
    write_nsys(path, played.happened)
    return Trace(path, Analysis(read_timeline(path)))


def wall(trace: Trace) -> float:
    """ms of a recorded step."""
    return float(step_costs(trace.analysis).wall.mean()) * 1e-6


def few(monkeypatch, trace: Trace, steps: int) -> None:
    """Let only so many steps of such a trace be played."""
    work = len(trace.analysis.timeline.kernels) + len(trace.analysis.timeline.copies)
    monkeypatch.setattr(sample, "MOST_WORK", work * steps // step_costs(trace.analysis).steps + 1)


@given(steps=st.integers(1, 5_000), most=st.integers(1, 600), block=st.integers(1, 40))
def test_steps_are_spread_over_the_whole_trace(steps, most, block):
    rows = sample.spread_out(steps, most, block, np.random.default_rng(steps))
    assert len(rows) <= max(most, 1) and rows[0] >= 0 and rows[-1] < steps
    assert (np.diff(rows) > 0).all()
    if most >= steps:
        assert rows.tolist() == list(range(steps))
    else:
        parts = len(rows) // min(block, most)
        edges = np.linspace(0, steps, parts + 1).astype(int)
        assert np.searchsorted(edges, rows[:: min(block, most)], side="right").tolist() == list(range(1, parts + 1))


def test_a_host_that_is_ahead_is_followed_for_some_steps():
    """Its calls for a step lie in the time of the steps before."""
    host = np.arange(8) * 100
    assert sample.block_of(host + 90, host) == 1
    assert sample.block_of(host + 350, host) == 30


@pytest.mark.parametrize("at", [8, 20, 32])
def test_a_late_change_is_found_by_ledger_causes_and_whatif_alike(tmp_path, monkeypatch, at):
    steady = recorded(tmp_path / "one.sqlite", (PLAIN, 40))
    late = recorded(tmp_path / "late.sqlite", (PLAIN, at), (SLOW, 40 - at))
    few(monkeypatch, late, 10)
    both = [replace(trace, time_ms=wall(trace)) for trace in (steady, late)]
    pair = explain_traces(*both)
    whole = next(line.delta_ms for line in pair.recorded.lines if line.cause == c.GEMM)
    ledger, cause = pair.timed.closed.line(c.GEMM), next(x for x in pair.timed.causes if x.cause == c.GEMM)
    assert whole == pytest.approx(24 * 20e-3 * (40 - at) / 40, rel=0.01)
    for found in (ledger.delta_ms, cause.delta_ms, pair.timed.diagnosis.costs[0].mean * 1e-6):
        assert found == pytest.approx(whole, rel=0.1)
    assert pair.timed.diagnosis.costs[0].cause == c.GEMM
    assert "10 of 40 steps" in pair.timed.diagnosis.played
    assert [finding.code for finding in pair.findings] == ["sampled"]
    kept = predict(late, Change({c.GEMM: 2.0}), spread=NOTHING).found
    gemm = float(step_costs(late.analysis).causes[c.GEMM].mean()) * 1e-6
    assert kept.predicted_ms - kept.replayed_ms == pytest.approx(gemm, rel=0.1)
    assert kept.measured_ms == pytest.approx(wall(late))
    assert "10 of 40 steps were played again" in kept.notes[0]


def test_nothing_is_ranked_where_the_steps_played_are_not_like_all(tmp_path, monkeypatch):
    """One step in forty holds all of the difference, which no three steps do."""
    steady = recorded(tmp_path / "one.sqlite", (PLAIN, 40))
    once = recorded(tmp_path / "once.sqlite", (PLAIN, 8), (replace(PLAIN, gemm=4_000_000), 1), (PLAIN, 31))
    few(monkeypatch, once, 3)
    both = [replace(trace, time_ms=wall(trace)) for trace in (steady, once)]
    pair = explain_traces(*both)
    assert pair.timed.verdict == "SLOWER"
    assert (pair.timed.causes, pair.timed.closed.lines, pair.timed.diagnosis.costs) == ((), (), ())
    assert c.LABELS[c.GEMM] in pair.timed.diagnosis.refused
    assert pair.findings[-1].code == "sample-unlike"
    told = answer(pair, TracesAsked("one", "once", steady.path, once.path))
    assert "its causes are not ranked" in told.sentence and not told.causes
    found = predict(once, Change.removing(c.NORM), spread=NOTHING).found
    assert found.predicted_ms is None and "not like all 40" in found.missing


@pytest.mark.parametrize("ahead", [False, True])
def test_the_steps_played_cost_what_they_cost_in_the_trace(tmp_path, monkeypatch, ahead):
    decode = Decode(**HOST_BOUND)
    if ahead:  # nothing hands the token over, so the host does not wait
        decode = replace(PLAIN, end=lambda _: ())
    trace = recorded(tmp_path / "long.sqlite", (decode, 60), observer=COSTS)
    few(monkeypatch, trace, 20)
    found = Undisturbed(trace.analysis, "decode_step")
    rows = found.program.sample.rows
    assert len(rows) == found.program.steps == 20
    whole, again = step_costs(trace.analysis), found.costs(found.unchanged)
    assert again.wall.tolist() == pytest.approx(whole.wall[rows].tolist(), rel=0.02)
    for cause in (c.GEMM, c.NORM, c.LM_HEAD):
        assert again.causes[cause].tolist() == pytest.approx(whole.causes[cause][rows].tolist(), abs=3)


def test_what_was_recorded_in_other_steps_is_not_taken_off(tmp_path, monkeypatch):
    """An event costs the step that it lies in: a third of the steps hold a third of the events."""
    trace = recorded(tmp_path / "long.sqlite", (Decode(**HOST_BOUND), 30), observer=COSTS)
    costs = EventCosts(operator=1_000.0, range=1_000.0)
    all_of_it = Undisturbed(trace.analysis, "decode_step").total(costs)
    few(monkeypatch, trace, 10)
    assert Undisturbed(trace.analysis, "decode_step").total(costs) == pytest.approx(all_of_it / 3, rel=0.01)


def test_a_copy_outside_of_all_steps_is_in_none(tmp_path, monkeypatch):
    """What ran in a step that was left out is not played."""
    played = Machine()
    for number in range(12):
        extra = [Action("launch", 500, 1_000, (Kernel("rare_gemm", 900_000),))] if number == 5 else []
        played.step([*PLAIN.step(), *extra, Action("sync", 200, 2_000)])
    write_nsys(tmp_path / "t.sqlite", played.happened)
    trace = Trace(tmp_path / "t.sqlite", Analysis(read_timeline(tmp_path / "t.sqlite")))
    few(monkeypatch, trace, 3)
    program = Undisturbed(trace.analysis, "decode_step").program
    longest = max(op.end - op.start for op in program.ops)
    assert (longest >= 900_000) == (5 in program.sample.rows)
