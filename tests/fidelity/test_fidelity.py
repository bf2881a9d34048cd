"""Every made-up planted cause is named first, with its size, and what was not planted is not named."""

from __future__ import annotations

import json

import pytest

from benchmarks.fidelity import real, stacks
from benchmarks.fidelity.__main__ import RESULTS, TABLE, table
from benchmarks.fidelity.judge import judge
from benchmarks.fidelity.planted import cases
from tests.long_tables import one_in

CASES = cases()


@pytest.mark.parametrize("case", one_in(3, CASES), ids=[f"{case.name}, {case.regime}" for case in CASES])
def test_made_up_causes(tmp_path, case):
    for row in judge(case, tmp_path):
        assert row.ok, row


def test_there_are_enough_of_them():
    assert 2 * len(CASES) >= 24
    assert {case.regime for case in CASES} == {"host-bound", "GPU-bound"}
    assert len([item for item in real.cases() if item.cause]) >= 6


def test_the_page_says_what_was_found_of_every_case():
    document = json.loads(RESULTS.read_text())
    assert TABLE.read_text() == table(document)
    assert len(document["cases"]) == 2 * len(CASES) + len(stacks.cases()) + len(real.cases())
    assert all(row["ok"] for row in document["cases"])
