"""Layers in words and out of the model."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.record.errors import UsageError
from bench.schemes import arm
from bench.workloads import models, pruning
from bench.workloads.sources import resolve


@given(st.sets(st.integers(0, 60)))
def test_text_and_parse_are_inverse(layers):
    assert pruning.parse(pruning.text(layers)) == tuple(sorted(layers))


def test_runs_are_ranges():
    assert pruning.text([5, 0, 1, 2]) == "0-2,5"
    assert pruning.last(2, 6) == "4-5"
    assert pruning.last(0, 6) == ""


@pytest.mark.parametrize("text", ["a", "3-1", "1,,x", "-2", "1-"])
def test_what_is_no_layer_is_a_clear_error(text):
    with pytest.raises(UsageError, match="give them as 0,3-5"):
        pruning.parse(text)


@pytest.mark.parametrize(("dropped", "message"), [("6", "has no layer 6"), ("0-5", "at least one must stay")])
def test_impossible_layers_are_a_clear_error(dropped, message):
    with pytest.raises(UsageError, match=message):
        models.load(resolve("smoke"), arm("fp32"), "cpu", 0, dropped)
    with pytest.raises(UsageError, match="at least one must stay"):
        pruning.last(6, 6)


@pytest.mark.parametrize("name", ["fp32", "nf4", "int8-planted"])
def test_a_model_less_some_layers_computes_what_the_others_compute(name):
    whole = models.load(resolve("smoke"), arm(name), "cpu", 0).model
    less = models.load(resolve("smoke"), arm(name), "cpu", 0, "1,4-5")
    assert less.model.config.num_hidden_layers == len(less.model.model.layers) == 3
    assert less.facts["layers"] == 3
    assert less.facts["dropped_layers"] == "1,4-5"
    assert [layer.self_attn.layer_idx for layer in less.model.model.layers] == [0, 1, 2]
    ids = torch.randint(0, whole.config.vocab_size, (1, 9))
    kept = torch.nn.ModuleList(whole.model.layers[number] for number in (0, 2, 3))
    for number, layer in enumerate(kept):
        layer.self_attn.layer_idx = number
    whole.model.layers = kept
    whole.config.num_hidden_layers = 3
    with torch.inference_mode():
        assert torch.equal(less.model(input_ids=ids).logits, whole(input_ids=ids).logits)


def test_generation_with_a_cache_agrees_with_one_forward():
    loaded = models.load(resolve("smoke"), arm("fp32"), "cpu", 0, "4-5")
    ids = torch.randint(3, loaded.model.config.vocab_size, (1, 9))
    with torch.inference_mode():
        out = loaded.model.generate(input_ids=ids, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0)
        logits = loaded.model(input_ids=out[:, :-1]).logits[:, -4:]
        logits[..., loaded.model.generation_config.eos_token_id] = -torch.inf  # min_new_tokens forbids it
        again = logits.argmax(-1)
    assert again.tolist() == out[:, -4:].tolist()
