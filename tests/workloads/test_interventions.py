"""Interventions on the smoke model: each keeps the product, or says by how much it does not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from bench.plan import generation_case
from bench.presets import Sweep
from bench.record import causes as c
from bench.record.errors import MeasurementError, UsageError
from bench.workloads import graphed, intervening, models, patches
from bench.workloads.batches import Batch, make_batches
from bench.workloads.interventions import (
    INTERVENTIONS,
    applicable,
    changed_arm,
    changed_case,
    combinations,
    parse,
)
from bench.workloads.schemes import ARMS, arm
from bench.workloads.session import Session
from bench.workloads.sources import resolve

OPTIONS = {"calls": 1, "warmup_calls": 0, "threads": 1}


def case(scheme, name="none", new_tokens=6):
    sweep = Sweep("test", (scheme,), new_tokens=new_tokens)
    return changed_case(generation_case(sweep, resolve("smoke"), scheme, 1, "dynamic", "cpu", 0), name)


def outcome(scheme, name):
    (found,) = intervening.run(resolve("smoke"), case(scheme, name), OPTIONS)
    return found


@pytest.fixture(scope="module")
def unchanged():
    return {scheme: outcome(scheme, "none") for scheme in ("int8", "nf4")}


def error(found, base) -> float:
    one, other = np.array(base.setup["output"]["logits"]), np.array(found.setup["output"]["logits"])
    return float(np.linalg.norm(other - one) / np.linalg.norm(one))


@pytest.mark.parametrize(
    ("scheme", "name", "most"),
    [
        ("nf4", "bare-op", 1e-6),
        ("nf4", "old-kernel", 1e-3),
        ("nf4", "pre-dequantised", 1e-3),
        ("nf4", "double-quant-on", 0.02),
        ("nf4", "blocksize-128", 0.3),
        ("int8", "bare-op", 1e-6),
        ("int8", "threshold-0", 1e-6),
        ("int8", "plain-linears", 0.05),
    ],
)
def test_what_an_intervention_does_to_the_output(unchanged, scheme, name, most):
    found = outcome(scheme, name)
    assert error(found, unchanged[scheme]) <= most
    assert found.setup["interventions"][0]["name"] == name
    assert len(found.setup["output"]["logits"]) == intervening.LOGITS_KEPT
    names = {item.name for item in found.metrics}
    assert {"inter_token_latency", "decode_steps", "model_footprint"} <= names


def test_planted_columns_that_do_not_fit_are_skipped_with_the_reason():
    found = outcome("int8", "planted-256")
    assert found.status == "skipped"
    assert "128 hidden dimensions" in found.reason


def test_combined_interventions_change_all_of_it():
    chosen = parse("threshold-0+bare-op")
    assert changed_arm(arm("int8"), chosen).threshold == 0.0
    assert [item.patch for item in chosen] == ["", "bare_op"]


def test_the_case_of_an_intervention_is_another_case():
    plain, changed = case("int8"), case("int8", "batch-4")
    assert changed.batch_size == 4
    assert len({plain.case_id, changed.case_id, case("int8", "threshold-0").case_id}) == 3


def test_an_unknown_intervention_names_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown intervention 'magic'.*threshold-0"):
        parse("threshold-0+magic")


@pytest.mark.parametrize("scheme", list(ARMS))
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_applies_to_an_arm_changes_it(scheme, device):
    chosen = arm(scheme)
    for name in (*applicable(chosen, device), *combinations(chosen, device)):
        for item in parse(name):
            assert item.patch or item.case or changed_arm(chosen, (item,)) != chosen, name
            assert set(item.removes) <= set(c.CAUSES)


def test_a_step_that_synchronises_is_never_captured():
    assert "cuda-graph" in applicable(arm("nf4"), "cuda")
    assert "cuda-graph" not in applicable(arm("int8"), "cuda")
    assert not any("cuda-graph" in applicable(arm(name), "cpu") for name in ARMS)


def test_cudnns_attention_can_be_switched_off_on_a_gpu_only():
    assert all("no-cudnn-attention" in applicable(arm(name), "cuda") for name in ("fp16", "int8", "nf4"))
    assert "no-cudnn-attention" not in applicable(arm("fp16"), "cpu")
    assert INTERVENTIONS["no-cudnn-attention"].removes == (c.ATTENTION_PLANS,)


def test_the_switch_is_set_for_the_process_and_told():
    before = models.attention_switches()
    try:
        patches.apply(None, "no_cudnn_attention")
        assert models.attention_switches() == {**before, "cudnn": False}
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before["cudnn"])


def test_the_table_of_the_facts_is_covered():
    wanted = {
        "cuda-graph", "threshold-0", "threshold-1e4", "compute-matched", "compute-float32", "logger-silenced",
        "double-quant-on", "double-quant-off", "blocksize-128", "fp4-codes", "old-kernel", "pre-dequantised", "bare-op",
        "static-cache", "planted-256", "batch-64",
    }  # fmt: skip
    assert wanted <= set(INTERVENTIONS)


def loaded(scheme):
    return models.load(resolve("smoke"), arm(scheme), "cpu", 0)


def test_a_patch_needs_something_to_change():
    with pytest.raises(MeasurementError, match="no quantised Linear"):
        patches.apply(loaded("fp16").model, "bare_op")


def test_the_logger_is_silenced():
    logger = logging.getLogger("bitsandbytes")
    before = logger.level
    try:
        patches.apply(None, "logger_silenced")
        assert not logger.isEnabledFor(logging.WARNING)
    finally:
        logger.setLevel(before)


def test_the_graph_loop_says_what_generate_says():
    model = loaded("nf4")
    of = case("nf4", new_tokens=8)
    batch = make_batches(of, model, 1)[0]
    session = Session(of, model, [batch])
    session.generate(batch)
    decoded = graphed.decode(model.model, batch, 8, "cpu")
    assert decoded.tokens == session.last_tokens()
    assert len(decoded.steps) == 7


def test_padded_prompts_are_not_captured():
    model = loaded("fp16")
    batch = make_batches(case("fp16"), model, 1)[0]
    mask = batch.inputs["attention_mask"].clone()
    mask[0, 0] = 0
    padded = Batch({**batch.inputs, "attention_mask": mask}, batch.names)
    with pytest.raises(MeasurementError, match="padded"):
        graphed.decode(model.model, padded, 4, "cpu")


@pytest.mark.parametrize("window", [None, 64])
def test_rewinding_gives_the_first_token_again_in_the_same_memory(window):
    import torch
    from transformers import AutoModelForCausalLM, Starcoder2Config, StaticCache

    config = Starcoder2Config(
        vocab_size=97, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, sliding_window=window, pad_token_id=0, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    prompt = torch.randint(3, 97, (1, 7))
    cache = StaticCache(config=model.config, max_cache_len=32)
    with torch.inference_mode():
        first = model(input_ids=prompt, past_key_values=cache, use_cache=True).logits[:, -1].argmax(-1, keepdim=True)
        token, places = first.clone(), [layer.keys.data_ptr() for layer in cache.layers]
        for _ in range(3):
            out = model(input_ids=token, past_key_values=cache, use_cache=True)
            token.copy_(out.logits[:, -1].argmax(-1, keepdim=True))
        graphed._rewind(cache, 7, model, prompt, token)
    assert token.tolist() == first.tolist()
    assert [layer.keys.data_ptr() for layer in cache.layers] == places
    assert {int(layer.get_seq_length()) for layer in cache.layers} == {7}


@pytest.mark.gpu
def test_a_captured_step_on_a_gpu():
    of = changed_case(
        generation_case(Sweep("test", ("nf4",), new_tokens=8), resolve("smoke"), "nf4", 1, "dynamic", "cuda", 0),
        "cuda-graph",
    )
    (plain,) = intervening.run(resolve("smoke"), changed_case(of, "none"), OPTIONS)
    (found,) = intervening.run(resolve("smoke"), of, OPTIONS)
    assert found.status == "ok"
    assert found.setup["output"]["tokens"] == plain.setup["output"]["tokens"]
