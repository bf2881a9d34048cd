import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.instruments.timing import RunningNoise

TIMES = st.lists(st.floats(1e-7, 1e3), min_size=2, max_size=200)


def running(samples):
    noise = RunningNoise()
    for sample in samples:
        noise.add(sample)
    return noise


@given(TIMES)
def test_agrees_with_the_statistics_module(samples):
    noise = running(samples)
    mean = statistics.fmean(samples)
    expected = statistics.stdev(samples) / (mean * math.sqrt(len(samples)))
    assert noise.count == len(samples)
    assert noise.mean == pytest.approx(mean, rel=1e-9)
    assert noise.relative_standard_error() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.floats(1e-7, 1e-6), st.lists(st.floats(0, 1e-9), min_size=10, max_size=50))
def test_does_not_cancel_when_the_spread_is_tiny(base, extra):
    samples = [1.0 + base + value for value in extra]
    expected = statistics.stdev(samples) / (statistics.fmean(samples) * math.sqrt(len(samples)))
    assert running(samples).relative_standard_error() == pytest.approx(expected, rel=1e-3, abs=1e-15)


def test_says_nothing_from_too_little():
    assert running([]).relative_standard_error() == math.inf
    assert running([1.0]).relative_standard_error() == math.inf
    assert running([-1.0, 1.0]).relative_standard_error() == math.inf


def test_stops_when_quiet_and_not_before_enough_samples():
    assert not running([1.0] * 9).quiet()
    assert running([1.0] * 10).quiet()
    assert not running([1.0, 2.0] * 5).quiet()
    assert running([1.0, 2.0] * 5).quiet(target=0.2)
    assert running([1.0] * 3).quiet(min_samples=3)
