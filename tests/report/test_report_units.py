import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import Estimate
from bench.report import units


def known(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 3, 9, "between processes")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.0009999, "s", "1.00 ms"),
        (1.7e-6, "s", "1.70 µs"),
        (4.2e-11, "s", "0.0420 ns"),
        (120.0, "s", "120 s"),
        (1e4, "s", "10\u202f000 s"),
        (2.44e6, "B", "2.44 MB"),
        (7.0, "B", "7.00 B"),
        (45.8, "tok/s", "45.8 tok/s"),
        (0.061, "tok/s", "0.0610 tok/s"),
        (23456.0, "tok/s", "23\u202f500 tok/s"),
        (4.3e12, "B/s", "4.30 TB/s"),
        (1.98e9, "Hz", "1.98 GHz"),
        (-0.012, "J", "-12.0 mJ"),
        (61.0, "degC", "61.0 °C"),
        (0.0, "s", "0 s"),
        (None, "s", "–"),
        (math.nan, "s", "–"),
    ],
)
def test_si(value: float | None, unit: str, expected: str) -> None:
    assert units.si(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(9.995, "9.99"), (9.996, "10.0"), (99.96, "100"), (1234.0, "1230"), (1e-7, "1.00e-07")]
)
def test_three_significant_digits(value: float, expected: str) -> None:
    assert units.number(value) == expected


@given(st.floats(1e-12, 1e14))
def test_what_is_shown_is_what_was_measured(value: float) -> None:
    text, prefix = units.si(value, "J").replace("\u202f", "").rsplit(" ", 1)
    factor = {"n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
    assert float(text) * factor[prefix.removesuffix("J")] == pytest.approx(value, rel=6e-3)


def test_an_interval_keeps_the_prefix_of_its_figure() -> None:
    assert units.estimate(known(0.0012, 0.0009, 0.0015), "s") == "1.20 ms [0.900, 1.50]"
    assert units.estimate(Estimate(0.5, None, None, 1, 1, "one value"), "s") == "500 ms"
    assert units.estimate(None, "s") == "–"


def test_close_bounds_are_told_apart() -> None:
    assert units.estimate(known(98.1, 98.11, 98.14), "tok/s") == "98.10 tok/s [98.11, 98.14]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (known(1.7288, 1.6292, 1.8346), "×1.73 [1.63, 1.83]"),
        (known(1.003, 1.0021, 1.0042), "×1.0030 [1.0021, 1.0042]"),
        (known(0.05, 0.04, 0.06), "×0.050 [0.040, 0.060]"),
        (known(6.0, 5.0, 7.0), "×6.00 [5.00, 7.00]"),
        (Estimate(6.08, None, None, 1, 1, "one value"), "×6.08 [no interval]"),
        (None, "–"),
    ],
)
def test_a_ratio_always_carries_its_interval(value: Estimate | None, expected: str) -> None:
    assert units.ratio(value) == expected


def test_ranges_and_shares() -> None:
    assert units.bounds(1e6, 1e6, "B") == "1.00 MB"
    assert units.bounds(5e5, 2e6, "B") == "0.500 – 2.00 MB"
    assert units.percent(0.0012) == "0.12 %"
    assert units.percent(None) == "–"
    assert units.plural(1, "call") == "1 call" and units.plural(3, "call") == "3 calls"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    ((-0.0004, 3, "0"), (0.0, 3, "0"), (-0.0, 3, "0"), (0.0005001, 3, "+0.001"), (-1.25, 3, "-1.250")),
)
def test_what_decimals_do_not_show_has_no_sign(value, decimals, text):
    assert units.fixed(value, decimals) == text
