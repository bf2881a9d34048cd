"""The modified z-score and the χ² distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cluster.analysis.chi_square import chi_square_cdf, chi_square_quantile
from bench.cluster.analysis.outlying import LIMIT, modified_z

# Away from 0, where scaling by a tiny number would lose all digits.
VALUES = st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=20)


def test_a_value_worked_out_by_hand() -> None:
    # Median 3, distances 2, 1, 0, 1, 97: MAD 1.
    assert modified_z([1, 2, 3, 4, 100])[4] == pytest.approx(0.6745 * 97)


def test_one_far_value_does_not_hide_itself_nor_make_others_far() -> None:
    z = modified_z([1.00, 1.01, 0.99, 1.02, 0.98, 3.0])
    assert z[5] > LIMIT and max(abs(z[:5])) < LIMIT


@given(VALUES, st.floats(0.1, 100), st.floats(-100, 100))
def test_it_does_not_depend_on_unit_or_origin(values: list[float], scale: float, shift: float) -> None:
    assert np.allclose(modified_z(values), modified_z([scale * v + shift for v in values]), rtol=1e-6, atol=1e-6)


def test_equal_values_are_not_far_and_a_mad_of_zero_is_no_division_by_zero() -> None:
    assert modified_z([2.0, 2.0, 2.0]).tolist() == [0, 0, 0] and not modified_z([]).size
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
