"""What is assumed of other processes: where it is from, and what it makes of an interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.analysis.ledger.pairs import observed_records
from bench.analysis.spread import ASSUMED, NOTHING, apart, assumed_ratio, half_width, seen
from bench.analysis.statistics import ratio
from bench.record.store import load

H100 = Path(__file__).parents[2] / "reports" / "runs" / "h100-starcoder2-3b-20261126"


def test_the_output_layer_s_kernels_hardly_differ_between_processes():
    """The figure of the module's docstring: one kernel, the same in all eight arms, each a process of its own."""
    found = observed_records(load(H100).records).values()
    means = [np.mean(records[0].values("observed_lm_head_per_step")) for records in found]
    assert len(means) == 8
    assert np.std(means, ddof=1) / np.mean(means) == pytest.approx(0.007, abs=0.0005)
    assert ASSUMED.gpu > 2 * np.std(means, ddof=1) / np.mean(means)


@pytest.mark.parametrize(("times", "alike"), [((16.0, 51.7), False), ((16.0, 19.58), True), ((0.8, 1.0), True)])
def test_single_times(times, alike):
    """×3.23 from one process each is an answer, ×1.22 is none."""
    found = assumed_ratio(ratio([(times[1],)], [(times[0],)]), ASSUMED)
    assert (found.low < 1.0 < found.high) == alike
    assert found.value / found.low == pytest.approx(found.high / found.value) == pytest.approx(apart(ASSUMED))


def test_processes_that_are_seen_are_not_assumed():
    found = ratio([(1.0,), (1.1,), (0.9,)], [(2.0,), (2.1,), (1.9,)])
    assert seen(found.basis)
    assert assumed_ratio(found, ASSUMED) == found


def test_half_of_an_interval():
    assert half_width([(0.0, 0.0), (1.0, 5.0)]) is None, "one step shows no variation"
    assert half_width([(0.0, 3.0)]) == 0.0
    assert half_width([(1.0, 1e6)]) == pytest.approx(1.96, abs=0.01)
    assert half_width([], (1.0,)) == pytest.approx(4.303, abs=0.001), "t of two degrees of freedom"
    assert half_width([], (), (3.0, 4.0)) == pytest.approx(5 * 1.96, rel=0.01)
    assert apart(NOTHING) == 1.0
