"""A scheme that was asked for and has no time stands on the first screen, with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.cli import main
from bench.record.origin import node_of
from bench.record.store import open_run
from bench.report.overview import not_measured
from bench.verbs.report import build_run
from tests import factories as make
from tests.sweep_records import machine, sweep

REASON = "CUDA out of memory: 3 GB asked"


def _failed(scheme, status="failed"):
    one = make.generation(scheme, 0, calls=2, new_tokens=8)
    return replace(one, status=status, reason=REASON, metrics=())


def _report(tmp_path, capsys, *records):
    folder = tmp_path / "run"
    with open_run(folder) as writer:
        for record in records:
            writer.append(record)
    assert main(["report", str(folder)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    return folder, printed, (folder / "report.html").read_text(), (folder / "report.md").read_text()


def test_a_run_of_which_all_failed_says_why(tmp_path, capsys):
    folder, printed, page, markdown = _report(tmp_path, capsys, _failed("fp16"), _failed("nf4"))
    for text in (printed, page, markdown):
        assert f"nf4 was not timed: {REASON}." in text
        assert "No scheme was compared" not in text
    assert main(["explain", str(folder)]) == 2
    assert f"nf4 was not timed: {REASON}" in capsys.readouterr().err


def test_one_that_failed_stands_beside_the_answer_about_others(tmp_path, capsys):
    good = [make.generation(scheme, repeat, calls=2, new_tokens=8) for scheme in ("fp16", "int8") for repeat in (0, 1)]
    _, printed, page, _ = _report(tmp_path, capsys, *good, _failed("nf4", "skipped"))
    assert f"SKIPPED nf4 was not timed: {REASON}." in printed
    before_tabs, _, _ = page[page.index("<header") :].partition("Every verdict in one sentence")
    assert f"nf4 was not timed: {REASON}." in before_tabs


def test_a_run_of_one_scheme_says_that_nothing_was_compared(tmp_path, capsys):
    _, printed, page, markdown = _report(tmp_path, capsys, make.generation("fp16", 0, calls=2, new_tokens=8))
    for text in (printed, page, markdown):
        assert "No scheme was compared with a reference in this run." in text


def test_the_recorded_step_is_of_the_hardware_that_is_explained(tmp_path, monkeypatch):
    few = {"n9": machine("n9", limit=400.0)}
    first = [replace(record, repeat=record.repeat + 9) for record in sweep({"n9": 1.0}, blocks=1, machines=few)]
    records = [*first, *sweep({"n1": 1.0}, blocks=2)]
    with open_run(tmp_path / "run") as writer:
        for record in records:
            writer.append(record)
    asked = []
    monkeypatch.setattr("bench.analysis.recorded_steps.recorded_steps", lambda records, *_: asked.extend(records) or {})
    build_run(tmp_path / "run", "fp16", lambda _: pytest.fail("no trace is there"))
    assert {node_of(record.environment) for record in asked} == {"n1"}


def test_one_that_failed_once_was_timed_all_the_same():
    assert not not_measured([_failed("nf4"), make.generation("nf4", 1, calls=2, new_tokens=8)])
