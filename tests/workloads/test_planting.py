"""Planted outliers reach the threshold in every layer, and only there."""

import pytest
import torch
import transformers

from bench.record.errors import NotApplicableError
from bench.workloads.planting import outlier_scales, plant


def tiny(family):
    common = {
        "vocab_size": 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(family, **common)).eval()


def test_scales_are_those_of_the_recipe():
    indices, scales = outlier_scales(64, 6, seed=3)
    assert len(set(indices.tolist())) == 6
    assert 30 <= float(scales.min()) <= float(scales.max()) <= 60


@pytest.mark.parametrize("family", ["starcoder2", "phi"])
def test_exactly_the_planted_columns_reach_the_threshold(family):
    model = tiny(family)
    planted = plant(model, 6, seed=0)
    seen = []
    for layer in model.model.layers:
        layer.input_layernorm.register_forward_hook(
            lambda _m, _i, out: seen.append(torch.nonzero((out.abs() >= 6).any(dim=(0, 1))).flatten().tolist())
        )
    model(torch.randint(0, 64, (1, 12)))
    assert seen == [sorted(planted["columns"])] * 2


def test_another_architecture_is_refused():
    with pytest.raises(NotApplicableError, match="known are starcoder2, phi"):
        plant(tiny("gpt_neox"), 6, seed=0)
