from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.readers.ncu_units import base_unit


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (10272, "ns", (1.0272e-5, "s")),
        (10272, "nsecond", (1.0272e-5, "s")),
        (41.28, "usecond", (4.128e-5, "s")),
        (41.28, "us", (4.128e-5, "s")),
        (41.28, "µs", (4.128e-5, "s")),
        (1, "msecond", (1e-3, "s")),
        (2, "second", (2, "s")),
        (640, "Kbyte", (640_000, "B")),
        (2.5, "Mbyte", (2_500_000, "B")),
        (3, "Gbyte/second", (3e9, "B/s")),
        (7, "byte/s", (7, "B/s")),
        (1.02, "Kbyte/block", (1020, "B/block")),
        (1.5, "cycle/nsecond", (1.5e9, "cycle/s")),
        (1.4, "Ghz", (1.4e9, "Hz")),
        (9, "hz", (9, "Hz")),
        (2, "Kibyte", (2048, "B")),
        (2, "MiB", (2 << 20, "B")),
        (3, "GB/s", (3e9, "B/s")),
        (3, "sectors", (3, "sector")),
        (3, "register/thread", (3, "register/thread")),
        (12.5, "%", (12.5, "%")),
        (5, "", (5, "")),
        (5, "furlong", (5, "furlong")),
    ],
)
def test_units_become_si_base_units(value: float, unit: str, expected: tuple[float, str]) -> None:
    name, multiply, divide = base_unit(unit)
    assert name == expected[1]
    assert value * multiply / divide == pytest.approx(expected[0], rel=1e-15)


@given(st.integers(0, 2**53))
def test_nanoseconds_survive_the_way_to_seconds_and_back(nanoseconds: int) -> None:
    _, multiply, divide = base_unit("ns")
    assert abs(round(nanoseconds * multiply / divide * 1e9) - nanoseconds) <= 1


@given(st.text(max_size=20))
def test_a_canonical_unit_is_its_own_base_unit(unit: str) -> None:
    name, _, _ = base_unit(unit)
    assert base_unit(name) == (name, 1.0, 1.0)
