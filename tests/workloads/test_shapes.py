"""Exact shapes with random weights: built from a config alone, quantised in place, layer by layer."""

import json
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.record.schema import Case
from bench.schemes import arm
from bench.workloads import generation, models, quantise
from bench.workloads.configuration import config_of
from bench.workloads.describe import _named_apart, describe
from bench.workloads.sources import Source, resolve
from tests.arms_here import SOME_ARMS

SMALL = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 96,
}
PARAMETERS = {"starcoder2-3b": 3.03e9, "starcoder2-7b": 7.17e9, "phi-2": 2.78e9}


@pytest.fixture(params=["starcoder2-3b", "phi-2"])
def source(request, tmp_path):
    """A shipped shape, made small."""
    shipped = resolve(f"shape:{request.param}")
    fields = json.loads(Path(shipped.location).read_text()) | SMALL
    fields["num_key_value_heads"] = 4 if request.param == "phi-2" else 2
    file = tmp_path / "config.json"
    file.write_text(json.dumps(fields))
    return replace(shipped, location=str(file))


def case(source: Source, scheme: str) -> Case:
    return Case("generation", source.name, source.revision, scheme, "cpu", 0, batch_size=2, prompts="random",
                prompt_tokens=7, new_tokens=4, cache="dynamic", stop="length")  # fmt: skip


@pytest.mark.parametrize("name", SOME_ARMS)
def test_every_scheme_generates_from_random_weights(source, name):
    options = {"calls": 1, "warmup_calls": 0}
    (outcome,) = generation.run(source, [(case(source, name), "generation")], options, lambda: None)
    values = {metric.name: metric.values for metric in outcome.metrics}
    assert values["tokens_generated"] == (8.0,)
    assert values["prompt_length"] == (7.0,)
    label = outcome.setup["model"]["label"]
    assert label.startswith("random weights")
    assert ("planted" in label) == (name == "int8-planted")


def test_the_seed_makes_the_weights(source):
    first, again, other = (models.load(source, arm("fp32"), "cpu", seed).model for seed in (0, 0, 1))
    name = "model.layers.0.self_attn.q_proj.weight"
    weights = [model.get_parameter(name) for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_each_weight_is_freed_before_the_next_is_quantised(monkeypatch):
    model = torch.nn.Sequential(*[torch.nn.Linear(64, 64) for _ in range(5)]).half()
    originals = [weakref.ref(layer.weight) for layer in model]
    alive = []
    real = quantise.quantised_linear

    def noting(linear, chosen):
        alive.append(sum(original() is not None for original in originals))
        return real(linear, chosen)

    monkeypatch.setattr(quantise, "quantised_linear", noting)
    quantise.quantise_in_place(model, arm("nf4"))
    assert alive == [5, 4, 3, 2, 1]
    assert all(original() is None for original in originals)


def test_the_distinct_shapes_of_starcoder2_3b_are_found_without_weights():
    layers = {(layer["n"], layer["k"]): layer for layer in describe(resolve("shape:starcoder2-3b"))["layers"]}
    assert set(layers) == {(3072, 3072), (256, 3072), (12288, 3072), (3072, 12288), (49152, 3072)}
    assert (layers[3072, 3072]["name"], layers[3072, 3072]["count"]) == ("q_proj+o_proj", 60)
    assert [layer["name"] for layer in layers.values() if not layer["converted"]] == ["lm_head"]
    assert [layer["name"] for layer in layers.values() if not layer["bias"]] == ["lm_head"]


def test_a_shape_with_a_bias_and_one_without_are_two_layers(tmp_path):
    """Qwen2's q_proj has a bias, its o_proj of the same shape has none."""
    config = {
        "model_type": "qwen2", "vocab_size": 96, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    }  # fmt: skip
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    found = describe(Source("tiny", "shape", str(file), "rev", "random weights"))["layers"]
    assert {layer["name"]: (layer["count"], layer["bias"]) for layer in found} == {
        "q_proj": (2, True), "k_proj+v_proj": (4, True), "o_proj": (2, False), "gate_proj+up_proj": (4, False),
        "down_proj": (2, False), "lm_head": (1, False),
    }  # fmt: skip


def test_one_name_for_two_kinds_of_a_shape_is_told_apart():
    shapes = {(8, 8, True, True): ["dense", "fc"], (8, 8, True, False): ["dense", "out", "dense"]}
    assert [(names, count) for _, names, count in _named_apart(shapes)] == [
        (["dense", "fc"], 2), (["dense (no bias)", "out"], 3),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", PARAMETERS)
def test_shapes_have_the_published_number_of_parameters(shape):
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config_of(resolve(f"shape:{shape}")))
    assert models.parameter_count(model) == pytest.approx(PARAMETERS[shape], rel=0.05)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["nf4", "nf4-dq", "int8"])
def test_peak_memory_is_that_of_the_16_bit_model_and_a_few_layers(name):
    source = resolve("shape:starcoder2-3b")
    torch.cuda.reset_peak_memory_stats()
    fp16 = 2 * PARAMETERS["starcoder2-3b"]
    models.load(source, arm(name), "cuda", 0)
    # 1.07 on an H100: building the model in 16 bits takes 1.05 (its largest weight is made twice)
    assert torch.cuda.max_memory_allocated() <= 1.1 * fp16
