"""An intervention that claims the same output and gave another is a failure and no gain, in old records too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis import claims
from bench.analysis.explain import explain
from bench.analysis.interventions import removals, summarise
from bench.record.store import load
from tests import factories as make

RUNS = Path(__file__).resolve().parents[2] / "reports" / "runs"


def run(name, **changed):
    return [
        record
        for repeat in range(3)
        for record in (make.intervention("nf4", "none", repeat), make.intervention("nf4", name, repeat, **changed))
    ]


def failed(name):
    return [
        replace(record, status="failed", reason="other tokens: token 5 of call 1, row 1 is 7 where …", metrics=())
        if record.case.intervention == name else record
        for record in run(name, step=0.005)
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["cuda-graph", "static-cache", "bare-op", "logger-silenced"])
def test_a_fast_one_with_other_tokens_is_no_gain(name):
    records = run(name, step=0.005, tokens=(1, 2, 9, 4))
    assert summarise(records) == ()
    (item,) = claims.broken(records)
    assert (item.scheme, item.name) == ("nf4", name)
    assert "measure it again" in item.reason


def test_one_that_failed_when_it_was_measured_says_why():
    records = failed("cuda-graph")
    assert summarise(records) == ()
    (finding,) = claims.findings(records)
    assert (finding.code, finding.severity) == ("other-tokens", "error")
    assert finding.evidence.startswith("other tokens: token 5")
    assert finding in explain(records).findings


def test_one_bad_repeat_spoils_all_of_them():
    good, bad = run("static-cache", step=0.005), failed("static-cache")
    assert summarise([*good[:4], *bad[4:]]) == ()


def test_the_same_tokens_are_a_gain():
    (row,) = summarise(run("cuda-graph", step=0.005))
    assert row.verdict == "FASTER"
    assert claims.broken(run("cuda-graph", step=0.005)) == ()


def test_a_record_that_was_held_to_its_claim_is_trusted():
    """A tie within rounding is in the record."""
    records = [
        replace(record, setup={**record.setup, "compared": {"claim": "the same tokens up to rounding", "ties": [{}]}})
        for record in run("static-cache", step=0.005, tokens=(1, 2, 9, 4))
    ]
    (row,) = summarise(records)
    assert row.output.agreement == 0.5


def test_what_changes_the_numbers_on_purpose_is_not_held_to_them():
    (row,) = summarise(run("fp4-codes", step=0.005, tokens=(1, 2, 9, 4)))
    assert row.output.agreement == 0.5
    (row,) = summarise(run("double-quant-off+bare-op", step=0.005, tokens=(1, 2, 9, 4)))
    assert row.name == "double-quant-off+bare-op"


def test_what_failed_for_another_reason_broke_no_claim():
    records = [replace(r, status="failed", reason="out of memory") for r in run("cuda-graph")]
    assert claims.broken(records) == ()


def test_broken_claims_are_in_no_sum():
    records = [
        record
        for repeat in range(3)
        for record in (
            make.intervention("int8", "none", repeat),
            make.intervention("int8", "threshold-0", repeat, step=0.016),
            make.intervention("int8", "bare-op", repeat, step=0.005, tokens=(9, 9, 9, 9)),
            make.intervention("int8", "threshold-0+bare-op", repeat, step=0.015),
        )
    ]
    (found,) = removals(records)
    assert set(found.one) == {"threshold-0"}


@pytest.mark.parametrize("run_folder", [path.name for path in sorted(RUNS.glob("*")) if path.is_dir()])
def test_committed_runs_break_none(run_folder):
    assert claims.broken(load(RUNS / run_folder).records) == ()
