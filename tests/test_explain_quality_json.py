"""explain --json says pass@1 where the run judged programs, as its page does; else the list is empty."""

from __future__ import annotations

import json

import pytest

from bench.analysis.explain import explain
from bench.report.sections.order import explanation_document
from bench.report.visible import dumps
from tests import factories as make
from tests import quality_records as quality

TIMED = [make.generation(scheme, repeat) for scheme in ("fp16", "int8", "nf4") for repeat in range(3)]


def told(*records):
    return json.loads(dumps(explanation_document(explain([*TIMED, *records]))))["quality"]


def test_nothing_judged_nothing_said():
    assert told() == []


def test_each_scheme_with_its_interval_and_tasks():
    records = [item for scheme in ("fp16", "int8") for item in (quality.samples(scheme),)]
    records += [quality.judged(plus=range(20)), quality.judged("int8", plus=range(10), base=range(12))]
    (family,) = told(*records)
    rows = {row["scheme"]: row for row in family["schemes"]}
    assert family["reference"] == "fp16"
    assert rows["fp16"]["pass_at_1"] == 0.5
    assert rows["int8"]["pass_at_1"] == rows["int8"]["plus"] == 0.25
    assert rows["int8"]["base"] == pytest.approx(0.3)
    low, high = rows["int8"]["pass_at_1_ci"]
    assert 0.0 < low < 0.25 < high < 0.5
    assert rows["int8"]["tasks"] == len(quality.TASKS)
    assert rows["int8"]["missing"] is None


def test_programs_that_nobody_judged_have_a_reason_and_no_score():
    (family,) = told(quality.samples("int8"))
    (row,) = family["schemes"]
    assert (row["pass_at_1"], row["pass_at_1_ci"]) == (None, None)
    assert row["missing"]
