"""Two traces of other stacks give the planted cause without any option; a wrong one would be noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.record import causes as c
from benchmarks.fidelity import stack_judge
from benchmarks.fidelity.stacks import PLANTS, STACKS, cases

CASES = cases()
IDS = [f"{case.stack.told}, {case.told}" for case in CASES]
# One of each stack and one of each cause in every run of the tests; all of them with SLOW=yes and in make fidelity.
FIRST = [case for place, case in enumerate(CASES) if place % 11 == 0]


@pytest.mark.parametrize("case", FIRST, ids=[IDS[CASES.index(case)] for case in FIRST])
def test_planted_causes_are_named(tmp_path, case):
    row = stack_judge.judge(case, tmp_path)
    assert row.ok, row


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_planted_cause_is_named(tmp_path, case):
    row = stack_judge.judge(case, tmp_path)
    assert row.ok, row


def test_there_are_enough_of_them():
    assert len(CASES) >= 40
    assert {case.stack.name for case in CASES} == set(STACKS)
    for cause in {plant.cause for plant in PLANTS}:
        assert len([case for case in CASES if case.plant.cause == cause]) >= 4, cause
    assert {(case.stack.graph, case.stack.ranks) for case in CASES} == {(g, r) for g in (False, True) for r in (1, 2)}
    readers = {(case.stack.name, case.reader) for case in CASES}
    assert readers == {(name, reader) for name in STACKS for reader in ("nsys", "Kineto", "merged Kineto")}


def test_a_cause_that_is_not_the_planted_one_is_wrong(tmp_path, monkeypatch):
    case = next(case for case in CASES if case.plant.cause == c.DEQUANTISE)
    claimed = replace(case, plant=replace(case.plant, cause=c.CAST))
    assert not stack_judge.judge(claimed, tmp_path).ok, "the name"
    monkeypatch.setattr(type(case), "size_ns", lambda _: 2 * 6 * case.plant.ns)
    assert not stack_judge.judge(case, tmp_path).ok, "the size"
