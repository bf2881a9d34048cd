"""A few random moments; `python -m tests.faults.kills` is for hundreds, and its committed result is looked at here."""

import json
from dataclasses import replace

import pytest

from tests.faults import kills
from tests.faults.plans import plan
from tests.long_tables import some_of

SETTING = replace(
    kills.FAST,
    horizon_s=1.0,
    plan=lambda folder: plan(folder, repeats=2, schemes=("fp16", "nf4"), batches=(1, 2, 4), limit_s=120.0),
)


@pytest.mark.parametrize("moments", some_of((3, 10), (3,)))
def test_nothing_is_lost_at_random_moments(moments, launch):
    tally = kills.strike(SETTING, moments, 7, launch, lambda _: None)
    assert len(tally.struck) == moments
    assert tally.acknowledged >= tally.folders * 24
    assert tally.wrong() == 0, tally


def test_the_committed_result_is_of_two_hundred_moments_and_lost_nothing():
    result = json.loads(kills.RESULT.read_text())
    for name, setting in result["settings"].items():
        struck = result["struck"][name]
        assert len(struck) == setting["moments"] == sum(setting["victims"].values())
        assert setting["acknowledged"] > 0
        assert [setting[wrong] for wrong in ("lost", "missing", "twice", "orphans", "unread", "unexplained")] == [0] * 6
    assert result["settings"][kills.FAST.name]["moments"] >= 200
    assert set(result["settings"][kills.FAST.name]["victims"]) == set(kills.VICTIMS)
