"""Every field of an arm is read back from the modules: a model that is another arm is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.record.errors import MeasurementError
from bench.schemes import arm
from bench.workloads import identity, models
from bench.workloads.sources import resolve
from tests.arms_here import EVERY_ARM


@pytest.fixture(scope="module")
def loaded():
    known = {}

    def load(scheme):
        if scheme not in known:
            known[scheme] = models.load(resolve("smoke"), arm(scheme), "cpu", 0)
        return known[scheme]

    return load


@pytest.mark.parametrize("scheme", EVERY_ARM)
def test_every_arm_is_what_it_is_called(loaded, scheme):
    identity.check(loaded(scheme).model, loaded(scheme).facts, arm(scheme))


@pytest.mark.parametrize(
    ("scheme", "field", "value", "told"),
    [
        ("nf4", "quant_type", "fp4", "quant_type fp4 but the loaded model has nf4"),
        ("nf4", "compute_dtype", "float32", "compute_dtype float32 but the loaded model has float16"),
        ("nf4", "blocksize", 128, "blocksize 128 but the loaded model has 64"),
        ("nf4", "double_quant", True, "double_quant True but the loaded model has False"),
        ("nf4", "dtype", "bfloat16", "activations in bfloat16 but the loaded model has float16"),
        ("int8", "threshold", 0.0, r"threshold 0\.0 but the loaded model has 6\.0"),
        ("int8", "planted_columns", 6, "outlier columns planted: 6 but the loaded model has 0"),
        ("int4-tinygemm", "blocksize", 64, "blocksize 64 but the loaded model has 128"),
        ("fp16", "dtype", "float32", "activations in float32 but the loaded model has float16"),
    ],
)
def test_each_field_is_found_out(loaded, scheme, field, value, told):
    with pytest.raises(MeasurementError, match=f"scheme {scheme} should have {told}"):
        identity.check(loaded(scheme).model, loaded(scheme).facts, replace(arm(scheme), **{field: value}))


@pytest.mark.parametrize(("model", "scheme"), [("fp16", "nf4"), ("nf4", "fp16"), ("int8", "nf4"), ("fp16", "int8")])
def test_other_modules_are_found_out(loaded, model, scheme):
    with pytest.raises(MeasurementError, match=f"scheme {scheme} should have Linear"):
        identity.check(loaded(model).model, loaded(model).facts, arm(scheme))


def test_one_module_of_another_kind_is_enough():
    other = models.load(resolve("smoke"), arm("nf4"), "cpu", 0)
    module = next(m for m in other.model.modules() if type(m).__name__ == "Linear4bit")
    module.compute_dtype = torch.float32
    with pytest.raises(MeasurementError, match="compute_dtype float16 but the loaded model has float16, float32"):
        identity.check(other.model, other.facts, arm("nf4"))
