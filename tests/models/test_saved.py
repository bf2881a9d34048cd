"""A checkpoint that was saved quantised is measured as it is, as nothing else, and says so while planning."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from bench.record.errors import MachineError, MeasurementError, UsageError
from bench.schemes import ARMS, AS_SAVED, SAVED, arm
from bench.schemes.saved import as_saved, saved_format
from bench.workloads import identity, models
from bench.workloads.describe import describe
from bench.workloads.sources import resolve
from tests.models.checkpoints import changed_config, changed_weights, saved_quantised


def checked(folder, scheme):
    loaded = models.load(resolve(str(folder)), arm(scheme), "cpu", 0)
    models.check(loaded, arm(scheme), "cpu")
    return loaded


def test_one_saved_in_4_bits_is_an_arm_with_its_own_settings(saved_4bit):
    found = checked(saved_4bit, AS_SAVED)
    facts = found.arm.facts()
    assert (facts["kind"], facts["quant_type"], facts["double_quant"]) == ("4bit", "nf4", True)
    assert (facts["compute_dtype"], facts["dtype"]) == ("bfloat16", "float16")
    assert found.facts["quantised"]["share"] == 1.0
    assert found.facts["linears"]["Linear4bit"] == 14


def test_one_saved_in_8_bits_too(saved_8bit):
    found = checked(saved_8bit, AS_SAVED)
    assert (found.arm.kind, found.arm.threshold) == ("int8", 6.0)
    assert found.facts["linears"]["Linear8bitLt"] == 14


def test_a_head_that_was_quantised_and_layers_that_were_not_are_told(plain, tmp_path):
    settings = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    head = saved_quantised(tmp_path / "head", plain, llm_int8_skip_modules=["nothing"], **settings)
    layer = saved_quantised(tmp_path / "layer", plain, llm_int8_skip_modules=["lm_head", "model.layers.0"], **settings)
    first, second = checked(head, AS_SAVED), checked(layer, AS_SAVED)
    assert (first.facts["linears"], first.facts["quantised"]["share"]) == ({"Linear4bit": 15}, 1.0)
    assert (second.arm.not_converted, second.facts["quantised"]["share"]) == (("lm_head", "model.layers.0"), 0.5)
    with pytest.raises(MeasurementError, match="should leave lm_head as it was"):
        identity.check(first.model, first.facts, replace(first.arm, not_converted=("lm_head",)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU may have kernels for it")
def test_what_would_be_dequantised_here_is_refused_while_planning(plain, tmp_path):
    def coded(found):
        scales = {f"{key}_scale_inv": torch.ones(1, 1) for key in found if "_proj" in key}
        return scales | {key: part.to(torch.float8_e4m3fn) if "_proj" in key else part for key, part in found.items()}

    folder = changed_weights(shutil.copytree(plain, tmp_path / "fp8"), coded)
    settings = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    changed_config(folder, quantization_config=settings)
    with pytest.raises(MachineError, match=r"saved quantised \(fp8\), and transformers would dequantise it here"):
        describe(resolve(str(folder)))


def test_what_its_config_says_wrongly_is_found_out(saved_4bit, monkeypatch):
    monkeypatch.setattr(
        models, "as_saved", lambda settings, dtype: as_saved(settings | {"bnb_4bit_quant_type": "fp4"}, dtype)
    )
    with pytest.raises(MeasurementError, match="quant_type fp4 but the loaded model has nf4"):
        found = models.load(resolve(str(saved_4bit)), SAVED, "cpu", 0)
        models.check(found, SAVED, "cpu")


@pytest.mark.parametrize("scheme", list(ARMS))
def test_no_other_scheme_is_made_of_it(saved_4bit, scheme):
    with pytest.raises(
        UsageError, match=r"was saved quantised \(4 bit nf4 with double quantisation by bitsandbytes\)"
    ) as error:
        models.load(resolve(str(saved_4bit)), arm(scheme), "cpu", 0)
    assert "--schemes as-saved" in str(error.value)


def test_an_unquantised_one_is_not_as_saved(plain):
    with pytest.raises(UsageError, match="was not saved quantised"):
        models.load(resolve(str(plain)), SAVED, "cpu", 0)
    with pytest.raises(UsageError, match="was not saved quantised"):
        models.load(resolve("smoke"), SAVED, "cpu", 0)


def test_the_description_tells_of_it(saved_4bit, saved_8bit, plain):
    assert describe(resolve(str(saved_4bit)))["saved"] == "4 bit nf4 with double quantisation by bitsandbytes"
    assert describe(resolve(str(saved_8bit)))["saved"] == "int8 by bitsandbytes"
    assert describe(resolve(str(plain)))["saved"] is None


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        (
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": False},
            "gptqmodel and optimum",
        ),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, "gptqmodel"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {}}, "compressed-tensors"),
    ],
)
def test_a_format_that_needs_a_package_says_which_while_planning(plain, tmp_path, settings, package):
    folder = changed_config(shutil.copytree(plain, tmp_path / "mine"), quantization_config=settings)
    with pytest.raises(MachineError, match=f"cannot be loaded here: pip install {package}"):
        describe(resolve(str(folder)))
    with pytest.raises(UsageError, match="was saved quantised"):
        models.load(resolve(str(folder)), arm("fp16"), "cpu", 0)


def test_files_that_are_not_quantised_after_all_are_found_out(plain, tmp_path):
    folder = changed_config(
        shutil.copytree(plain, tmp_path / "mine"),
        quantization_config={"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [64, 64]},
    )
    with pytest.raises(MeasurementError, match="no module of the loaded model is quantised"):
        checked(folder, AS_SAVED)


@pytest.mark.parametrize(
    ("settings", "words", "kind"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "4 bit fp4 by bitsandbytes", "4bit"),
        ({"load_in_8bit": True}, "int8 by bitsandbytes", "int8"),
        ({"quant_method": "gptq", "bits": 3}, "3 bit by gptq", "saved"),
        ({"quant_method": "mxfp4"}, "mxfp4", "saved"),
        ({}, "unknown", "saved"),
    ],
)
def test_the_format_in_words(settings, words, kind):
    assert saved_format(settings) == words
    assert as_saved(settings, "bfloat16").kind == kind
    assert as_saved(settings, "bfloat16").dtype == "bfloat16"


def test_what_a_configuration_leaves_out_is_transformers_default():
    made = as_saved({"quant_method": "bitsandbytes", "load_in_4bit": True}, "float16")
    assert (made.quant_type, made.compute_dtype, made.double_quant, made.blocksize) == ("fp4", "float32", False, 64)


@pytest.mark.parametrize("settings", [{"quant_method": "fp8", "weight_block_size": [128, 128]}, {"load_in_4bit": True}])
def test_a_config_that_says_quantised_over_plain_weights_is_refused_while_planning(plain, settings, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "said")
    changed_config(folder, quantization_config=settings)
    with pytest.raises(UsageError, match="its files hold no quantised weight: fetch it again"):
        describe(resolve(str(folder)))
