from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.readers.ncu_numbers import NumberFormat, infer_format, parse_number

POINT, COMMA = NumberFormat("."), NumberFormat(",")


@pytest.mark.parametrize(
    ("text", "style", "value"),
    [
        ("1,234.5", POINT, 1234.5),
        ("1.234,5", COMMA, 1234.5),
        ("1 234,5", COMMA, 1234.5),
        ("1\u202f234,5", COMMA, 1234.5),
        ("1\u00a0234\u00a0567", POINT, 1234567),
        ("1'234'567.25", POINT, 1234567.25),
        ("12,34,567.5", POINT, 1234567.5),
        ("23,989,882,752.00", POINT, 23989882752),
        ("666.624", COMMA, 666624),
        ("666.624", POINT, 666.624),
        ("-0.5", POINT, -0.5),
        ("1.5e+06", POINT, 1.5e6),
        (".5", POINT, 0.5),
        ("12 (3; 4; 5)", POINT, 12),
        ("18446744073709551615", POINT, 2.0**64),
    ],
)
def test_a_number_in_its_format(text: str, style: NumberFormat, value: float) -> None:
    assert parse_number(text, style) == value


WINDOWS = ["-nan(ind)", "nan(snan)", "(!) nan", "-infinity", "1.#QNAN", "-1.#IND", "1.#INF00", "-1,#IND"]


@pytest.mark.parametrize("text", ["", "n/a", "N/A", "(!) n/a", "nan", "-nan", "inf", " - ", "1e999", *WINDOWS])
def test_what_is_absent_is_none_and_not_zero(text: str) -> None:
    assert parse_number(text, POINT) is None


@pytest.mark.parametrize("text", ["abc", "1.2.3", "1,23", "12,3456", "0x10", "1,234,5", "--5", "5-", "(1, 2)", "١٢"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        parse_number(text, POINT)


@pytest.mark.parametrize(
    ("texts", "whole", "decimal"),
    [
        (["48.82", "10272"], [], "."),
        (["48,82", "10.272"], [], ","),
        (["1,234", "5,678"], [], "."),
        (["1.234.567"], [], ","),
        (["0,123"], [], ","),
        (["1234,567"], [], ","),
        (["14.335"], ["14.335"], ","),
        (["14,335"], ["14,335"], "."),
        (["14.335"], [], "."),
        (["117.344"], ["117.344"], ","),
        (["n/a", "text"], [], "."),
        ([], [], "."),
    ],
)
def test_the_format_of_a_file(texts: list[str], whole: list[str], decimal: str) -> None:
    assert infer_format([(text, text in whole) for text in [*texts, *whole]]).decimal == decimal


STYLES = [(",", "."), (".", ","), (" ", ","), ("\u202f", ","), ("'", "."), ("", "."), ("", ",")]


def printed(value: float, places: int, thousands: str, decimal: str) -> str:
    text = f"{value:,.{places}f}"
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousands)


@given(
    st.lists(st.tuples(st.floats(-1e12, 1e12), st.integers(0, 4)), max_size=20),
    st.sampled_from(STYLES),
)
def test_every_locale_is_read_back(values: list[tuple[float, int]], style: tuple[str, str]) -> None:
    # ncu prints percentages with two decimals, so a real file always holds a value that tells its format.
    texts = [printed(value, places, *style) for value, places in values] + [printed(48.82, 2, *style)] * (
        len(values) + 1
    )
    found = infer_format((text, False) for text in texts)
    assert found.decimal == style[1]
    for text, (value, places) in zip(texts, values, strict=False):
        parsed = parse_number(text, found)
        assert parsed is not None
        assert math.isclose(parsed, round(value, places), rel_tol=1e-12, abs_tol=1e-12)


@given(st.text(max_size=30), st.sampled_from([POINT, COMMA]))
def test_any_text_is_a_finite_number_or_nothing_or_refused(text: str, style: NumberFormat) -> None:
    try:
        value = parse_number(text, style)
    except ValueError:
        return
    assert value is None or math.isfinite(value)


@given(st.lists(st.text(alphabet="0123456789.,' en/a+-\u202f", max_size=12)))
def test_the_format_of_any_texts_is_one_of_two(texts: list[str]) -> None:
    assert infer_format((text, True) for text in texts).decimal in {".", ","}


@pytest.mark.parametrize("text", ["9" * 100_000 + "x", "1" + " " * 100_000 + "x", "1 (" * 30_000, "1,111" * 20_000])
def test_a_long_text_is_refused_at_once(text: str) -> None:
    """Found by fuzzing: the patterns took time in proportion to the square of the length, hours for these."""
    with pytest.raises(ValueError, match="is not a number"):
        parse_number(text, NumberFormat("."))
    assert infer_format([(text, True)]) == NumberFormat(".")


@pytest.mark.parametrize("text", ["1e101", "9" * 200, "1" + "0" * 120, "-1e300"])
def test_what_is_larger_than_any_counter_is_absent(text: str) -> None:
    """Found by fuzzing: sums of such values are infinite, which JSON cannot say."""
    assert parse_number(text, NumberFormat(".")) is None


def test_a_list_of_instances_after_the_value_is_left_out() -> None:
    assert parse_number("7 (1; 2; 4)", NumberFormat(".")) == 7
    with pytest.raises(ValueError, match="is not a number"):
        parse_number("7(1)", NumberFormat("."))
