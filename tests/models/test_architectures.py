"""Architectures with other names, nesting and limits are measured as what they are called, or refused with a line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers

from bench.analysis import user_code
from bench.models.architecture import decoder_layers, layers, positions, text_config
from bench.models.generating import settings_unused
from bench.record.errors import MeasurementError, NotApplicableError
from bench.schemes import arm
from bench.workloads import identity, models, pruning
from bench.workloads.batches import make_batches
from bench.workloads.describe import describe
from bench.workloads.planting import plant
from bench.workloads.session import Session
from bench.workloads.sources import data_folder, resolve
from benchmarks.model_matrix import architectures, page, trying
from tests.long_tables import some_of
from tests.models import checkpoints

EVERY = [name for name in architectures.NAMES if name != "t5 (encoder-decoder)"]


def made(name, tmp_path):
    return architectures.make(name, tmp_path / "made", data_folder() / "smoke-model")


@pytest.mark.parametrize("name", some_of(EVERY, ("mixtral (experts)",)))
def test_each_is_what_it_is_called_and_generates_as_transformers_does(name, tmp_path):
    folder = made(name, tmp_path)
    assert trying.describe(folder) == ""
    cells = {scheme: trying.attempt(name, folder, scheme) for scheme in ("fp16", "nf4", "int8-planted")}
    assert cells["fp16"].state == "ok" and cells["fp16"].same_tokens
    packed = "packs 4-bit weights on this CPU" in cells["nf4"].line  # which takes not every shape
    assert cells["nf4"].state == "ok" or packed or name.startswith(("falcon", "mamba"))
    assert all(cell.state != "fault" and (cell.state == "ok" or cell.line) for cell in cells.values())


def test_the_share_of_experts_is_in_the_cell_and_on_the_page(tmp_path):
    cell = trying.attempt("mixtral", made("mixtral (experts)", tmp_path), "nf4").to_json()
    assert 0.05 < cell["share"] < 0.2
    other = cell | {"scheme": "int8", "state": "refused", "line": "why not", "share": None}
    text = page.page(
        {
            "versions": {"torch": "2"},
            "schemes": ["nf4", "int8"],
            "cells": [cell, other],
            "refused": {"t5": "no"},
            "unmade": {},
        }
    )
    assert f"| mixtral | ok, {cell['share']:.0%} | no (1) |" in text
    assert "1. why not" in text and "| t5 | no (2) | no (2) |" in text
    assert "**1 cells are measured as what they are called, 1 are refused" in text


def test_other_tokens_than_transformers_are_a_fault(tmp_path, monkeypatch):
    folder = made("llama", tmp_path)
    monkeypatch.setattr(trying, "_plain_tokens", lambda *_: [7] * trying.NEW_TOKENS)
    assert trying.attempt("llama", folder, "fp16").state == "fault"


def test_a_failure_of_its_own_is_a_fault_and_one_that_transformers_shares_is_not(tmp_path, monkeypatch):
    folder = made("llama", tmp_path)

    def broken(*_args, **_more):
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(trying, "_measured", broken)
    assert trying.attempt("llama", folder, "fp16").state == "fault"
    monkeypatch.setattr(trying, "_plain_tokens", broken)
    cell = trying.attempt("llama", folder, "fp16")
    assert (cell.state, "plain transformers: ZeroDivisionError: a slip" in cell.line) == ("library", True)


@pytest.mark.parametrize("name", ["jamba (attention and states)", "gpt-j"])
def test_planted_in_place_is_what_transformers_makes_of_the_planted_weights(name, tmp_path):
    """Jamba's code calls a Linear where its config says that it is quantised, and multiplies by its codes otherwise."""
    source, ids = resolve(str(made(name, tmp_path))), torch.arange(3, 11)[None]
    in_place = models.load(source, arm("int8-planted"), "cpu", 0)
    plain = models.load(source, arm("fp16"), "cpu", 0)
    plant(plain.model, 6, seed=0)
    again = resolve(str(checkpoints.save(tmp_path / "planted", plain.model)))
    by_transformers = models.load(again, arm("int8"), "cpu", 0)
    logits = [loaded.model(input_ids=ids).logits for loaded in (in_place, by_transformers, plain)]
    assert torch.equal(logits[0], logits[1]) and not torch.equal(logits[0], logits[2])
    assert in_place.facts["quantised"] == by_transformers.facts["quantised"]


def test_nested_configurations_and_those_without_a_limit():
    nested = checkpoints.config("gemma3", text_config=checkpoints.config("gemma3_text", head_dim=16).to_dict())
    assert (text_config(nested).vocab_size, layers(nested), positions(nested)) == (1024, 2, 512)
    assert positions(checkpoints.config("bloom", max_position_embeddings=None)) is None
    assert positions(checkpoints.config("gpt2", max_position_embeddings=None, n_positions=77)) == 77


