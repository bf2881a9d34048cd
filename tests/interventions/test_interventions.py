"""Interventions on the smoke model: each keeps the product, or says by how much it does not, and none does nothing.

What a CPU's packed 4-bit weights do to them is in test_packed_4bit.py, a captured step in test_graphed.py.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.interventions import patches, process
from bench.interventions.table import (
    INTERVENTIONS,
    applicable,
    changed_arm,
    changed_case,
    changes_nothing,
    combinations,
    parse,
)
from bench.presets import EndToEnd
from bench.record import causes as c
from bench.record.errors import MeasurementError, UsageError
from bench.run.plan import generation_case
from bench.schemes import ARMS, arm
from bench.workloads import models
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from tests.models import checkpoints
from tests.workloads.packed_4bit import way

OPTIONS = {"calls": 1, "warmup_calls": 0, "threads": 1}


def case(scheme, name="none", new_tokens=6, source=None):
    sweep = EndToEnd("test", (scheme,), new_tokens=new_tokens)
    return changed_case(generation_case(sweep, source or resolve("smoke"), scheme, 1, "dynamic", "cpu", 0), name)


def outcome(scheme, name):
    """On every CPU as on one that packs no 4-bit weights."""
    with way("dequantised"):
        (found,) = process.run(resolve("smoke"), case(scheme, name), OPTIONS)
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
        ("nf4", "static-cache", 1e-6),
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
    assert len(found.setup["output"]["logits"]) == process.LOGITS_KEPT
    names = {item.name for item in found.metrics}
    assert {"inter_token_latency", "decode_steps", "model_footprint"} <= names


def test_the_record_says_by_its_own_name_which_head_was_left_alone(tmp_path):
    """The user's code is made of that."""
    folder = checkpoints.save(tmp_path / "bert", checkpoints.model("bert", is_decoder=True))
    source = replace(resolve(str(folder)), random_prompts=True)
    (found,) = process.run(source, case("nf4", source=source), OPTIONS)
    assert found.setup["arm"]["not_converted"] == ["cls.predictions.decoder"]


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
    torch.backends.cuda.enable_cudnn_sdp(True)  # another test of this process may have switched it off
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


def test_a_patch_that_is_misspelt_is_no_unchanged_arm(monkeypatch):
    monkeypatch.setitem(INTERVENTIONS, "bare-op", replace(INTERVENTIONS["bare-op"], patch="bare_opp"))
    with pytest.raises(
        MeasurementError, match=r"no patch 'bare_opp' \(known: pre_dequantised, bare_op.*nothing was changed"
    ):
        outcome("nf4", "bare-op")


def test_every_patch_of_the_table_exists():
    assert {item.patch for item in INTERVENTIONS.values() if item.patch} == set(patches.PATCHES)


def test_a_patch_that_changes_nothing_is_no_measurement(monkeypatch):
    monkeypatch.setitem(patches.PATCHES, "bare_op", lambda model: (0, None))
    with pytest.raises(MeasurementError, match="the patch bare_op changed nothing"):
        outcome("nf4", "bare-op")


def test_an_arm_that_did_not_become_what_was_asked_is_no_measurement(monkeypatch):
    """The threshold, the compute dtype and all else are read back from the modules."""
    monkeypatch.setattr(process, "changed_arm", lambda base, _chosen: replace(base, threshold=0.0))
    real = models.load
    monkeypatch.setattr(models, "load", lambda source, _arm, *rest: real(source, arm("int8"), *rest))
    with pytest.raises(MeasurementError, match=r"scheme int8 should have threshold 0\.0 but the loaded model has 6\.0"):
        outcome("int8", "threshold-0")


def test_a_cache_that_stayed_as_it_was_is_no_measurement(monkeypatch):
    monkeypatch.setattr(Session, "cache_layers", lambda self, batch: ("DynamicLayer",))
    with pytest.raises(MeasurementError, match="a static cache was asked for, but the model used DynamicLayer"):
        outcome("fp16", "static-cache")


