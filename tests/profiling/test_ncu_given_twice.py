"""One metric of one launch with two values: told, or refused, and never the first one in silence."""

from __future__ import annotations

import pytest
from ncu_files import HEADER, L2_HIT, TIME, long_csv, quoted, wide_csv

from bench.record.errors import RecordError
from profiling.readers.ncu_csv import parse_ncu_csv


def parse(text):
    return parse_ncu_csv(text.encode())


@pytest.mark.parametrize("rows", [[("ns", "5000"), ("ns", "9000")], [("us", "5.00"), ("ns", "9000")]])
def test_a_counter_with_two_values_in_one_launch_is_refused(rows):
    """As where the rows of two profiles were put into one file: which is right cannot be told."""
    text = long_csv([(0, "k", TIME, *row) for row in rows])
    with pytest.raises(RecordError, match=rf"line 4: {TIME} of one launch is 5.* and 9000 here: the rows of two prof"):
        parse(text)


def test_a_column_that_stands_twice_in_the_raw_page_is_refused_where_its_values_differ():
    names = [(TIME, "ns"), (L2_HIT, "sector"), (TIME, "ns")]
    assert parse(wide_csv(names, [("k", ["5", "7", "5"])])).values(TIME).tolist() == [5e-9]
    with pytest.raises(RecordError, match=f"line 3: {TIME} of one launch is 5 before and 8 here"):
        parse(wide_csv(names, [("k", ["5", "7", "8"])]))


@pytest.mark.parametrize(("one", "other"), [(("us", "12.40"), ("ns", "12,403")), (("us", "0.01"), ("us", "0.02"))])
def test_what_is_rounded_in_another_way_is_one_value(one, other):
    counters = parse(long_csv([(0, "k", TIME, *one), (0, "k", TIME, *other), (0, "k", "x.pct", "%", "1.5")]))
    assert not counters.warnings
    assert counters.duration()[0] == pytest.approx(float(one[1]) * 1e-6)


def details(*rows):
    start = ["0", "7", "app", "127.0.0.1", "k", "1", "7", "(1, 1, 1)", "(1, 1, 1)", "0", "9.0"]
    return quoted(HEADER) + "".join(quoted([*start, *row]) for row in rows)


def test_a_label_of_the_details_page_that_stands_for_two_quantities_is_told():
    counters = parse(
        details(
            ("GPU Speed Of Light Throughput", "Duration", "us", "12.40"),
            ("Memory Tables", "Total", "sector", "100"),
            ("Memory Tables", "Total", "sector", "40"),
        )
    )
    assert counters.values("Total").tolist() == [100]
    (warning,) = counters.warnings
    assert "Total has several values in one launch, such as 100 and 40 (line 4)" in warning


def test_the_same_launch_of_two_hosts_is_two():
    text = long_csv([(0, "k", TIME, "ns", "5")])
    second = text.splitlines()[-1].replace("127.0.0.1", "node2").replace('"5"', '"9"')
    assert parse(text + second + "\n").values(TIME) == pytest.approx([5e-9, 9e-9])


def test_instances_behind_a_value_are_no_second_value():
    rows = [(0, "k", TIME, "ns", "9920 (4000; 5920)"), (0, "k", TIME, "ns", "9920")]
    assert parse(long_csv(rows)).values(TIME).tolist() == [9.92e-6]
