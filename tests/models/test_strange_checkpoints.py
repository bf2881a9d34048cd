"""Checkpoints that nobody meant to make: each is planned to the right measurement or refused with one clear line."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
import transformers
from safetensors.torch import save_file

from bench.models import adapters
from bench.record.errors import MeasurementError, UsageError
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.configuration import skeleton
from bench.workloads.describe import describe
from bench.workloads.sources import local_folder, resolve
from tests.models import checkpoints
from tests.models.checkpoints import changed_config, changed_weights, refusal

# What they hold.


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.float8_e4m3fn])
def test_codes_without_a_word_of_their_scales_are_not_weights(copied, dtype):
    def coded(found):
        return {key: (part * 50).to(dtype) if "_proj" in key else part for key, part in found.items()}

    said = refusal(changed_weights(copied, coded))
    assert str(dtype).removeprefix("torch.") in said and "no quantization_config" in said


def test_a_model_of_the_hub_in_the_cache_is_looked_at_as_a_folder_is(copied, tmp_path, monkeypatch):
    """Also when it is loaded: what was not in the cache while planning was fetched meanwhile."""
    revision = "0123456789abcdef" * 2 + "01234567"
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / revision
    snapshot.parent.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(revision)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    copied.rename(snapshot)
    source = resolve("org/name")
    assert (source.kind, source.revision, local_folder(source)) == ("hub", revision, snapshot)
    assert describe(source)["decoder_layers"] == 2
    models.load(source, arm("fp16"), "cpu", 0)
    changed_weights(snapshot, lambda found: {k: v.to(torch.int8) if "_proj" in k else v for k, v in found.items()})
    assert "int8 codes" in refusal("org/name")
    with pytest.raises(UsageError, match="int8 codes"):
        models.load(source, arm("fp16"), "cpu", 0)
    (snapshot / "model.safetensors").unlink()
    assert local_folder(source) is None


def test_numbers_of_64_bits_are_weights(copied):
    made = changed_weights(copied, lambda found: {key: part.double() for key, part in found.items()})
    assert describe(resolve(str(made)))["layers"]


def test_weights_that_are_no_numbers_are_told_from_an_overflow(copied):
    def broken(found):
        found["model.layers.1.mlp.up_proj.weight"][0, :3] = float("nan")
        return found

    loaded = models.load(resolve(str(changed_weights(copied, broken))), arm("fp16"), "cpu", 0)
    with pytest.raises(
        MeasurementError, match=r"its weights hold values that are not finite: model.layers.1.mlp.up_proj"
    ):
        models.check(loaded, arm("fp16"), "cpu")


def test_a_weight_too_large_for_float16_is_no_damage(copied):
    def large(found):
        found = {key: part.bfloat16() for key, part in found.items()}
        found["model.layers.1.mlp.up_proj.weight"][0, 0] = 1e6
        return found

    source = resolve(str(changed_config(changed_weights(copied, large), dtype="bfloat16")))
    for scheme in ("fp16", "nf4"):
        with pytest.raises(MeasurementError, match=r"too large for float16\? Measure it with --schemes bf16"):
            models.check(models.load(source, arm(scheme), "cpu", 0), arm(scheme), "cpu")
    models.check(models.load(source, arm("bf16"), "cpu", 0), arm("bf16"), "cpu")


def test_weights_that_are_all_zero_are_no_model(copied):
    source = resolve(
        str(changed_weights(copied, lambda found: {key: torch.zeros_like(part) for key, part in found.items()}))
    )
    with pytest.raises(MeasurementError, match="its weights are zeros, as after a download that was not finished"):
        models.check(models.load(source, arm("fp16"), "cpu", 0), arm("fp16"), "cpu")


def test_where_config_json_does_not_say_the_dtype_the_files_do(copied):
    config = json.loads((copied / "config.json").read_text())
    del config["dtype"]
    (copied / "config.json").write_text(json.dumps(config))
    assert describe(resolve(str(copied)))["dtype"] == "float16"
    made = changed_weights(copied, lambda found: {key: part.bfloat16() for key, part in found.items()})
    assert describe(resolve(str(made)))["dtype"] == "bfloat16"


# What config.json says.


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hidden_act": "swoosh"}, "swoosh"),
        ({"dtype": "float99"}, "float99"),
        ({"rope_parameters": {"rope_type": "nonsense"}}, "nonsense"),
        ({"quantization_config": False}, "quantization_config in config.json is False"),
        ({"quantization_config": [1]}, r"quantization_config in config.json is \[1\]"),
        ({"quantization_config": {}}, "no quant_method"),
        ({"quantization_config": {"bits": 4}}, "no quant_method"),
        ({"quantization_config": {"quant_method": "exl2", "bits": 4.0}}, "exl2.*does not know"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "neither load_in_4bit nor load_in_8bit"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": True}},
            "both load_in_4bit and load_in_8bit",
        ),
        ({"text_config": {"quantization_config": {"quant_method": "gptq"}}}, "config"),
        ({"quantization": {"bits": 4, "group_size": 64}}, "saved quantised by MLX"),
        ({"architectures": "LlamaForCausalLM"}, "architectures in config.json is 'LlamaForCausalLM', and no list"),
        ({"transformers_weights": 0}, "names 0 as its weights: only safetensors are loaded"),
        ({"transformers_weights": ""}, "only safetensors are loaded"),
        ({"num_attention_heads": 3, "num_key_value_heads": 3}, r"hidden size \(64\) is not a multiple .* heads \(3\)"),
    ],
)
def test_a_config_that_makes_no_model_is_a_line(copied, fields, words):
    assert re.search(words, refusal(changed_config(copied, **fields)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_new_tokens": 0}, "`max_new_tokens` must be greater than 0"),
        ({"assistant_model": "x"}, "assistant_model"),
        ({"eos_token_id": "end"}, "eos_token_id in generation_config.json is 'end', and no token's number"),
    ],
)
def test_a_generation_config_that_transformers_does_not_take(copied, settings, words):
    (copied / "generation_config.json").write_text(json.dumps(settings))
    assert words in refusal(copied)


def test_an_encoder_with_a_head_is_no_decoder(tmp_path):
    """Its steps would read the last token alone, as transformers keeps no cache for it."""
    made = transformers.BertLMHeadModel(checkpoints.config("bert", is_decoder=False)).half()
    assert "is an encoder (bert, is_decoder in config.json is false)" in refusal(checkpoints.save(tmp_path / "b", made))


def test_a_tokenizer_of_no_words(copied):
    tokenizer = json.loads((copied / "tokenizer.json").read_text())
    tokenizer["model"] |= {"vocab": {}, "merges": []}
    (copied / "tokenizer.json").write_text(json.dumps(tokenizer | {"added_tokens": []}))
    (copied / "tokenizer_config.json").write_text("{}")
    assert "its tokenizer makes no tokens of a prompt" in refusal(copied)


@pytest.mark.parametrize("settings", [{"model_max_length": "x"}, {"tokenizer_class": "LlamaForCausalLM"}])
def test_settings_of_a_tokenizer_that_make_none(copied, settings):
    file = copied / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    assert "has no usable tokenizer" in refusal(copied)


def test_a_model_of_images_that_is_made_a_text_model_says_so(tmp_path):
    text = {**checkpoints.SIZES, "num_hidden_layers": 2, "cross_attention_layers": [1]}
    vision = {
        "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_global_layers": 1, "image_size": 32,
        "attention_heads": 4, "patch_size": 16, "intermediate_layers_indices": [0], "vision_output_dim": 128,
    }  # fmt: skip
    config = transformers.MllamaConfig(text_config=text, vision_config=vision)
    folder = checkpoints.save(tmp_path / "images", transformers.MllamaForConditionalGeneration(config).half())
    said = refusal(folder)
    assert "holds a MllamaForConditionalGeneration, of which transformers makes a MllamaForCausalLM" in said


# What bitsandbytes saved.


def without(folder, ending):
    return changed_weights(
        folder, lambda found: {k: v for k, v in found.items() if not ("layers.1.mlp.up" in k and k.endswith(ending))}
    )


@pytest.mark.parametrize("ending", ["weight.absmax", "weight.nested_absmax", "weight"])
def test_a_4_bit_checkpoint_without_a_part(saved_4bit, tmp_path, ending):
    folder = without(shutil.copytree(saved_4bit, tmp_path / "mine"), ending)
    assert f"lacks model.layers.1.mlp.up_proj.{ending}" in refusal(folder)


@pytest.mark.parametrize("ending", ["SCB", "weight"])
def test_an_8_bit_checkpoint_without_a_part(saved_8bit, tmp_path, ending):
    folder = without(shutil.copytree(saved_8bit, tmp_path / "mine"), ending)
    assert f"lacks model.layers.1.mlp.up_proj.{ending}" in refusal(folder)


@pytest.mark.parametrize("settings", [{"load_in_4bit": True}, {"load_in_8bit": True}])
def test_experts_that_an_older_transformers_quantised(tmp_path, settings):
    """It had a Linear for each, which has codes; all have one parameter now, which would be filled with them."""
    plain = checkpoints.save(
        tmp_path / "plain", checkpoints.model("mixtral", num_local_experts=2, num_experts_per_tok=1)
    )
    folder = checkpoints.saved_quantised(tmp_path / "saved", plain, **settings)
    assert describe(resolve(str(folder)))["saved"]

    def packed(found):
        experts = [key for key in found if ".experts." in key]
        beside = {f"{key}.absmax": torch.zeros(2) for key in experts if "load_in_4bit" in settings}
        dtype = torch.uint8 if "load_in_4bit" in settings else torch.int8
        return found | beside | {key: torch.zeros(found[key].shape, dtype=dtype) for key in experts}

    assert "by an older transformers, each expert a Linear" in refusal(changed_weights(folder, packed))


def test_whole_ones_are_planned(saved_4bit, saved_8bit):
    assert [describe(resolve(str(folder)))["saved"] for folder in (saved_4bit, saved_8bit)] == [
        "4 bit nf4 with double quantisation by bitsandbytes",
        "int8 by bitsandbytes",
    ]


@pytest.mark.parametrize(
    ("which", "said", "found"),
    [("saved_4bit", {"bnb_4bit_quant_type": "fp4"}, "nf4"), ("saved_8bit", {"load_in_8bit": False}, "int8")],
)
def test_a_config_of_another_type_than_the_codes(request, tmp_path, which, said, found):
    folder = shutil.copytree(request.getfixturevalue(which), tmp_path / "mine")
    own = json.loads((folder / "config.json").read_text())["quantization_config"]
    told = own | said | ({"load_in_4bit": True} if "load_in_8bit" in said else {})
    told = {key: value for key, value in told.items() if not key.startswith("_load")}
    assert f"fp4 by its config.json, and its files hold {found} for model.layers.0" in refusal(
        changed_config(folder, quantization_config=told)
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="it changes nothing on a GPU")
def test_one_saved_for_offloading_would_not_be_quantised_on_a_cpu(saved_8bit, tmp_path):
    folder = shutil.copytree(saved_8bit, tmp_path / "mine")
    own = json.loads((folder / "config.json").read_text())["quantization_config"]
    said = refusal(changed_config(folder, quantization_config=own | {"llm_int8_enable_fp32_cpu_offload": True}))
    assert "was saved with llm_int8_enable_fp32_cpu_offload" in said and "set it to false" in said


# Adapters, before anything is loaded.


def matrices(folder, name, a, b):
    folder.mkdir()
    key = f"base_model.model.model.layers.0.{name}.lora_"
    save_file(
        {f"{key}A.weight": torch.zeros(a), f"{key}B.weight": torch.zeros(b)}, folder / "adapter_model.safetensors"
    )
    return str(folder)


def test_an_adapter_of_another_model_is_refused_while_planning(plain, tmp_path):
    made = skeleton(resolve(str(plain)))
    adapters.check_fits(made, matrices(tmp_path / "fits", "self_attn.q_proj", (4, 64), (64, 4)))
    for place, (name, a, b, words) in enumerate(
        [
            ("self_attn.q_proj", (4, 100), (64, 4), r"lora_A is 4×100, and the model's has 64 features there"),
            ("self_attn.q_proj", (4, 64), (100, 4), r"lora_B is 100×4, and the model's has 64 features there"),
            ("attn.c_attn", (4, 64), (64, 4), r"it is for model.layers.0.attn.c_attn, which it has not"),
        ]
    ):
        with pytest.raises(UsageError, match=words):
            adapters.check_fits(made, matrices(tmp_path / str(place), name, a, b))
