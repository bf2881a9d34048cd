"""A sweep has thousands of repeats: their interval is that of their own spread."""

import math

import numpy as np
import pytest

from bench.analysis.statistics import estimate, resampling


def test_the_interval_of_many_repeats_is_that_of_their_spread() -> None:
    rng = np.random.default_rng(7)
    parts = [float(np.exp(0.05 * rng.standard_normal())) * np.exp(0.01 * rng.standard_normal(5)) for _ in range(400)]
    found = estimate(parts)
    assert found.low is not None and found.high is not None and found.basis == "between processes"
    expected = 1.96 * 0.05 / math.sqrt(400)
    assert math.log(found.high / found.low) / 2 == pytest.approx(expected, rel=0.15)


def test_calls_of_many_repeats_are_not_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("minutes for a sweep")

    monkeypatch.setattr(resampling, "_resampled", refuse)
    assert estimate([[1.0, 1.1, 1.2]] * 101).samples == 303
    with pytest.raises(AssertionError, match="minutes"):
        estimate([[1.0, 1.1, 1.2]] * 100)


def test_thousands_of_repeats_are_drawn_in_blocks_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [[1.0 + 0.001 * number] for number in range(120)]
    whole = estimate(parts)
    monkeypatch.setattr(resampling, "_AT_ONCE", 120 * 7)
    monkeypatch.setattr(resampling, "_KEPT", resampling._KeptDraws())
    assert estimate(parts) == whole
