"""What the event pair costs is taken off where it was measured, and nowhere else; the Records keep it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.ceilings import ceilings
from bench.analysis.comparison import compare
from bench.analysis.event_overhead import TAKEN_OFF, less_overhead
from bench.analysis.matmul import summarise
from bench.record.schema import Record, metric
from bench.record.store import load
from bench.report.sections.matmul import matmul_table as table_of
from tests import factories as make

FLOOR = 1.25e-6
H100 = Path(__file__).resolve().parents[2] / "reports" / "runs" / "h100-starcoder2-3b-20261126"


def product(scheme="fp16", queue="kept full", floor=FLOOR, time=10e-6) -> Record:
    record = make.matmul(scheme, device="cuda")
    own = [metric("forward_time", [time] * 60)] + ([metric("event_overhead", [floor] * 20)] if floor else [])
    return replace(record, metrics=tuple(own), setup={**record.setup, "queue": queue})


def ceiling(floor=FLOOR) -> Record:
    record = make.ceiling("cuda")
    return replace(record, metrics=(*record.metrics, metric("event_overhead", [floor] * 20)))


def times(record) -> float:
    return float(np.median(record.values("forward_time")))


def test_the_floor_of_the_process_is_taken_off_and_the_record_stays_raw():
    raw = product()
    (found,) = less_overhead([raw])
    assert times(found) == pytest.approx(8.75e-6)
    assert found.setup[TAKEN_OFF] == FLOOR
    assert times(raw) == 10e-6
    assert found.values("event_overhead") == raw.values("event_overhead")


def test_it_is_taken_off_once():
    once = less_overhead([product()])
    assert less_overhead(once) == once


def test_an_older_record_is_corrected_by_the_floor_of_its_runs_ceilings():
    found = less_overhead([ceiling(), product(floor=None)])
    assert times(found[1]) == pytest.approx(8.75e-6)


@pytest.mark.parametrize(
    "beside",
    [
        [],
        [replace(ceiling(), run_id="another")],
        [make.ceiling("cpu")],
        [replace(ceiling(), status="failed", reason="x")],
    ],
)
def test_without_a_floor_nothing_is_taken_off(beside):
    assert less_overhead([*beside, product(floor=None)])[-1] == product(floor=None)


def test_a_call_that_synchronises_had_no_held_queue():
    raw = product(queue="empty: the call synchronises")
    assert less_overhead([raw]) == (raw,)


def test_a_cpu_has_no_events():
    raw = make.matmul("fp16")
    assert less_overhead([ceiling(), raw])[1] == raw


def test_a_floor_above_the_time_is_not_that_processes():
    raw = product(floor=20e-6)
    assert less_overhead([raw]) == (raw,)


def test_rows_ratios_and_the_table_are_without_it():
    rows = {row.scheme: row for row in summarise([product("fp16"), product("nf4", time=5e-6)])}
    assert rows["nf4"].time_ratio.value == pytest.approx(3.75 / 8.75)
    assert rows["nf4"].event_overhead == FLOOR
    note = table_of(list(rows.values())).note
    assert "less what two CUDA events with nothing in between take (1.25 µs)" in note
    assert "two CUDA events" not in table_of(summarise([make.matmul("fp16")])).note


def test_ceilings_are_without_it():
    found, raw = ceilings([ceiling(1e-4)]), ceilings([make.ceiling("cuda")])
    copy = 2**27 / 12e9
    assert found.copy_bandwidth == pytest.approx(raw.copy_bandwidth * copy / (copy - 1e-4))


def test_two_runs_are_compared_without_it_and_only_like_with_like():
    slow = replace(product(time=12.5e-6, floor=5e-6), run_id="other")
    (row,) = compare([product(time=8.75e-6)], [slow]).rows
    assert row.ratio.value == pytest.approx(1.0)
    mixed = replace(slow, setup={**slow.setup, "bias": True})
    both = compare([product(), make.generation("fp16", device="cuda")], [mixed, make.generation("fp16", device="cuda")])
    assert {row.quantity for row in both.rows} == {"decode time per token", "time to first token"}
    assert "bias-differs" in {finding.code for finding in both.findings}


def test_the_committed_gpu_run_is_corrected_by_its_own_ceilings():
    records = load(H100).records
    corrected = {record.key: record for record in less_overhead(records)}
    products = [record for record in records if record.instrument == "matmul"]
    kept_full = [record.setup["queue"] == "kept full" for record in products]
    assert 0 < sum(kept_full) < len(products)
    for record, full in zip(products, kept_full, strict=True):
        before, after = record.values("forward_time"), corrected[record.key].values("forward_time")
        assert np.abs(np.subtract(before, after) - (1.248e-6 if full else 0.0)).max() < 2e-8
    assert not any(row.bias for row in summarise(records))
