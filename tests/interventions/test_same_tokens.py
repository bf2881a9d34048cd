"""What claims the same output is held to it, and a tie within rounding is told from a fault."""

from __future__ import annotations

import pytest
import torch

from bench.interventions import same_tokens
from bench.interventions.same_tokens import OtherTokensError, TokenDifference, first_differences
from bench.interventions.table import INTERVENTIONS, ROUNDING, SAME, claim_of, parse
from tests.workloads.tiny_models import prompt, session, tiny


@pytest.fixture(scope="module")
def of():
    return session(tiny("starcoder2"), [prompt(2, 9), prompt(2, 12, seed=1)], 8)


@pytest.fixture(scope="module")
def wanted(of):
    return same_tokens.unchanged_tokens(of, "dynamic")


def changed(tokens, call=1, row=0, place=5, to=None):
    copied = [[list(row) for row in call] for call in tokens]
    copied[call][row][place] = (copied[call][row][place] + 1) % 97 if to is None else to
    return copied


def test_the_first_difference_of_each_sequence():
    one = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9]]]
    assert list(first_differences(one, one)) == []
    assert list(first_differences(one, [[[1, 2, 3], [4, 0, 0]], [[7, 8, 0]]])) == [
        TokenDifference(0, 1, 1, 5, 0), TokenDifference(1, 0, 2, 9, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("given", [[], [[[1, 2]]], [[[1, 2], [3]]], [[[1, 2], [3, 4], [5, 6]]]])
def test_missing_or_additional_tokens_are_differences(given):
    assert list(first_differences([[[1, 2], [3, 4]]], given))


@pytest.mark.parametrize("claim", [SAME, ROUNDING])
def test_equal_tokens_keep_every_claim(of, wanted, claim):
    assert same_tokens.check(of, wanted, wanted, claim)["ties"] == []


@pytest.mark.parametrize("claim", [SAME, ROUNDING])
@pytest.mark.parametrize("call", [0, 1])
def test_another_token_breaks_every_claim(of, wanted, claim, call):
    with pytest.raises(OtherTokensError, match=rf"^other tokens: token 6 of call {call + 1}, row 1 is \d+ where"):
        same_tokens.check(of, changed(wanted, call), wanted, claim)


def test_a_sequence_cut_short_breaks_the_claim(of, wanted):
    with pytest.raises(OtherTokensError, match="is None where"):
        same_tokens.check(of, [[row[:-1] for row in call] for call in wanted], wanted, ROUNDING)


def test_a_tie_within_the_loops_own_rounding_is_no_fault(of, wanted, monkeypatch):
    real = same_tokens._two_ways
    logits, _ = real(of.loaded.model, of.batches[1], 0, wanted[1][0][:5])
    best, second = logits.topk(2).indices.tolist()

    def near(model, batch, row, made):
        whole, stepped = (logits.clone() for logits in real(model, batch, row, made))
        more = whole[best] - whole[second]
        whole[second] += more  # both tokens are best, and rounding alone decides
        stepped[second] += more
        return whole, stepped

    monkeypatch.setattr(same_tokens, "_two_ways", near)
    given = changed(wanted, to=second)
    assert wanted[1][0][5] == best
    (told,) = same_tokens.check(of, given, wanted, ROUNDING)["ties"]
    assert (told["call"], told["row"], told["place"], told["given"]) == (1, 0, 5, second)
    assert told["gap"] <= 4 * told["noise"]
    with pytest.raises(OtherTokensError):
        same_tokens.check(of, given, wanted, SAME)


def test_noise_that_no_rounding_makes_excuses_nothing(of, wanted, monkeypatch):
    """A model whose loop contradicts its own forward, such as one whose cache drops keys that it still attends to."""
    real = same_tokens._two_ways

    def apart(*args):
        whole, stepped = real(*args)
        return whole, stepped + 100.0

    monkeypatch.setattr(same_tokens, "_two_ways", apart)
    with pytest.raises(OtherTokensError, match="move by"):
        same_tokens.check(of, changed(wanted), wanted, ROUNDING)


def test_the_two_ways_are_one_model(of, wanted):
    whole, stepped = same_tokens._two_ways(of.loaded.model, of.batches[0], 1, wanted[0][1][:4])
    assert int(whole.argmax()) == int(stepped.argmax()) == wanted[0][1][4]
    torch.testing.assert_close(whole, stepped, rtol=1e-4, atol=1e-4)


def test_padding_is_left_out_of_the_two_ways():
    model = tiny("starcoder2")
    plain, padded = prompt(1, 9), prompt(1, 9)
    pad = torch.zeros(1, 3, dtype=torch.long)
    padded.inputs["input_ids"] = torch.cat((pad, padded.inputs["input_ids"]), dim=1)
    padded.inputs["attention_mask"] = torch.cat((pad, padded.inputs["attention_mask"]), dim=1)
    here, there = (same_tokens._two_ways(model, batch, 0, [5]) for batch in (plain, padded))
    assert all(torch.equal(one, other) for one, other in zip(here, there, strict=True))


def test_which_interventions_claim_what():
    claims = {name: item.claims for name, item in INTERVENTIONS.items() if item.claims}
    assert {name for name, claim in claims.items() if claim == SAME} >= {"bare-op", "logger-silenced"}
    assert {name for name, claim in claims.items() if claim == ROUNDING} >= {"cuda-graph", "static-cache", "old-kernel"}
    for name in ("threshold-0", "plain-linears", "pre-dequantised", "fp4-codes", "double-quant-on", "blocksize-128"):
        assert name not in claims


@pytest.mark.parametrize(
    ("names", "claim"), [("none", ""), ("bare-op", SAME), ("threshold-0+bare-op", ""), ("static-cache", ROUNDING)]
)
def test_a_combination_claims_what_its_weakest_part_does(names, claim):
    assert claim_of(parse(names)) == claim
