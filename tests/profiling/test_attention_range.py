"""The range around the attention function: drawn at every layer, whatever the implementation, and gone afterwards."""

import pytest
import torch
from transformers import modeling_utils
from transformers.models.starcoder2 import modeling_starcoder2

from bench.schemes import arm
from bench.workloads import models
from bench.workloads.sources import resolve
from profiling.annotate import AttentionRange, RangeAnnotator


class Told:
    """A backend that remembers."""

    def __init__(self):
        self.pushed, self.open = [], 0

    def mark(self, name, index=None):
        return name

    def push(self, name):
        self.pushed.append(name)
        self.open += 1

    def pop(self):
        self.open -= 1


@pytest.fixture(scope="module")
def model():
    return models.load(resolve("smoke"), arm("fp32"), "cpu", 0).model


def forward(model):
    with torch.inference_mode():
        return model(torch.tensor([[1, 2, 3]])).logits


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_every_layer_calls_it_inside_the_range_and_computes_the_same(model, implementation):
    chosen = model.config._attn_implementation
    model.config._attn_implementation = implementation
    try:
        plain, told = forward(model), Told()
        annotator = RangeAnnotator(told)
        annotator.attach(model)
        assert torch.equal(forward(model), plain)
        assert told.pushed.count("attention") == model.config.num_hidden_layers
        assert told.open == 0
        annotator.detach()
        told.pushed.clear()
        assert torch.equal(forward(model), plain)
        assert told.pushed == []
    finally:
        model.config._attn_implementation = chosen


def test_what_was_registered_stays_registered(model):
    known = modeling_utils.ALL_ATTENTION_FUNCTIONS
    before, eager = known["sdpa"], modeling_starcoder2.eager_attention_forward
    mark = AttentionRange(lambda: None, lambda: None)
    for _ in range(2):  # attached twice without detaching: still only one of them
        mark.attach(model)
    assert known["sdpa"] is not before
    mark.detach()
    mark.detach()
    assert known["sdpa"] is before
    assert modeling_starcoder2.eager_attention_forward is eager


def test_a_function_of_the_users_own_is_put_back(model):
    known, chosen = modeling_utils.ALL_ATTENTION_FUNCTIONS, model.config._attn_implementation
    known["mine"] = own = lambda *a, **k: known["sdpa"](*a, **k)
    model.config._attn_implementation = "mine"
    try:
        mark = AttentionRange(lambda: None, lambda: None)
        mark.attach(model)
        forward(model)
        mark.detach()
        assert known["mine"] is own
    finally:
        model.config._attn_implementation = chosen
        del known["mine"]


def test_an_error_inside_closes_the_range():
    told = Told()
    mark = AttentionRange(lambda: told.push("attention"), told.pop)

    def broken():
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        mark._wrapped(broken)()
    assert told.open == 0


def test_a_model_without_such_a_function_is_left_alone():
    mark = AttentionRange(lambda: None, lambda: None)
    mark.attach(torch.nn.Linear(1, 1))
    mark.detach()