def test_what_a_model_has_for_images_is_none_of_its_layers(tmp_path):
    """Of as many layers as the text model has, and larger ones: decoding runs none of them."""
    text = checkpoints.config("gemma3_text", head_dim=16)
    vision = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.Gemma3Config(
        text_config=text.to_dict(), vision_config=vision | {"image_size": 32, "patch_size": 16}, mm_tokens_per_image=4
    )
    model = transformers.Gemma3ForConditionalGeneration(config).half()
    shapes = describe(resolve(str(checkpoints.save(tmp_path / "images", model))))["layers"]
    alone = checkpoints.save(tmp_path / "text", transformers.Gemma3ForCausalLM(text).half())
    assert shapes == describe(resolve(str(alone)))["layers"]
    assert {type(layer).__name__ for layer in decoder_layers(model)} == {"Gemma3DecoderLayer"}


OF_IMAGES = ("llava (images and text)", "qwen2-vl (images and text)")


@pytest.mark.parametrize("name", some_of(OF_IMAGES, ()))
def test_a_model_of_images_and_text_generates_from_text(name, tmp_path):
    folder = made(name, tmp_path)
    told = describe(resolve(str(folder)))
    assert {layer["name"] for layer in told["layers"]} >= {"down_proj", "lm_head"} and told["decoder_layers"] == 2
    cells = [trying.attempt(name, folder, scheme) for scheme in ("fp16", "int8")]
    assert [(cell.state, cell.same_tokens) for cell in cells] == [("ok", True)] * 2
    assert (cells[1].modules, cells[1].share) == (14, 1.0)
    one = models.fitted(resolve(str(folder)), arm("int8"))
    code = user_code.code(one.facts())
    assert "from transformers import AutoModelForImageTextToText\nmodel = AutoModelForImageTextToText.from_" in code
    assert "loaded_by" not in arm("int8").facts()


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "opt", "bloom", "llama"])
def test_layers_are_found_and_dropped_whatever_they_are_called(kind):
    model = checkpoints.model(kind, dtype="float32", num_hidden_layers=4)
    assert len(decoder_layers(model)) == 4
    pruning.drop(model, (1, 3))
    assert (len(decoder_layers(model)), layers(model.config)) == (2, 2)
    ids = torch.zeros(1, 4, dtype=torch.int64)
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert out.shape == (1, 7)


def test_a_model_without_such_a_list_is_not_pruned():
    model = checkpoints.model()
    model.config.num_hidden_layers = 3
    with pytest.raises(NotApplicableError, match="no layers can be dropped from a LlamaForCausalLM"):
        pruning.drop(model, (1,))


@pytest.mark.parametrize("name", ["mixtral (experts)", "llama 4 (experts, nested)", "gpt-oss (experts)"])
def test_experts_are_layers_that_no_quantiser_converts_whichever_way_round_they_are_kept(name, tmp_path):
    found = {layer["name"]: layer for layer in describe(resolve(str(made(name, tmp_path))))["layers"]}
    up, down = found["experts.gate_up_proj"], found["experts.down_proj"]
    assert (up["n"], up["k"], down["n"], down["k"]) == (512, 128, 128, 256)
    assert up["count"] == down["count"] == 2 * 2  # two layers, two experts a token
    assert not up["converted"]


def test_conv1d_is_a_layer_that_is_converted(tmp_path):
    shapes = describe(resolve(str(made("gpt-2 (Conv1D)", tmp_path))))["layers"]
    assert {(one["name"], one["n"], one["k"], one["converted"]) for one in shapes} >= {
        ("c_attn", 384, 128, True), ("lm_head", 1024, 128, False),
    }  # fmt: skip


def test_what_overflows_float16_says_what_to_measure(plain):
    loaded = models.load(resolve(str(plain)), arm("fp16"), "cpu", 0)
    loaded.model.lm_head.weight.fill_(6e4)
    with pytest.raises(MeasurementError, match=r"float16\? Measure it with --schemes bf16,int8-bf16,nf4-bf16"):
        models.check_logits(loaded, arm("fp16"), "cpu")


def test_settings_of_the_checkpoints_own_are_left_aside_and_recorded(plain):
    def tokens(loaded):
        source = resolve(str(plain))
        session = Session(trying._case(source, "fp16"), loaded, make_batches(trying._case(source, "fp16"), loaded, 1))
        session.generate(session.batches[0])
        return session.last_tokens()

    before = models.load(resolve(str(plain)), arm("fp16"), "cpu", 0)
    assert "generation_config_unused" not in before.facts
    asked = {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1, "cache_implementation": "static"}
    for name, value in asked.items():
        setattr(before.model.generation_config, name, value)
    changed = tokens(before)
    assert settings_unused(before.model) == asked
    assert before.model.generation_config.eos_token_id == 0
    assert tokens(before) == tokens(models.load(resolve(str(plain)), arm("fp16"), "cpu", 0)) != changed


def test_an_arm_checked_as_another_is_found_out(plain):
    loaded = models.load(resolve(str(plain)), arm("nf4"), "cpu", 0)
    with pytest.raises(MeasurementError, match="quant_type"):
        identity.check(loaded.model, loaded.facts, replace(arm("nf4"), quant_type="fp4"))
