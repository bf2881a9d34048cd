"""The host's way to the Linears, without a profiler: what is summed, and what is set beside it."""

from dataclasses import replace

import pytest

from bench.analysis.dispatch import dispatch
from bench.analysis.generation import summarise
from bench.record.schema import metric
from bench.report.analysed import analyse
from bench.report.sections import evidence
from tests import factories as make


def layer(scheme, seconds, *, count=30, n=512, k=128, **told):
    record = make.matmul(scheme, n=n, k=k, device="cuda", **told)
    metrics = (*record.metrics, metric("dispatch_time", [seconds] * 5))
    return replace(record, metrics=metrics, setup={**record.setup, "count_in_model": count})


def run():
    timed = [make.generation(scheme, repeat, device="cuda") for scheme in ("fp16", "nf4") for repeat in range(3)]
    return [
        *timed,
        layer("fp16", 20e-6), layer("nf4", 40e-6),
        layer("fp16", 10e-6, n=128, count=60), layer("nf4", 15e-6, n=128, count=60),
        layer("fp16", 99e-6, n=1024, count=1),  # the output layer: no scheme converts it
        layer("nf4", 9.0, m=8), layer("nf4", 9.0, residency="cold"), layer("nf4", 9.0, op="gemm"),
    ]  # fmt: skip


def rows(records):
    return dispatch(records, summarise(records))


def test_the_linears_that_both_have_are_summed_as_often_as_the_model_has_them():
    (row,) = rows(run())
    assert (row.scheme, row.reference, row.linears) == ("nf4", "fp16", 90)
    assert row.predicted == pytest.approx(30 * 20e-6 + 60 * 5e-6)
    assert row.measured == pytest.approx(0.31 * 10e-3, rel=0.1)


def test_without_dispatch_times_there_is_no_such_line():
    assert rows(make.run(gpu=True)) == ()
    assert evidence.section(analyse(make.run(repeats=1))) is None


def test_the_report_shows_both():
    records = run()
    section = evidence.section(analyse(records))
    (table,) = section.tables
    assert table.title == "The host's way to the Linears, without a profiler"
    (cells,) = [[cell.text for cell in row] for row in table.rows]
    assert cells[:2] == ["nf4", "90"]
    assert cells[3] == "+0.90 ms"
