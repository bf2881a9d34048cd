"""What is assumed of other processes: where it is from, and what it makes of an interval."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.ledger.pairs import observed_records
from bench.analysis.statistics.spread import ASSUMED, NOTHING, Bounded, Spread, apart, half_width
from bench.record.store import load

H100 = Path(__file__).parents[2] / "reports" / "runs" / "h100-starcoder2-3b-20261126"


def test_the_output_layer_s_kernels_hardly_differ_between_processes():
    """The figure of the module's docstring: one kernel, the same in all eight arms, each a process of its own."""
    found = observed_records(load(H100).records).values()
    means = [np.mean(records[0].values("observed_lm_head_per_step")) for records in found]
    assert len(means) == 8
    assert np.std(means, ddof=1) / np.mean(means) == pytest.approx(0.007, abs=0.0005)
    assert ASSUMED.gpu > 2 * np.std(means, ddof=1) / np.mean(means)


def test_half_of_an_interval():
    assert half_width([(0.0, 0.0), (1.0, 5.0)]) is None, "one step shows no variation"
    assert half_width([(0.0, 3.0)]) == 0.0
    assert half_width([(1.0, 1e6)]) == pytest.approx(1.96, abs=0.01)
    assert half_width([], (1.0,)) == pytest.approx(4.303, abs=0.001), "t of two degrees of freedom"
    assert half_width([], (), (3.0, 4.0)) == pytest.approx(5 * 1.96, rel=0.01)
    assert apart(NOTHING) == 1.0


def test_limits_are_where_one_standard_deviation_times_t_is():
    """Of two degrees of freedom, in every direction: each kind of work by itself, and both together."""
    t = 4.3027
    limits = [(math.log(each["host"]) / 0.1, math.log(each["gpu"]) / 0.02) for each in Spread(0.1, 0.02).limits]
    assert [math.hypot(*each) for each in limits] == pytest.approx([t] * len(limits), rel=1e-4)
    for way in ((t, 0.0), (-t, 0.0), (0.0, t), (0.0, -t)):
        assert any(each == pytest.approx(way, abs=1e-3) for each in limits)
    assert all(each == {"host": 1.0, "gpu": 1.0} for each in NOTHING.limits)


def test_what_is_all_host():
    found = ASSUMED.all_host(2.0)
    assert found.high / found.usual == pytest.approx(found.usual / found.low) == pytest.approx(1.676, rel=1e-3)
    apart_ = found.log - ASSUMED.all_host(1.0).log
    assert math.exp(apart_.usual - apart_.low) == pytest.approx(apart(ASSUMED)) == pytest.approx(2.076, rel=1e-3)


def test_a_difference_goes_each_way_by_itself():
    found = Bounded(10.0, 7.0, 11.0) - Bounded(4.0, 4.0, 8.0)
    assert (found.usual, found.low, found.high) == (6.0, 1.0, 7.0)
