"""Clocks of host and GPU that do not agree, and kernels whose call is lost: then no idle time is sure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.replay.change import Change
from bench.analysis.timeline import Analysis
from bench.analysis.traces.clocks import CLOCKS, UNCALLED, returned_early, too_late
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.single import predict
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Machine
from benchmarks.fidelity.planted import cases
from benchmarks.fidelity.writers import write_kineto, write_nsys
from profiling.summarize import read_timeline

OBSERVER = (1_760.0, 2_950.0, 2_700.0)
HOST, GPU = Decode(**HOST_BOUND), Decode(**GPU_BOUND)
CASTS = {case.regime: case for case in cases() if case.cause == case.remove == c.CAST}
WRITERS = pytest.mark.parametrize(("write", "suffix"), [(write_kineto, "json"), (write_nsys, "sqlite")])


def happened(decode, observer=OBSERVER, seed=3):
    played = Machine(observer=observer, jitter=0.1, noise=(0.01, 0.01), seed=seed)
    for _ in range(6):
        played.step(decode.step())
    return played.happened


def later(found, ns):
    """The GPU's clock, so much later than the host's."""
    kernels = [(name, stream, begin + ns, end + ns, *rest) for name, stream, begin, end, *rest in found.kernels]
    copies = [(size, stream, begin + ns, end + ns, *rest) for size, stream, begin, end, *rest in found.copies]
    return replace(found, kernels=kernels, copies=copies)


def without_every_tenth_call(found):
    return replace(found, calls=[call for place, call in enumerate(found.calls) if place % 10])


def trace(path, found, write, time_ms=None) -> Trace:
    write(path, found)
    return Trace(path, Analysis(read_timeline(path)), time_ms)


def explained(folder, write, suffix, decode, change):
    """Two recordings of one thing, of which the second is changed, with the true time of a step."""
    true = trace(folder / f"true.{suffix}", happened(decode, (0.0, 0.0, 0.0)), write)
    ms = explain_traces(true, true).recorded.wall_ms[0]
    one = trace(folder / f"a.{suffix}", happened(decode), write, ms)
    return explain_traces(one, trace(folder / f"b.{suffix}", change(happened(decode, seed=4)), write, ms))


@WRITERS
@pytest.mark.parametrize("ns", [-20_000, 200_000, 3_000_000])
def test_a_clock_that_is_off_makes_no_idle_time_a_sure_cause(tmp_path, write, suffix, ns):
    pair = explained(tmp_path, write, suffix, HOST, lambda found: later(found, ns))
    (finding,) = [one for one in pair.findings if one.code == CLOCKS]
    assert "in the candidate's trace" in finding.message
    lines = [*pair.recorded.lines, *pair.timed.closed.lines, *pair.timed.causes]
    assert not [line.cause for line in lines if line.cause in c.IDLE and line.sure]
    assert not [cost.cause for cost in pair.timed.diagnosis.costs if cost.sure]


@WRITERS
@pytest.mark.parametrize("decode", [HOST, GPU], ids=["host-bound", "GPU-bound"])
def test_lost_calls_make_no_idle_time_a_sure_cause(tmp_path, write, suffix, decode):
    pair = explained(tmp_path, write, suffix, decode, without_every_tenth_call)
    (finding,) = [one for one in pair.findings if one.code == UNCALLED]
    assert "kernels in the steps of the candidate have no call" in finding.message
    lines = [*pair.recorded.lines, *pair.timed.closed.lines, *pair.timed.causes]
    assert not [line.cause for line in lines if line.cause in c.IDLE and line.sure]


@WRITERS
@pytest.mark.parametrize("regime", ["host-bound", "GPU-bound"])
def test_traces_without_any_call_have_no_sure_host_time(tmp_path, write, suffix, regime):
    """What recording cost cannot be taken off: a cast was said to bring 0.42 ms of the host's time along, of 0.22."""
    case = CASTS[regime]
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    arms = zip(
        paths, (case.reference, case.candidate), (0.6, 0.9) if regime == "host-bound" else (1.1, 1.5), strict=True
    )
    both = [trace(path, replace(happened(decode), calls=[]), write, ms) for path, decode, ms in arms]
    pair = explain_traces(*both)
    assert [one.code for one in pair.findings].count(UNCALLED) == 2
    assert not [cause.cause for cause in pair.timed.causes if cause.host_ms and cause.sure]
    (cast,) = [line for line in pair.recorded.lines if line.cause == c.CAST]
    assert cast.sure, "what the GPU works is known all the same"


