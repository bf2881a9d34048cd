import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.statistics import estimate, location, quantiles, ratio, relative_standard_error, resampling
from bench.analysis.statistics.streams import Stream
from tests.long_tables import some_of

positive = st.floats(1e-3, 1e3)
repeats = st.lists(st.lists(positive, min_size=1, max_size=6), min_size=1, max_size=4)


def test_every_process_counts_the_same() -> None:
    assert location([[1.0, 1.0, 1.0, 1.0], [3.0]]) == 2.0
    assert location([[1.0, 2.0, 9.0]], "mean") == 4.0


@given(st.lists(positive, min_size=1, max_size=50), st.floats(0.0, 0.49))
def test_both_tails_are_sample_quantiles(values: list[float], tail: float) -> None:
    found = resampling.tails(np.array(values), tail)
    assert found == pytest.approx(tuple(np.quantile(values, [tail, 1.0 - tail])), rel=1e-12)


@given(st.lists(positive, min_size=1, max_size=50))
def test_a_centre_is_the_median(values: list[float]) -> None:
    assert resampling.centre(values, "median") == pytest.approx(float(np.median(values)), rel=1e-15)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        estimate([[], []])


def test_the_basis_says_what_the_interval_leaves_out() -> None:
    assert estimate([[1.0, 1.1], [1.2]]).basis == "between processes"
    assert estimate([[1.0, 1.1]]).basis == "within one process"
    alone = estimate([[1.0]], unit="fixed")
    assert (alone.basis, alone.low, alone.high, alone.relative_error) == ("one value", None, None, None)


def test_two_repeats_give_the_wide_interval_that_t_demands() -> None:
    found = estimate([[0.99], [1.01]], unit="fixed")
    # n = 2: standard error 0.01, t(1) = 12.7
    assert found.low is not None and found.high is not None
    assert math.log(found.high) == pytest.approx(12.7 * 0.01, rel=0.05)
    assert math.log(found.low) == pytest.approx(-12.7 * 0.01, rel=0.05)


def test_many_repeats_approach_the_textbook_interval() -> None:
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(0, 0.05, 40))
    found = estimate([[value] for value in values])
    expected = 2.0227 * values.std(ddof=1) / math.sqrt(40)
    assert found.low is not None and found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.1)


def test_repeats_that_agree_by_chance_do_not_hide_the_noise_of_their_calls() -> None:
    noisy = [[0.8, 1.0, 1.2], [0.7, 1.0, 1.3]]
    found = estimate(noisy)
    assert found.low is not None and found.low < 0.8


def test_the_same_seed_gives_the_same_interval() -> None:
    data = [[1.0, 1.2, 1.1], [1.3, 1.2]]
    assert estimate(data, seed=4) == estimate(data, seed=4)
    assert ratio(data, data, seed=4) == ratio(data, data, seed=4)


@settings(max_examples=60)
@given(repeats)
def test_the_interval_holds_the_estimate(samples: list[list[float]]) -> None:
    found = estimate(samples)
    assert found.low is not None and found.high is not None
    assert found.low <= found.value * (1 + 1e-9) and found.value <= found.high * (1 + 1e-9)
    assert bool(found.assumed) == (len(samples) < 3)


@settings(max_examples=40)
@given(repeats, repeats, st.sampled_from([1e-9, 1e-3, 0.5, 1e6]))
def test_a_ratio_does_not_depend_on_the_unit(above: list[list[float]], below: list[list[float]], scale: float) -> None:
    plain = ratio(above, below)
    scaled = ratio([[v * scale for v in part] for part in above], [[v * scale for v in part] for part in below])
    assert scaled.value == pytest.approx(plain.value, rel=1e-9)
    if plain.low is not None:
        assert (scaled.low, scaled.high) == pytest.approx((plain.low, plain.high), rel=1e-6)


@settings(max_examples=40)
@given(repeats, repeats)
def test_exchanging_the_arms_inverts_the_ratio(above: list[list[float]], below: list[list[float]]) -> None:
    assert ratio(above, below).value * ratio(below, above).value == pytest.approx(1.0)


def test_a_ratio_of_values_that_are_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        ratio([[1.0, 0.0]], [[1.0]])


def test_net_figures_may_be_negative() -> None:
    found = estimate([[-1.0, 1.0, 0.5], [0.2, -0.3, 0.1]])
    assert found.low is not None and found.low < 0


def test_the_inverse_swaps_the_bounds() -> None:
    found = estimate([[2.0, 2.2], [1.8, 2.1]])
    inverse = found.inverse()
    assert inverse.value == pytest.approx(1 / found.value)
    assert inverse.low == pytest.approx(1 / found.high) and inverse.high == pytest.approx(1 / found.low)


@pytest.mark.parametrize(("n", "calls"), some_of([(3, 4), (5, 3)], [(3, 4)]))
def test_the_interval_covers_the_truth_about_as_often_as_it_says(n: int, calls: int) -> None:
    """Between-process noise of 1 %, call noise of 0.3 %, 300 trials: at least 92 % hold the true ratio of 1."""
    rng = np.random.default_rng(20)

    def arm() -> list[list[float]]:
        return [list(np.exp(rng.normal(0, 0.01) + rng.normal(0, 0.003, calls))) for _ in range(n)]

    found = [ratio(arm(), arm(), seed=trial) for trial in range(300)]
    covered = sum(bool(e.low and e.high and e.low <= 1 <= e.high) for e in found) / len(found)
    assert covered >= 0.92
    # and it is not so wide that it says nothing: the ideal half width is 1.96·sqrt(2/n) %
    widths = [math.log(e.high / e.low) / 2 for e in found if e.low and e.high]
    assert np.median(widths) < 2.2 * 1.96 * 0.0105 * math.sqrt(2 / n)


@pytest.mark.parametrize("size", [2, 5, 8, 31])
def test_bootstrap_medians_have_the_distribution_of_real_resamples(size: int) -> None:
    rng = np.random.default_rng(1)
    ordered = np.sort(rng.normal(size=size))
    quick = resampling._resampled_medians(ordered, 40_000, Stream(1))
    plain = np.median(ordered[rng.integers(0, size, (40_000, size))], axis=1)
    assert quick.mean() == pytest.approx(plain.mean(), abs=0.02)
    assert quick.std() == pytest.approx(plain.std(), rel=0.03)
    assert set(np.round(quick, 12)) <= set(np.round(np.add.outer(ordered, ordered).ravel() / 2, 12))


def test_bootstrap_means_are_centred_on_the_mean() -> None:
    values = np.array([1.0, 2.0, 6.0])
    drawn = resampling._resampled(values, "mean", 20_000, Stream(0))
    assert drawn.mean() == pytest.approx(3.0, abs=0.05)
    assert drawn.std() == pytest.approx(values.std() / math.sqrt(3), rel=0.03)


def test_relative_standard_error() -> None:
    assert relative_standard_error([1.0, 2.0, 3.0]) == pytest.approx(1 / math.sqrt(3) / 2)
    assert math.isnan(relative_standard_error([1.0]))


def test_quantiles_interpolate() -> None:
    assert quantiles([0.0, 1.0, 2.0, 3.0], (0.5, 1.0)) == (1.5, 3.0)
