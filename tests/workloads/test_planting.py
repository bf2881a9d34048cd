"""Planted outliers reach the threshold in every layer, and only there; what a layer computes stays, where it can."""

import pytest
import torch
import transformers

from bench.record.errors import NotApplicableError
from bench.workloads.planting import RELATIVE_SPREAD, outlier_scales, plant
from tests.workloads.tiny_models import ALWAYS_WINDOWED, tiny

IDS = torch.arange(3, 15)[None]
# Norms without a bias: every layer goes on computing what it did.
UNBIASED = ("llama", "mistral", "qwen3", "gemma2", "gemma3_text", "phi3", "olmo2", "granite")
BIASED = ("starcoder2", "phi", "gpt_neox", "gpt2", "gptj", "bloom", "opt", "stablelm")
TO_ITSELF = {"gpt2": {"n_embd": 32, "n_head": 4}, "gptj": {"n_embd": 32, "n_head": 4, "rotary_dim": 4},
             "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32}, "stablelm": {"use_qkv_bias": False}}  # fmt: skip


def made(kind):
    return tiny(kind, 16 if kind in ALWAYS_WINDOWED else None, **TO_ITSELF.get(kind, {}))


def norms_over_the_threshold(model):
    """The columns that reach 6 in what each Linear of the decoder layers is given."""
    seen = []
    kinds = (torch.nn.Linear, transformers.pytorch_utils.Conv1D)

    def note(_module, inputs):
        seen.append(frozenset(torch.nonzero((inputs[0].abs() >= 6).flatten(0, -2).any(dim=0)).flatten().tolist()))

    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, kinds) and module is not head:
            module.register_forward_pre_hook(note)
    model(IDS)
    return [columns for columns in seen if columns]


def test_scales_are_those_of_the_recipe():
    indices, scales = outlier_scales(64, 6, seed=3)
    assert len(set(indices.tolist())) == 6
    assert 30 <= float(scales.min()) <= float(scales.max()) <= 60


@pytest.mark.parametrize("kind", [*UNBIASED, *BIASED])
def test_the_planted_columns_reach_the_threshold_in_every_layer(kind):
    model = made(kind)
    if kind == "olmo2":  # norms after the products feed none
        with pytest.raises(NotApplicableError, match="Olmo2ForCausalLM: no norm of its decoder layers feeds Linears"):
            plant(model, 6, seed=0)
        return
    before = norms_over_the_threshold(model)
    planted = plant(model, 6, seed=0)
    after = norms_over_the_threshold(model)
    assert planted["norms"] >= 3
    assert len(after) >= len(before) + 2 * 3
    assert sum(columns == set(planted["columns"]) for columns in after) >= 2 * 3


@pytest.mark.parametrize("kind", [kind for kind in UNBIASED if kind != "olmo2"])
def test_where_norms_have_no_bias_the_model_computes_what_it_did(kind):
    model = made(kind)
    before = model(IDS).logits
    plant(model, 6, seed=0)
    assert torch.allclose(model(IDS).logits, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_the_recipe_of_norms_with_a_bias_is_the_committed_one():
    """Case ids of earlier records stand for these weights."""
    model = made("starcoder2")
    kept = {name: parameter.clone() for name, parameter in model.named_parameters()}
    planted = plant(model, 6, seed=0)
    indices, scales = outlier_scales(32, 6, seed=0)
    divided = ("q_proj.weight", "k_proj.weight", "v_proj.weight", "c_fc.weight")
    for name, parameter in model.named_parameters():
        wanted = kept[name].clone()
        if name.startswith("model.layers") and "layernorm.weight" in name:
            wanted[indices] = RELATIVE_SPREAD * scales
        elif name.startswith("model.layers") and "layernorm.bias" in name:
            wanted[indices] = -scales
        elif name.endswith(divided):
            wanted[:, indices] /= scales
        assert torch.equal(parameter, wanted), name
    assert planted["norms"] == 2 * 3


def test_norms_that_feed_experts_are_left_alone():
    model = tiny("mixtral", num_local_experts=4, num_experts_per_tok=2)
    before = model(IDS).logits
    planted = plant(model, 6, seed=0)
    assert planted["norms"] == 3  # those before attention
    assert torch.allclose(model(IDS).logits, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))


def test_a_model_whose_layers_are_not_found_is_not_applicable():
    model = made("llama")
    model.config.num_hidden_layers = 7
    with pytest.raises(NotApplicableError, match="cannot plant outliers in a LlamaForCausalLM"):
        plant(model, 6, seed=0)
