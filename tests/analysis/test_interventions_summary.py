"""Gains, predictions, outputs and interactions of interventions."""

from __future__ import annotations

import pytest

from bench.analysis.interventions import agreement, removals, summarise
from tests import factories as make


def run(repeats: int = 4):
    records = [make.prediction("int8", "threshold-0", 0.020, 0.0165)]
    for repeat in range(repeats):
        records += [
            make.intervention("int8", "none", repeat),
            make.intervention("int8", "threshold-0", repeat, step=0.0165, logits=(1.0, 2.2)),
            make.intervention("int8", "bare-op", repeat, step=0.018),
            make.intervention("int8", "planted-6", repeat, step=0.021, tokens=(1, 2, 9, 4)),
            make.intervention("int8", "threshold-0+bare-op", repeat, step=0.015),
            make.intervention("int8", "batch-4", repeat, step=0.030, batch_size=4),
            make.intervention("fp16", "none", repeat, step=0.010),
        ]
    return records


def test_gains_against_predictions():
    rows = {row.name: row for row in summarise(run())}
    found = rows["threshold-0"]
    assert found.gain.value == pytest.approx(0.0035, rel=0.1)
    assert found.predicted == pytest.approx(0.0035)
    assert found.agrees is True
    assert found.verdict == "FASTER"
    assert rows["bare-op"].predicted is None
    assert rows["bare-op"].agrees is None
    assert rows["bare-op"].why_not


def test_outputs_are_compared_with_the_unchanged_arms():
    rows = {row.name: row for row in summarise(run())}
    assert rows["threshold-0"].output.same
    assert rows["threshold-0"].output.error == pytest.approx(0.2 / 5**0.5)
    assert rows["planted-6"].output.agreement == 0.5
    assert not rows["planted-6"].output.same
    # Another batch has other prompts: nothing can be compared.
    assert rows["batch-4"].output.agreement is None


def test_a_batch_is_judged_per_token():
    rows = {row.name: row for row in summarise(run())}
    assert rows["batch-4"].after.value == pytest.approx(0.0075, rel=0.05)


def test_removed_alone_added_alone_and_together():
    (found,) = removals(run())
    assert found.together == "threshold-0+bare-op"
    assert found.all == pytest.approx(0.005, rel=0.1)
    assert found.one["threshold-0"] == pytest.approx(0.0035, rel=0.1)
    assert found.added["threshold-0"] == pytest.approx(0.003, rel=0.1)
    assert found.interaction == pytest.approx(found.all - sum(found.one.values()))
    assert found.rest == pytest.approx(0.005, rel=0.1)


def test_without_the_unchanged_arm_there_is_no_gain():
    assert summarise([make.intervention("int8", "threshold-0")]) == ()


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ([[[1, 2]]], [[[1, 2]]], 1.0),
        ([[[1, 2]]], [[[3, 2]]], 0.0),
        ([], [], None),
        ([[[1, 2, 3, 4]]], [[[1, 2, 3]]], 0.75),
    ],
)
def test_agreement_ends_at_the_first_token_that_differs(one, other, share):
    assert agreement(one, other) == share


@pytest.mark.parametrize("step", [0.0165, 0.019, 0.0196, 0.0199, 0.0203, 0.021, 0.024])
def test_a_verdict_never_contradicts_the_interval_shown_beside_it(step):
    records = [
        record
        for repeat in range(3)
        for record in (
            make.intervention("int8", "none", repeat),
            make.intervention("int8", "bare-op", repeat, step=step),
        )
    ]
    (found,) = summarise(records)
    if found.verdict in ("FASTER", "SLOWER"):
        assert (found.gain.low > 0) == (found.verdict == "FASTER")
        assert (found.gain.high < 0) == (found.verdict == "SLOWER")


def test_a_sure_ratio_with_an_open_gain_is_ambiguous(monkeypatch):
    from bench.analysis import interventions

    monkeypatch.setattr(interventions, "verdict", lambda *_: "FASTER")
    records = [
        record
        for repeat in range(3)
        for record in (make.intervention("int8", "none", repeat), make.intervention("int8", "bare-op", repeat))
    ]
    (found,) = summarise(records)
    assert found.gain.low < 0 < found.gain.high
    assert found.verdict == "AMBIGUOUS"
