"""Records as a flat table: every raw value has its row, what is not there has a reason, and files can be read again."""

import csv
import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from bench.record.errors import UsageError
from bench.record.store import load, open_run
from bench.record.tables import COLUMNS, flat, write_table
from profiling.cli import main
from tests import factories as make

ROOT = Path(__file__).parents[2]
RUN = ROOT / "reports/runs/h100-starcoder2-3b-20261126"


@pytest.fixture(scope="module")
def records():
    return load(RUN).records


def test_every_raw_value_of_a_run_has_one_row(records):
    rows = list(flat(records))
    values = [value for record in records for item in record.metrics for value in item.values]
    assert [row["value"] for row in rows if row["value"] is not None] == values
    assert all(tuple(row) == tuple(COLUMNS) for row in rows)


def test_what_was_not_measured_has_a_row_with_the_reason_and_no_value():
    good = make.generation("fp16")
    bad = replace(good, status="skipped", reason="no GPU", metrics=(), not_collected={})
    without = replace(good, metrics=(), not_collected={"energy_gpu": "no NVML"})
    assert [(row["status"], row["metric"], row["value"], row["reason"]) for row in flat([bad, without])] == [
        ("skipped", None, None, "no GPU"),
        ("ok", "energy_gpu", None, "not collected: no NVML"),
    ]


@pytest.mark.parametrize("name", ["run.csv", "run.csv.gz"])
def test_a_csv_holds_the_values_to_the_last_digit(name, records, tmp_path, capsys):
    out, records = tmp_path / name, records[::20]
    with open_run(tmp_path / "run") as writer:
        for record in records:
            writer.append(record)
    assert main(["export", str(tmp_path / "run"), str(out)]) == 0
    assert "rows, one per raw value" in capsys.readouterr().out
    with gzip.open(out, "rt") if out.suffix == ".gz" else out.open() as stream:
        read = list(csv.DictReader(stream))
    told = list(flat(records))
    assert [row["value"] for row in read] == ["" if row["value"] is None else repr(row["value"]) for row in told]
    assert [(row["case_id"], row["metric"], row["unit"]) for row in read] == [
        (row["case_id"], row["metric"] or "", row["unit"] or "") for row in told
    ]
    assert main(["export", str(tmp_path / "run"), str(out)]) == 0, "an earlier table is written over"


def test_a_text_of_several_lines_or_of_no_unicode_stays_one_cell(tmp_path):
    odd = replace(make.generation("fp16"), status="failed", reason='a "b",\nc \ud800', metrics=(), not_collected={})
    write_table([odd], tmp_path / "odd.csv")
    with (tmp_path / "odd.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["reason"] == 'a "b",\nc \\ud800'


def test_parquet_holds_the_same_with_types(records, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "run.parquet"
    assert write_table(records, out) == len(list(flat(records)))
    table = parquet.read_table(out)
    assert table.column_names == list(COLUMNS)
    assert table.to_pylist() == list(flat(records))


def test_parquet_without_pyarrow_is_said_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert main(["export", str(RUN), str(tmp_path / "run.parquet")]) == 2
    assert "bitledger[tables]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run", "run.json", "run.xlsx"])
def test_another_form_is_refused_with_those_that_there_are(name, tmp_path):
    with pytest.raises(UsageError, match=r"\.csv, \.csv\.gz, \.parquet"):
        write_table([], tmp_path / name)
