import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.verdict import verdict


def interval(low: float | None, high: float | None) -> Estimate:
    value = 1.0 if low is None or high is None else (low * high) ** 0.5
    return Estimate(value, low, high, 3, 9, "between processes")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.63, 1.83, "SLOWER"),
        (0.5, 0.9, "FASTER"),
        (0.99, 1.01, "SAME"),
        (1.001, 1.01, "SAME"),  # excludes 1, but the difference is within what counts as the same
        (0.9, 1.2, "AMBIGUOUS"),
        (1.01, 1.04, "SLOWER"),
        (0.99, 1.03, "AMBIGUOUS"),
        (1.0, 1.5, "AMBIGUOUS"),  # 1 itself is not excluded
        (None, None, "AMBIGUOUS"),
    ],
)
def test_what_an_interval_allows_one_to_say(low: float | None, high: float | None, expected: str) -> None:
    assert verdict(interval(low, high)) == expected


@given(st.floats(0.2, 5), st.floats(1.0, 3.0))
def test_exchanging_the_arms_exchanges_faster_and_slower(low: float, width: float) -> None:
    opposite = {"FASTER": "SLOWER", "SLOWER": "FASTER", "SAME": "SAME", "AMBIGUOUS": "AMBIGUOUS"}
    high = low * width
    if min(abs(edge - limit) for edge in (low, high) for limit in (1.0, 1.02, 1 / 1.02)) < 1e-9:
        return  # on the edge the last bit decides
    assert verdict(interval(1 / high, 1 / low)) == opposite[verdict(interval(low, high))]


@given(st.floats(1.0, 1.5))
def test_a_wider_margin_never_takes_same_away(high: float) -> None:
    if verdict(interval(1 / high, high), 0.02) == "SAME":
        assert verdict(interval(1 / high, high), 0.05) == "SAME"
