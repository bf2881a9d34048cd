"""Joules of records of any age, held against what else the same record holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.energy import summarise
from bench.analysis.energy.windows import doubts, judge, judged, no_verdict, withheld
from bench.analysis.energy.work_windows import Span, sampled_joules
from bench.record.schema import Finding
from bench.record.store import load
from tests import factories as make

RUNS = Path(__file__).parents[2] / "reports" / "runs"
TIMES = [0.1 * step for step in range(-5, 62)]


def record(**metrics):
    """An older record: three windows of 2 s at 300 W, sampled every 0.1 s; ``metrics`` in place of its own."""
    held = {
        "window_time": [2.0] * 3, "window_tokens": [128] * 3, "window_tail_time": [0.05] * 3,
        "energy_gpu": [600.0] * 3, "idle_time": [2.0], "idle_energy_gpu": [200.0],
        "sample_time": TIMES, "gpu_power": [300.0] * len(TIMES), "gpu_clock_sm": [1.98e9] * len(TIMES),
        "gpu_throttle_reasons": [0.0] * len(TIMES),
    }  # fmt: skip
    held |= metrics
    kept = {name: values for name, values in held.items() if values is not None}
    return make.record("energy", make.case("nf4", device="cuda"), kept, environment=make.GPU)


def codes(of):
    return [one.code for one in judge(of)]


def changed(value, other, share):
    """A sampled column that changes after ``share`` of the windows' time."""
    return [value if moment < 6.0 * share else other for moment in TIMES]


def test_an_older_record_without_fault_has_no_doubt():
    assert doubts(record()) == ()
    bare = record(sample_time=None, gpu_power=None, gpu_clock_sm=None, gpu_throttle_reasons=None)
    assert doubts(bare) == ()


@pytest.mark.parametrize(
    ("metrics", "code", "effect"),
    [
        ({"energy_gpu": [0.0, 600.0, 600.0]}, "energy-counter-zero", "withheld"),
        ({"energy_gpu": [600.0, 600.0, 750.0]}, "energy-windows-apart", "no verdict"),
        ({"energy_gpu": [480.0] * 3}, "energy-counter-not-power", "no verdict"),
        ({"energy_gpu": [260.0] * 3}, "energy-counter-not-power", "withheld"),
        ({"energy_gpu": [2000.0] * 3, "gpu_power": [1000.0] * len(TIMES)}, "energy-power-implausible", "withheld"),
        ({"energy_gpu": [4.0] * 3, "gpu_power": [2.0] * len(TIMES)}, "energy-power-implausible", "withheld"),
        ({"window_tail_time": [0.05, 0.9, 0.05]}, "energy-ticks-slow", "no verdict"),
        ({"idle_energy_gpu": [610.0]}, "energy-net-negative", "no verdict"),
        ({"gpu_clock_sm": changed(1.98e9, 1.4e9, 0.5)}, "energy-clock-changed", "told"),
        ({"gpu_throttle_reasons": changed(0, 0x4, 0.9)}, "energy-capped", "told"),
        ({"gpu_power_limit": changed(700.0, 400.0, 0.5)}, "energy-limit-changed", "no verdict"),
        ({"gpu_other_processes": changed(0, 1, 0.9)}, "energy-gpu-shared", "no verdict"),
        ({"idle_sample_time": [7.0], "idle_gpu_other_processes": [2]}, "energy-gpu-shared", "no verdict"),
        ({"counter_gpu": [*(30.0 * step for step in range(40)), 1000.0, *(1200.0 + 30.0 * step for step in range(26))]},
         "energy-counter-backwards", "withheld"),
    ],
)  # fmt: skip
def test_each_fault_has_its_finding_and_its_effect(metrics, code, effect):
    found = [one for one in doubts(record(**metrics)) if one.finding.code == code]
    assert [(one.counter, one.effect) for one in found] == [("gpu", effect)]
    assert found[0].finding.evidence and found[0].finding.remedy
    assert bool(withheld(record(**metrics), "gpu")) == (effect == "withheld" or _worse(metrics))
    assert bool(no_verdict(record(**metrics), "gpu")) == (effect != "told")


def _worse(metrics):
    return any(one.effect == "withheld" for one in doubts(record(**metrics)))


def test_net_is_negative_only_above_the_idle_power_that_net_figures_take():
    """A card that cools draws more at rest before the work than in it: 130 and 115 W, 103 and 102 W, at work 109 W."""
    cooling = {
        "idle_time": [2.0] * 4, "idle_energy_gpu": [260.0, 230.0, 206.0, 204.0], "idle_begin": [-4.0, -2.0, 6.0, 8.0],
        "gpu_power": None, "sample_time": None, "gpu_clock_sm": None, "gpu_throttle_reasons": None,
    }  # fmt: skip
    above, below = (record(**cooling, energy_gpu=[2 * watts] * 3) for watts in (109.0, 103.0))
    (row,) = (row for group in summarise([above]) for row in group.rows if row.gross)
    assert row.net.value > 0 and sum(cooling["idle_energy_gpu"]) / 8 > 109.0
    assert doubts(above) == ()
    assert [one.finding.code for one in doubts(below)] == ["energy-net-negative"]


