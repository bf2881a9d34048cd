import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics.student import normal_cdf, t_cdf, t_quantile


@pytest.mark.parametrize(
    ("p", "df", "expected"),
    # Any printed table of Student's t.
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 4, 2.77645), (0.975, 30, 2.04227), (0.95, 9, 1.83311)],
)
def test_quantiles_of_the_printed_table(p: float, df: float, expected: float) -> None:
    assert t_quantile(p, df) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("df", [1e7, 1e9, 1e12, 1e16, math.inf])
def test_many_degrees_of_freedom_are_normal(df: float) -> None:
    for p in (0.6, 0.975, 1 - 1e-9):
        assert t_quantile(p, df) == pytest.approx(NormalDist().inv_cdf(p), rel=1e-6)
        assert t_quantile(1 - p, df) == pytest.approx(NormalDist().inv_cdf(1 - p), rel=1e-6)


@pytest.mark.parametrize("p", [0.6, 0.975, 0.9999])
def test_both_ways_to_a_quantile_meet(p: float) -> None:
    assert t_quantile(p, 99_999) == pytest.approx(t_quantile(p, 100_001), rel=1e-6)


def test_one_degree_of_freedom_is_the_cauchy_distribution() -> None:
    assert t_cdf(3.0, 1) == pytest.approx(0.5 + math.atan(3.0) / math.pi)


@given(st.floats(0.001, 0.999), st.floats(0.5, 200))
def test_the_quantile_inverts_the_distribution_function(p: float, df: float) -> None:
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


@given(st.floats(-30, 30))
def test_the_normal_distribution_is_symmetric(z: float) -> None:
    assert normal_cdf(z) + normal_cdf(-z) == pytest.approx(1.0)


def test_the_far_tail_keeps_its_digits() -> None:
    assert normal_cdf(-10) == pytest.approx(7.61985e-24, rel=1e-5)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_what_has_no_quantile_is_refused(p: float, df: float) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(p, df)


@pytest.mark.parametrize("p", [0.51, 0.75, 0.975, 0.9999])
@pytest.mark.parametrize("df", [0.05, 0.3, 1.0, 2.05, 3.0, 20.0, 5e4])
def test_a_quantile_is_found_from_any_start(p: float, df: float) -> None:
    """Of less than one degree of freedom what the search begins with is far off."""
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-9)


def test_two_degrees_of_freedom_are_known_to_the_last_digits() -> None:
    """Their quantile is (2p - 1)·sqrt(2 / (1 - (2p - 1)²))."""
    assert t_quantile(0.975, 2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-12)
