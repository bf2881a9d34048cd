"""What is measured beside the comparison: outlier columns of the activations, and what recording costs."""

from bench.analysis.evidence import recording_costs
from bench.analysis.outliers import outlier_columns
from bench.report.sections.arms import outliers_table
from bench.report.sections.costs import recording_table
from tests import factories as make


def _texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_outlier_columns_are_told_per_scheme_that_counted_them():
    counted = make.record("generation", make.case("int8"), {"outlier_columns": [0, 3, 0, 5]})
    records = [counted, make.record("generation", make.case("fp16"), {"load_time": [1.0]})]
    (row,) = _texts(outliers_table(outlier_columns(records)))
    assert row[1:] == ["int8", "4", "50 %", "1.5", "5"]


def test_what_recording_an_event_costs_is_the_median_of_the_loops():
    seen = make.record("kineto", make.case(), {"operator_event_cost": [1e-6, 2e-6, 9e-6], "call_event_cost": [1e-7]})
    shown = _texts(recording_table(recording_costs([seen])))
    assert shown == [["An operator", "2.00 µs", "3"], ["A CUDA call", "100 ns", "1"]]


def test_without_either_there_is_no_table():
    assert outliers_table(outlier_columns([])) is None and recording_costs([]) == ()