def test_clocks_and_caps_that_are_no_fault():
    assert codes(record(gpu_clock_sm=changed(1.98e9, 1.965e9, 0.5))) == []
    assert codes(record(gpu_throttle_reasons=changed(0, 0x1 | 0x2, 0.5))) == []
    outside = [0 if 0 <= moment <= 6 else 0x4 for moment in TIMES]
    assert codes(record(gpu_throttle_reasons=outside)) == []


def test_a_board_counter_under_mig():
    sliced = replace(make.GPU, gpus=({"name": "x", "mig": True},))
    assert "MIG is on" in withheld(replace(record(), environment=sliced), "gpu")


def test_a_thousand_times_is_said_to_be_a_unit():
    assert "mJ taken for J" in " ".join(one.message for one in judge(record(energy_gpu=[0.6] * 3)))


def test_a_counter_that_was_slow_at_an_edge_is_withheld():
    told = Finding(
        "energy-counter-slow", "warning", "the gpu energy counter did not move within 2 s at a window's edge"
    )
    assert "another interval" in withheld(replace(record(), findings=(told,)), "gpu")


def test_a_sampler_that_died_is_told():
    short = [moment for moment in TIMES if moment < 3.0]
    cut = {name: [1.0] * len(short) for name in ("gpu_clock_sm", "gpu_throttle_reasons")}
    found = judge(
        record(sample_time=short, gpu_power=[300.0] * len(short), **cut | {"gpu_throttle_reasons": [0.0] * len(short)})
    )
    assert [(one.code, one.evidence) for one in found] == [
        ("energy-sampler-stopped", "no sample from 2.9 to 6.0 s of 6.0 s")
    ]


@pytest.mark.parametrize("lag", [0.0, 0.25, 0.5])
def test_the_bounds_of_sampled_power_hold_the_joules_of_a_sensor_with_a_lag(lag):
    """A window that begins at rest, its power read as a mean over 2 × lag: the true joules lie within the bounds."""

    def sensed(moment):
        if lag == 0.0:
            return 300.0 if 0 <= moment <= 2.0 else 100.0
        at = np.linspace(moment - 2 * lag, moment, 2001)
        return float(np.mean(np.where((at >= 0) & (at <= 2.0), 300.0, 100.0)))

    late = [0.1 * step for step in range(21, 40)]
    of = record(
        window_time=[2.0], energy_gpu=[600.0], window_tokens=[1], window_tail_time=[0.0],
        sample_time=TIMES[:26], gpu_power=[sensed(moment) for moment in TIMES[:26]],
        gpu_clock_sm=None, gpu_throttle_reasons=None,
        idle_sample_time=late, idle_gpu_power=[sensed(moment) for moment in late],
    )  # fmt: skip
    low, high, count = sampled_joules(of, Span(0.0, 2.0))
    assert low * 0.98 <= 600.0 <= high * 1.02 and high / low < 1.3 and count >= 20


def test_what_the_record_says_itself_is_not_told_twice():
    doubted = record(idle_energy_gpu=[610.0])
    (once,) = judged([doubted])
    assert [one.code for one in once.findings] == ["energy-net-negative"]
    assert judge(once) == () and judged([once]) == (once,)
    assert len(doubts(once)) == 1  # it is still a doubt


@pytest.mark.parametrize(
    "odd",
    [
        {"edge_time_gpu": [0.0]},
        {"edge_time_gpu": [0.0, 2.0, 4.0]},
        {"window_time": [0.0] * 3},
        {"window_time": [2.0, 0.0, 2.0]},
        {"sample_time": [1.0], "gpu_power": [300.0]},
        {"gpu_power": [300.0]},
        {"idle_sample_time": [7.0], "idle_gpu_power": [100.0, 90.0]},
        {"energy_gpu": [600.0]},
        {"counter_gpu": [1.0]},
        {"gpu_power": [0.0] * len(TIMES)},
        {"gpu_power": [-1.0] * len(TIMES)},
        {"gpu_power": [1e308] * len(TIMES)},
        {"energy_gpu": [1e308] * 3},
    ],
)
def test_a_record_of_odd_lengths_is_judged_all_the_same(odd):
    """Whoever edits a record gets findings, or none, and no traceback."""
    assert all(one.finding.code.startswith("energy-") for one in doubts(record(**odd)))


def test_a_machine_with_odd_facts():
    odd = replace(make.GPU, gpus=({"name": None, "power_limit_w": "much"},))
    assert doubts(replace(record(), environment=odd, setup={"counters": None, "sample_period_s": "x"})) == ()


def test_other_instruments_and_skipped_records_have_no_doubt():
    assert doubts(make.record("generation", make.case("nf4"), {"generate_time": [1.0]})) == ()


@pytest.mark.parametrize("run", sorted(path.name for path in RUNS.iterdir()))
def test_the_committed_runs_have_no_doubt(run):
    assert [doubts(one) for one in load(RUNS / run).records if one.instrument == "energy" and doubts(one)] == []
