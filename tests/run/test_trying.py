"""What a default run tries by itself: which remedies, in which process, and that replay's prediction comes before."""

from __future__ import annotations

import pytest

from bench import presets
from bench.analysis.interventions import summarise
from bench.record.errors import UsageError
from bench.record.instruments import TIMELINE, TRY
from bench.record.schema import from_json, to_json
from bench.record.store import load
from bench.run.intervening import TOKENS, with_tries
from bench.run.plan import Block, Layer, make_plan
from bench.workloads.sources import resolve
from tests import factories as make

LAYERS = [Layer("q_proj", 64, 128, 6, True)]


def planned(name="smoke", device="cpu", **changes):
    preset = presets.preset(name, changes)
    return with_tries(preset, make_plan(preset, resolve(preset.model), LAYERS, device, 0))


def tries(blocks):
    """(scheme, repeat) → what is tried, in order."""
    found = {}
    for block in blocks:
        for request in block.requests:
            if request.instrument == TRY:
                found.setdefault((request.case.scheme, block.repeat), []).append(request.case.intervention)
    return found


@pytest.mark.parametrize(
    ("name", "device", "wanted"),
    [
        ("smoke", "cpu", {"int8": ["threshold-0", "static-cache", "batch-8"], "nf4": ["static-cache", "batch-8"]}),
        ("quick", "cuda", {"int8": ["threshold-0", "static-cache"], "nf4": ["static-cache", "cuda-graph"]}),
    ],
)
def test_the_everyday_presets_try_what_is_cheap(name, device, wanted):
    """Batch 8 is timed by quick anyway, so it is not tried there."""
    blocks = planned(name, device)
    assert tries(blocks) == {(scheme, 1): ["none", *names] for scheme, names in wanted.items()}
    if name == "quick":
        assert {r.case.batch_size for block in blocks for r in block.requests if r.instrument == "generation"} == {1, 8}


def test_a_timeline_is_recorded_before_anything_is_tried():
    for name, device in (("smoke", "cpu"), ("quick", "cuda")):
        seen = set()
        for block in planned(name, device):
            here = {(request.instrument, request.case.scheme) for request in block.requests}
            for scheme in {scheme for instrument, scheme in here if instrument == TRY}:
                assert (TIMELINE, scheme) in seen
            seen |= here


def test_with_one_repeat_a_process_of_their_own_comes_last():
    blocks = planned(repeats=1, schemes=("fp16", "int8", "4bit-default"))
    own = [block for block in blocks if all(request.instrument == TRY for request in block.requests)]
    assert tries(blocks) == {
        ("int8", 0): ["none", "threshold-0", "static-cache", "batch-8"],
        ("4bit-default", 0): ["none", "compute-matched", "static-cache", "batch-8"],
    }
    assert list(blocks[-len(own) :]) == own
    assert "tries of" in own[0].label


def test_tries_are_short_calls_in_the_first_setting_and_the_plan_is_read_again():
    blocks = planned(batch_sizes=(4, 8), new_tokens=64)
    cases = [r.case for block in blocks for r in block.requests if r.instrument == TRY]
    assert {case.new_tokens for case in cases} == {TOKENS}
    assert {case.batch_size for case in cases} == {4}, "batch 8 is timed anyway"
    assert tuple(Block.from_json(block.to_json()) for block in blocks) == blocks
    keys = [request.key(block.repeat) for block in blocks for request in block.requests]
    assert len(keys) == len(set(keys))


def test_they_can_be_left_out_and_must_exist():
    assert tries(planned(tries=())) == {}
    assert tries(planned(schemes=("fp16", "bf16"))) == {}
    with pytest.raises(UsageError, match="unknown intervention 'faster'"):
        presets.preset("smoke", {"tries": ("faster",)})


def turns(scheme, name, steps, repeat=1):
    """One record of arms that took turns: seconds per token of each round."""
    one = make.intervention(scheme, name, repeat)
    made = make.record(
        TRY, one.case,
        {"inter_token_latency": [s for step in steps for s in (step, step)], "decode_steps": [2] * len(steps),
         "model_footprint": 1.0},
        repeat=repeat, setup={**one.setup, "turns": {"rounds": len(steps)}},
    )  # fmt: skip
    return from_json(to_json(made))