@WRITERS
@pytest.mark.parametrize("decode", [HOST, GPU], ids=["host-bound", "GPU-bound"])
def test_a_sound_trace_has_neither(tmp_path, write, suffix, decode):
    pair = explained(tmp_path, write, suffix, decode, lambda found: found)
    assert not {CLOCKS, UNCALLED} & {one.code for one in pair.findings}


def test_a_call_that_returns_before_its_work_ends_tells_of_another_clock(tmp_path):
    """Where the GPU is never idle no launch tells it, but the host that waits for it does."""
    waiting = replace(GPU, end=lambda ranges: (Action("sync", 500, 2_500),))
    found = happened(waiting)
    assert returned_early(trace(tmp_path / "a.json", found, write_kineto).analysis) == (0.0, 0)
    share, most = returned_early(trace(tmp_path / "b.json", later(found, 200_000), write_kineto).analysis)
    assert share > 0.9 and most == pytest.approx(197_000, abs=2_000)


def lost_kernels(found):
    return replace(found, kernels=[kernel for place, kernel in enumerate(found.kernels) if place % 10])


@WRITERS
@pytest.mark.parametrize("regime", CASTS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: later(found, -20_000), "the clocks of host and GPU are apart"),
        (without_every_tenth_call, "have no call in the trace"),
        (lost_kernels, "the trace lacks a part of its GPU work"),
    ],
    ids=["clocks", "calls", "kernels"],
)
def test_a_prediction_from_a_damaged_trace_is_not_said_to_be_sure(tmp_path, write, suffix, regime, change, said):
    candidate = CASTS[regime].candidate
    found = trace(tmp_path / f"a.{suffix}", change(happened(candidate)), write)
    ms = explain_traces(found, found).recorded.wall_ms[0]
    told = predict(replace(found, time_ms=ms), Change.removing(c.CAST)).found
    assert told.notes[0].startswith("not sure: ") and said in told.notes[0]
    assert told.low is None and told.high is None
    sound = trace(tmp_path / f"b.{suffix}", happened(candidate), write, ms)
    assert not [note for note in predict(sound, Change.removing(c.CAST)).found.notes if "not sure" in note]


@WRITERS
@pytest.mark.parametrize("regime", CASTS)
def test_kernels_whose_calls_are_lost_go_with_the_work_before_them(tmp_path, write, suffix, regime):
    """They stayed where they were recorded, so that nothing before them saved anything."""
    case = CASTS[regime]
    without, with_ = (happened(decode, (0.0, 0.0, 0.0)) for decode in (case.reference, case.candidate))
    true, found = (trace(tmp_path / f"{n}.{suffix}", each, write) for n, each in enumerate((without, with_)))
    damaged = trace(tmp_path / f"c.{suffix}", without_every_tenth_call(with_), write)
    wall = explain_traces(true, true).recorded.wall_ms[0]
    for each in (found, damaged):
        told = predict(each, Change.removing(c.CAST)).found
        assert told.replayed_ms == pytest.approx(told.measured_ms, rel=1e-3)
        assert told.predicted_ms == pytest.approx(wall, rel=0.06)


def test_too_few_launches_tell_no_clock(tmp_path):
    played = Machine(seed=1)
    played.step(HOST.step())
    few = replace(later(played.happened, 500_000), kernels=later(played.happened, 500_000).kernels[:15])
    assert too_late(trace(tmp_path / "a.json", few, write_kineto).analysis) == (0.0, 0)
