"""Records from before rows were kept, under a table of classes that was mended since."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import held_lines
from bench.analysis.held_lines import THEN, classified_again
from bench.analysis.ledger import class_table
from bench.analysis.ledger.class_table import RULES, Rule
from bench.analysis.ledger.classes import rules_said
from bench.analysis.ledger.stored import with_lines
from bench.cli import main
from bench.record import causes as c
from bench.record.store import load
from bench.verbs.report import build_run
from profiling.summarize import read_timeline

RUNS = Path(__file__).parents[2] / "reports" / "runs"
CPU, GPU = RUNS / "cpu-smoke-20261126", RUNS / "h100-starcoder2-3b-20261126"
MENDED = Rule(c.CAST, "kernel", name="gemm_4bit")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(held_lines, "_AGAIN", {})


def observed(run, *schemes):
    return [r for r in load(run).records if r.instrument == "kineto" and r.case.scheme in schemes]


def line(records, cause):
    return [with_lines(record).values(f"ledger_{cause}_per_step") for record in records]


def test_with_the_table_of_then_nothing_is_read_again():
    """Where this fails the table was changed: that is what rows are for. Records without them are then read from their
    traces, or told of; nothing is to be mended here but this test, which may name the change."""
    if rules_said() == THEN:
        records = load(CPU).records
        assert classified_again(records, CPU, lambda path: pytest.fail(f"{path} was read")) == tuple(records)
        assert held_lines.findings(records) == ()


def test_traces_that_are_there_are_classified_by_todays_table(monkeypatch):
    before = observed(GPU, "nf4", "fp16")
    assert any(any(values) for values in line(before, c.GEMM))
    monkeypatch.setattr(class_table, "RULES", (MENDED, *RULES))
    after = classified_again(before, GPU, read_timeline)
    (nf4,) = [place for place, record in enumerate(before) if record.case.scheme == "nf4"]
    gemm, cast = (sum(line(after, cause)[nf4]) - sum(line(before, cause)[nf4] or (0.0,)) for cause in (c.GEMM, c.CAST))
    assert cast > 0
    assert cast == pytest.approx(-gemm, rel=1e-9)
    for cause in (c.HOST_GAP, c.SYNC_STALL, c.ATTENTION):
        for one, other in zip(line(after, cause), line(before, cause), strict=True):
            assert one == pytest.approx(other, rel=1e-6), "the observer is taken off as it was"
    assert held_lines.findings(after) == ()


def test_a_setting_that_lacks_a_trace_keeps_its_lines_and_says_so(monkeypatch):
    records = observed(CPU, "nf4", "fp16")
    monkeypatch.setattr(class_table, "RULES", (MENDED, *RULES))
    assert classified_again(records, CPU, read_timeline) == tuple(records)
    (finding,) = held_lines.findings(records)
    assert (finding.code, finding.severity) == ("classified-when-recorded", "info")
    assert "fp16, nf4" in finding.evidence or "nf4, fp16" in finding.evidence
    assert "idle time at the start or end of a step" in finding.message, "sources that differ from its traces' are told"


def test_explain_says_so(monkeypatch, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(CPU, run, ignore=shutil.ignore_patterns("figures", "report.*"))
    monkeypatch.setattr(class_table, "RULES", (MENDED, *RULES))
    assert main(["explain", str(run), "--json"]) == 0
    codes = [finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert "classified-when-recorded" in codes


@pytest.mark.parametrize("changed", [False, True])
def test_a_trace_that_was_changed_since_is_no_trace(changed, monkeypatch, tmp_path):
    records = observed(GPU, "nf4", "fp16")
    for record in records:
        for item in record.artifacts:
            copy = tmp_path / item.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(GPU / item.path, copy)
    if changed:
        for trace in tmp_path.rglob("*.json.gz"):
            trace.write_bytes(trace.read_bytes() + b"\0")
    monkeypatch.setattr(class_table, "RULES", (MENDED, *RULES))
    found = classified_again(records, tmp_path, read_timeline)
    assert (found == tuple(records)) is changed
    assert bool(held_lines.findings(found)) is changed


@pytest.mark.slow
def test_a_report_reads_each_trace_once_for_its_lines_and_its_drawn_step(tmp_path, monkeypatch):
    monkeypatch.setattr(held_lines, "THEN", "another table")
    read = []

    def counted(path):
        read.append(path)
        return read_timeline(path)

    shutil.copytree(GPU, tmp_path / "run")
    report = build_run(tmp_path / "run", read=counted)
    assert sum(tab.lane is not None for tab in report.tabs) > 1
    assert len(read) == len(set(read)) == 8


def test_a_process_that_asks_again_reads_no_trace_again(monkeypatch):
    """Unless the table of classes or a Record is another by then."""
    records = observed(GPU, "nf4")
    monkeypatch.setattr(class_table, "RULES", (MENDED, *RULES))
    read = []

    def counted(path):
        read.append(path)
        return read_timeline(path)

    first = classified_again(records, GPU, counted)
    assert classified_again(observed(GPU, "nf4"), GPU, counted) == first
    assert len(read) == len(records) == 1
    other = [replace(one, metrics=one.metrics[1:]) for one in records]
    assert classified_again(other, GPU, counted) != first
    monkeypatch.setattr(class_table, "RULES", (MENDED, MENDED, *RULES))
    classified_again(records, GPU, counted)
    assert len(read) == 3


def test_no_more_records_are_kept_than_a_run_has(monkeypatch):
    monkeypatch.setattr(held_lines, "_KEPT_RECORDS", 2)
    monkeypatch.setattr(held_lines, "_reclassified", lambda record, *_: record)
    records = [replace(one, repeat=n) for n, one in enumerate(observed(GPU, "nf4") * 5)]
    assert [held_lines._read_again(one, GPU, pytest.fail) for one in records] == records
    assert len(held_lines._AGAIN) == 2


def test_a_trace_is_kept_only_while_all_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr(held_lines, "_KEPT_BYTES", 10)
    read, (small, other, large) = [], (tmp_path / name for name in ("small", "other", "large"))
    for path, size in ((small, 6), (other, 6), (large, 11)):
        path.write_bytes(bytes(size))
    once = held_lines.read_once(lambda path: read.append(path) or path.name)
    assert [once(path) for path in (large, small, small, other, other, large)] == [
        "large", "small", "small", "other", "other", "large",
    ]  # fmt: skip
    assert read == [large, small, other, other, large]