# What the machine did in each of four rounds: a neighbour came and went.
ROUNDS = (1.0, 1.6, 1.2, 1.0)


@pytest.mark.parametrize(("factor", "verdicts"), [(0.8, {"FASTER"}), (1.2, {"SLOWER"}), (1.0, {"SAME", "AMBIGUOUS"})])
def test_turns_in_one_process_are_set_against_each_other_round_by_round(factor, verdicts):
    """Two processes that differ by so much could not tell; in turns both had the same neighbour."""
    base = turns("int8", "none", [0.020 * level for level in ROUNDS])
    wobble = (1.002, 0.998, 1.001, 0.999)
    other = turns("int8", "threshold-0", [0.020 * factor * a * b for a, b in zip(ROUNDS, wobble, strict=True)])
    (row,) = summarise([base, other])
    assert row.verdict in verdicts
    assert row.gain.basis == "in turns"
    assert row.gain.low <= 0.022 * (1 - factor) <= row.gain.high
    assert row.gain.high - row.gain.low < 0.3 * 0.020


def test_what_has_processes_of_its_own_goes_before_turns():
    records = [turns("int8", "none", [0.02] * 4), turns("int8", "threshold-0", [0.001] * 4)]
    for repeat in range(3):
        records += [make.intervention("int8", name, repeat, step=0.02) for name in ("none", "threshold-0")]
    (row,) = summarise(records)
    assert row.gain.basis == "between processes"
    assert abs(row.gain.value) < 0.001


@pytest.mark.slow
def test_a_run_predicts_then_tries_then_reports(tmp_path):
    """The whole chain on the smoke model: int8 with its outliers off, replayed before it is measured."""
    from bench.cli import main

    out = tmp_path / "run"
    code = main(
        ["run", "--preset", "smoke", "--schemes", "fp16,int8", "--repeats", "2", "--calls", "1", "--new-tokens", "16",
         "--tasks", "0", "--matmul-m", "1", "--energy-seconds", "0.2", "--no-report", "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    records = load(out).records
    order = [(r.instrument, str(r.case.intervention)) for r in records]
    assert order.index(("prediction", "threshold-0")) < order.index((TRY, "threshold-0"))
    rows = {row.name: row for row in summarise(records)}
    assert set(rows) == {"threshold-0", "static-cache", "batch-8"}
    assert rows["threshold-0"].predicted is not None
    assert all(row.gain.basis == "in turns" for row in rows.values())


class Broken:
    """A predictor that meets what nobody foresaw."""

    def predictions(self, records, cases):
        raise KeyError("launch")

    def without(self, case, status, reason):
        return make.record("prediction", case, status=status, reason=reason)


def test_a_prediction_that_cannot_be_made_does_not_cost_the_run(tmp_path):
    from bench.record.store import open_run
    from bench.verbs.run import _foretold

    block = next(block for block in planned() if "tries" in block.label and block.requests[0].case.scheme == "int8")
    with open_run(tmp_path) as writer:
        (record,) = _foretold(block, writer=writer, predictor=Broken())
    assert (record.case.intervention, record.status) == ("threshold-0", "failed")
    assert record.reason == "KeyError: 'launch'"


def test_nothing_is_foretold_twice_or_of_what_replay_cannot_change(tmp_path):
    from bench.record.store import open_run
    from bench.verbs.run import _foretold

    blocks = planned()
    block = next(block for block in blocks if "tries" in block.label and block.requests[0].case.scheme == "int8")
    threshold = next(r.case for r in block.requests if r.case.intervention == "threshold-0")
    with open_run(tmp_path) as writer:
        writer.append(make.record("prediction", threshold, status="skipped", reason="no timeline"))
        assert _foretold(block, writer=writer, predictor=Broken()) == ()
        assert all(_foretold(one, writer=writer, predictor=Broken()) == () for one in blocks if one is not block)