def test_the_cache_that_was_used_is_recorded():
    assert outcome("fp16", "static-cache").setup["cache_layers"] == ["StaticLayer"]


@pytest.mark.parametrize(
    ("scheme", "name", "why"),
    [
        ("nf4", "threshold-0", "threshold-0 changes nothing of nf4 on cpu"),
        ("int8-thr0", "threshold-0", "threshold-0 changes nothing of int8-thr0 on cpu"),
        ("nf4", "compute-matched", "compute-matched changes nothing of nf4 on cpu"),
        ("nf4", "cuda-graph", "cuda-graph changes nothing of nf4 on cpu"),
        ("nf4", "old-kernel", "old-kernel changes nothing of nf4 on cpu"),
    ],
)
def test_what_means_nothing_here_is_skipped_with_the_reason(scheme, name, why):
    found = outcome(scheme, name)
    assert (found.status, found.reason) == ("skipped", why)


def test_the_old_kernel_takes_one_row_and_a_graph_a_fixed_number_of_tokens(monkeypatch):
    fits = {name: replace(INTERVENTIONS[name], when=lambda *_: True) for name in ("old-kernel", "cuda-graph")}
    for name, item in fits.items():
        monkeypatch.setitem(INTERVENTIONS, name, item)
    (many,) = process.run(resolve("smoke"), replace(case("nf4", "old-kernel"), batch_size=2), OPTIONS)
    assert (many.status, many.reason) == (
        "skipped", "old-kernel is about products with one row: it changes nothing in batches of 2",
    )  # fmt: skip
    (early,) = process.run(resolve("smoke"), replace(case("nf4", "cuda-graph"), stop="eos"), OPTIONS)
    assert early.status == "skipped"
    assert "cannot stop at an end of text" in early.reason


@pytest.mark.parametrize("name", ["bare-op", "static-cache"])
def test_other_tokens_than_the_unchanged_loops_are_a_failure_and_no_gain(monkeypatch, name):
    real = process._timed

    def wrong(session, options):
        metrics, tokens = real(session, options)
        return metrics, [[[token + 1 for token in row] for row in call] for call in tokens]

    monkeypatch.setattr(process, "_timed", wrong)
    found = outcome("nf4", name)
    assert found.status == "failed"
    assert found.reason.startswith("other tokens: token 1 of call 1, row 1 is ")
    assert found.metrics == ()
    assert len(found.setup["compared"]["unchanged_tokens"][0][0]) == 6


def test_what_changes_the_numbers_on_purpose_claims_nothing(unchanged):
    assert "compared" not in outcome("int8", "threshold-0").setup
    assert "compared" not in unchanged["int8"].setup


@pytest.mark.parametrize(("name", "batch", "cache"), [("batch-4", 4, "dynamic"), ("static-cache", 1, "static")])
def test_what_the_setting_is_already_changes_nothing(name, batch, cache):
    of = replace(case("nf4"), batch_size=batch, cache=cache)
    assert changes_nothing(arm("nf4"), of, name)
    assert not changes_nothing(arm("nf4"), replace(of, batch_size=1, cache="dynamic"), name)
    assert not changes_nothing(arm("nf4"), of, "bare-op")
    assert not changes_nothing(arm("nf4"), of, "cuda-graph")
    assert changes_nothing(arm("int8-thr0"), case("int8-thr0"), "threshold-0")


@pytest.mark.gpu
def test_a_captured_step_on_a_gpu():
    of = changed_case(
        generation_case(EndToEnd("test", ("nf4",), new_tokens=8), resolve("smoke"), "nf4", 1, "dynamic", "cuda", 0),
        "cuda-graph",
    )
    (plain,) = process.run(resolve("smoke"), changed_case(of, "none"), OPTIONS)
    (found,) = process.run(resolve("smoke"), of, OPTIONS)
    assert found.status == "ok"
    assert found.setup["output"]["tokens"] == plain.setup["output"]["tokens"]
