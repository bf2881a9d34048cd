from bench.report.sections.tables_rest import outliers, recording
from tests import factories as make


def _texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_outlier_columns_are_told_per_scheme_that_counted_them():
    counted = make.record("generation", make.case("int8"), {"outlier_columns": [0, 3, 0, 5]})
    (row,) = _texts(outliers([counted, make.record("generation", make.case("fp16"), {"load_time": [1.0]})]))
    assert row[1:] == ["int8", "4", "50 %", "1.5", "5"]


def test_what_recording_an_event_costs_is_the_median_of_the_loops():
    seen = make.record("kineto", make.case(), {"operator_event_cost": [1e-6, 2e-6, 9e-6], "call_event_cost": [1e-7]})
    assert _texts(recording([seen])) == [["An operator", "2.00 µs", "3"], ["A CUDA call", "100 ns", "1"]]


def test_without_either_there_is_no_table():
    assert outliers([]) is None and recording([]) is None
