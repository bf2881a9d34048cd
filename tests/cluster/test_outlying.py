"""The modified z-score and the χ² distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cluster.analysis.chi_square import chi_square_cdf, chi_square_quantile
from bench.cluster.analysis.outlying import LEVEL, far, modified_z
from tests.long_tables import some_of

# Away from 0, where scaling by a tiny number would lose all digits.
VALUES = st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=20)


def test_a_value_worked_out_by_hand() -> None:
    # Median 3, distances 2, 1, 0, 1, 97: MAD 1.
    assert modified_z([1, 2, 3, 4, 100])[4] == pytest.approx(0.6745 * 97)


def test_one_far_value_does_not_hide_itself_nor_make_others_far() -> None:
    z = modified_z([1.00, 1.01, 0.99, 1.02, 0.98, 3.0])
    assert far([1.00, 1.01, 0.99, 1.02, 0.98, 3.0]).tolist() == [False] * 5 + [True] and max(abs(z[:5])) < 3


COUNTS = (3, 4, 5, 6, 8, 9, 17, 18, 40, 75, 150, 300, 1000)


@pytest.mark.parametrize("count", some_of(COUNTS, (3, 8, 40, 1000)))
def test_of_alike_values_one_stands_apart_in_one_of_twenty_draws(count: int) -> None:
    """With the limit of 3.5 for any number it was 29 % of three values, 21 % of five and 39 % of 1,000."""
    draws = min(4000, 1_200_000 // count)
    values = np.random.default_rng(count).standard_normal((draws, count))
    called = sum(bool(far(row).any()) for row in values)
    assert abs(called / draws - LEVEL) < 4 * math.sqrt(LEVEL * (1 - LEVEL) / draws)


def test_a_node_that_is_slower_by_a_tenth_is_still_found_among_eight_like_ones() -> None:
    rng = np.random.default_rng(1)
    fleets = 0.01 * rng.standard_normal((500, 8)) + np.array([0.1] + [0.0] * 7)
    found = sum(bool(far(row)[0]) for row in fleets)
    assert found > 450


@given(VALUES, st.floats(0.1, 100), st.floats(-100, 100))
def test_it_does_not_depend_on_unit_or_origin(values: list[float], scale: float, shift: float) -> None:
    assert np.allclose(modified_z(values), modified_z([scale * v + shift for v in values]), rtol=1e-6, atol=1e-6)


def test_equal_values_are_not_far_and_a_mad_of_zero_is_no_division_by_zero() -> None:
    assert modified_z([2.0, 2.0, 2.0]).tolist() == [0, 0, 0] and not modified_z([]).size
    assert far([61.0] * 5 + [88.0]).tolist() == [False] * 5 + [True] and not far([61.0, 88.0]).any()
    z = modified_z([1.0] * 9 + [2.0])
    assert np.isfinite(z).all() and z[9] == pytest.approx(0.797885 * 10)


@pytest.mark.parametrize(
    ("p", "df", "x"),
    # Abramowitz & Stegun 1964, table 26.8
    [(0.95, 1, 3.84146), (0.025, 10, 3.24697), (0.975, 10, 20.4831), (0.975, 30, 46.9792), (0.005, 100, 67.3276)],
)
def test_quantiles_of_chi_square(p: float, df: float, x: float) -> None:
    assert chi_square_quantile(p, df) == pytest.approx(x, rel=1e-5)
    assert chi_square_cdf(x, df) == pytest.approx(p, rel=1e-4)


def test_two_degrees_of_freedom_in_closed_form_and_what_has_no_quantile() -> None:
    assert chi_square_quantile(0.3, 2) == pytest.approx(-2 * math.log(0.7)) and chi_square_cdf(0, 3) == 0
    for p, df in ((0, 1), (1, 1), (0.5, 0)):
        with pytest.raises(ValueError, match="no χ² quantile"):
            chi_square_quantile(p, df)
