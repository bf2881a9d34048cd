"""What a table of Nsight Compute does not tell: its number format, a unit, which launch a mean is of."""

from __future__ import annotations

import pytest
from ncu_files import HEADER, TIME, long_csv, quoted

from bench.record.errors import RecordError
from profiling.counters_summary import summarise
from profiling.readers.ncu_csv import looks_like_ncu_text, parse_ncu_csv


def kernel(*cells):
    """The kernel's entry, and the warnings, of one launch's (metric, unit, value)."""
    document = summarise(parse_ncu_csv(long_csv([(0, "toy_gemm", *each) for each in cells]).encode()))
    return document["kernels"][0], document["warnings"]


@pytest.mark.parametrize(
    ("unit", "text", "ns"),
    [
        ("ns", "117.344", 117_344),
        ("ns", "117,344", 117_344),
        ("nsecond", "14.912", 14_912),
        ("us", "12,50", 12_500),
        ("us", "1.012,50", 1_012_500),
        ("ns", "512", 512),
    ],
)
def test_times_tell_their_number_format(unit, text, ns):
    """A GPU's time is a whole number of ns, so that a point or comma in one groups thousands, in any locale."""
    found, warnings = kernel((TIME, unit, text))
    assert found["duration_ns"] == ns and not any("number format" in each for each in warnings)


@pytest.mark.parametrize(("text", "read"), [("117.344", "a point"), ("117,344", "a comma that groups thousands")])
def test_a_format_that_nothing_tells_is_said_to_be_a_guess(text, read):
    found, warnings = kernel((TIME, "us", text))
    assert found["duration_ns"] in (117_344, 117_344_000)
    assert f"{text} is read as with {read}, and may be 1,000 times as large or small" in warnings[0]
    _, warnings = kernel((TIME, "us", text), ("sm__a.avg", "%", "12.50"))
    assert not any("number format" in each for each in warnings), "another value tells"


def test_bytes_are_told_in_units_that_are_known_alone():
    found, warnings = kernel((TIME, "us", "3"), ("dram__bytes.sum", "Kibyte", "2"))
    assert found["dram_bytes"] == 2048 and not any("dram" in each for each in warnings)
    found, warnings = kernel((TIME, "us", "3"), ("dram__bytes.sum", "furlong", "2"))
    assert found["dram_bytes"] is None
    assert "dram_bytes is not from dram__bytes.sum: its unit is furlong" in warnings
    parts = [(f"dram__bytes_{each}.sum", "byte", "8") for each in ("read", "write")]
    assert kernel((TIME, "us", "3"), ("dram__bytes.sum", "furlong", "2"), *parts)[0]["dram_bytes"] == 16


def test_a_duration_in_no_unit_of_time_is_said():
    found, warnings = kernel((TIME, "furlong", "3"))
    assert found["duration_ns"] is None
    assert "1 of 1 launches have no gpu__time_duration.sum in a unit of time" in warnings[0]


def test_what_print_summary_writes_is_refused_with_the_remedy():
    columns = [name for name in HEADER if name not in ("ID", "Metric Value")]
    text = quoted([*columns, "Minimum", "Maximum", "Average"]) + quoted(["7"] * (len(columns) + 3))
    assert looks_like_ncu_text(text.encode())
    with pytest.raises(RecordError, match="--print-summary"):
        parse_ncu_csv(text.encode())
