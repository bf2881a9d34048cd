"""Times of one process each: their interval assumes as much as the pace-setter's work spreads, and no more."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.statistics.spread import ASSUMED, NOTHING, apart
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace, explain_traces
from bench.analysis.traces.times import StepTime, bounded_time, given_time, time_ratio
from bench.cli import main
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto
from benchmarks.intervals.world import CpuDecode
from profiling.summarize import read_timeline

OBSERVER = (1_800.0, 2_900.0, 2_800.0)


def trace(path: Path, decode, time_ms: float, **machine) -> Trace:
    played = Machine(**machine)
    for _ in range(6):
        played.step(decode.step())
    write_kineto(path, played.happened)
    return Trace(path, Analysis(read_timeline(path)), time_ms)


def timed(folder: Path, one, other, times, **machine):
    both = (trace(folder / f"{n}.json", d, times[n], **machine) for n, d in enumerate((one, other)))
    return explain_traces(*both).timed


@pytest.mark.parametrize(("times", "alike"), [((16.0, 51.7), False), ((16.0, 19.58), True), ((0.8, 1.0), True)])
def test_times_of_steps_that_are_all_host(times, alike):
    """×3.23 from one process each is an answer, ×1.22 is none."""
    one, other = map(given_time, times)
    found = time_ratio(one, other, (ASSUMED.all_host(one.seconds), ASSUMED.all_host(other.seconds)))
    assert (found.low < 1.0 < found.high) == alike
    assert found.value / found.low == pytest.approx(found.high / found.value) == pytest.approx(apart(ASSUMED))


def test_processes_that_are_seen_are_not_assumed():
    one, other = StepTime(((2.0,), (2.1,), (1.9,)), ""), StepTime(((1.0,), (1.1,), (0.9,)), "")
    wide = ASSUMED.all_host(2.0), ASSUMED.all_host(1.0)
    assert time_ratio(one, other, wide) == time_ratio(one, other, (NOTHING.all_host(2.0), NOTHING.all_host(1.0)))


def test_where_the_gpu_sets_the_pace_its_own_spread_alone_counts(tmp_path):
    """×1.25 there is an answer; a host that is slower by as much as is assumed stays hidden."""
    one = Decode(**GPU_BOUND)
    found = timed(tmp_path, one, replace(one, gemm=50_000), (1.0761, 1.3161))
    assert found.verdict == "SLOWER"
    far = math.exp(4.303 * math.hypot(ASSUMED.gpu, ASSUMED.gpu))
    assert found.ratio.value / found.ratio.low == pytest.approx(far, rel=0.01)
    assert found.ratio.high / found.ratio.value == pytest.approx(far, rel=0.01)
    delta = found.closed.delta
    assert delta.low > 0.0
    assert delta.high - delta.low == pytest.approx(2 * 0.086 * math.hypot(1.0761, 1.3161), rel=0.05)


@pytest.mark.parametrize("decodes", [(Decode(**HOST_BOUND),) * 2, (CpuDecode(),) * 2], ids=["host-bound", "CPU"])
def test_where_the_host_sets_the_pace_its_spread_counts(tmp_path, decodes):
    found = timed(tmp_path, *decodes, (0.5328, 0.66))
    assert found.verdict == "AMBIGUOUS"
    assert found.ratio.value / found.ratio.low == pytest.approx(apart(ASSUMED), rel=0.05)
    assert found.ratio.high / found.ratio.value == pytest.approx(apart(ASSUMED), rel=0.05)


def step_ms(decode, host: float = 1.0) -> float:
    played = Machine(host=host)
    for _ in range(6):
        played.step(decode.step())
    return (played.happened.end - 1_000_000) / 6e6


def limits_of(folder, decode, slower: float = 1.0):
    """How far the real time is from what was timed, in parts of that: (below, above). ``slower``: the timed host."""
    time = step_ms(decode, slower)
    of_it = trace(folder / "a.json", decode, time, observer=OBSERVER)
    found = bounded_time(of_it.analysis, given_time(time), of_it.step_range, ASSUMED)
    return found.low / found.usual - 1.0, found.high / found.usual - 1.0


def test_a_host_that_a_slow_process_would_bring_into_view_counts(tmp_path):
    """The GPU hides the host by less than is assumed: a slower host would be seen, a faster one would not."""
    hidden, near = (limits_of(tmp_path, Decode(host=host, gemm=30_000)) for host in (1_000, 15_000))
    gpu = math.exp(-4.303 * ASSUMED.gpu) - 1.0, math.exp(4.303 * ASSUMED.gpu) - 1.0
    assert hidden == pytest.approx(gpu, rel=0.1)
    assert near[0] == pytest.approx(gpu[0], rel=0.1)
    assert near[1] > 3.0 * gpu[1]


def test_where_both_set_the_pace_both_together_make_it_shorter(tmp_path):
    """Neither a faster host nor a faster GPU by itself does."""
    even = Decode(host=9_000, gemm=11_100, small=11_100, attention=11_100)
    below, above = limits_of(tmp_path, even)
    assert below < -0.06
    assert above > 0.3


def test_a_time_that_a_slow_host_took_may_really_be_the_gpu_s(tmp_path):
    """Recorded on a usual host, timed on one that is half as fast again and so came out from behind the GPU."""
    near = Decode(host=9_000, gemm=18_000)
    usual, slow = step_ms(near), step_ms(near, 1.6)
    assert slow > 1.2 * usual
    below, _ = limits_of(tmp_path, near, 1.6)
    assert slow * (1.0 + below) < usual


def test_time_that_no_replay_accounts_for_is_the_host_s(tmp_path):
    """Steps of 1 ms that are said to take 100: most of that is not in the trace, so nothing says that it is steady."""
    found = timed(tmp_path, Decode(**GPU_BOUND), Decode(**GPU_BOUND), (100.0, 100.0))
    assert found.ratio.high == pytest.approx(apart(ASSUMED), rel=0.05)


def test_the_command_prints_the_same_interval(tmp_path, capsys):
    one = Decode(**GPU_BOUND)
    found = timed(tmp_path, one, replace(one, gemm=50_000), (1.0761, 1.3161))
    files = [str(tmp_path / "0.json"), str(tmp_path / "1.json")]
    times = ["--reference-time", "1.0761", "--candidate-time", "1.3161", "--json"]
    assert main(["explain", "--reference", files[0], "--candidate", files[1], *times]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pairs"][0]["delta_ci"] == pytest.approx([found.closed.delta.low, found.closed.delta.high])
    assert document["pairs"][0]["ratio"]["ci"] == pytest.approx([found.ratio.low, found.ratio.high])
