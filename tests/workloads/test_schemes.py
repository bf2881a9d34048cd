"""Every arm says exactly what it is; bitsandbytes modules built in place compute what transformers' would."""

import pytest
import torch

from bench.record.errors import UsageError
from bench.schemes import ARMS, arm, family
from bench.schemes.definition import torch_dtype
from bench.workloads.quantise import quantise_in_place, quantised_linear
from tests.arms_here import EVERY_ARM

LIMIT = {"float": 0.01, "int8": 0.03, "4bit": 0.2, "int4": 0.1, "torchao": 0.03, "hqq": 0.15, "quanto": 0.02}


def linear(n=128, k=256, bias=True):
    torch.manual_seed(0)
    return torch.nn.Linear(k, n, bias=bias)


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(UsageError, match="choose from fp32, bf16, fp16, int8"):
        arm("fp17")


@pytest.mark.parametrize("name", ARMS)
def test_facts_leave_nothing_to_a_default(name):
    facts = arm(name).facts()
    assert facts["disable_compile"] is True
    assert facts["compute_dtype"]
    if facts["kind"] == "4bit":
        assert facts["quant_type"] in ("fp4", "nf4")
        assert facts["blocksize"] == 64
    if facts["kind"] == "int8":
        assert facts["threshold"] is not None


def test_compute_dtype_matches_the_model_unless_the_arm_says_otherwise():
    mismatched = [name for name, arm in ARMS.items() if arm.facts()["compute_dtype"] != arm.dtype]
    assert mismatched == ["4bit-default", "4bit-study"]


@pytest.mark.parametrize("name", EVERY_ARM)
def test_a_quantised_linear_is_close_to_float64_and_has_its_kind_of_error(name):
    chosen = arm(name)
    exact = linear()
    x = torch.randn(5, 256)
    reference = torch.nn.functional.linear(x.double(), exact.weight.double(), exact.bias.double())
    module = quantised_linear(exact.to(torch_dtype(chosen.dtype)), chosen)
    out = module(x.to(torch_dtype(chosen.dtype))).detach().double()
    reference = reference.detach()
    error = float((out - reference).norm() / reference.norm())
    assert error < LIMIT[chosen.kind]
    if chosen.kind != "float":
        assert error > 1e-3, "a quantised product without quantisation error was not quantised"


def test_arms_differ_in_the_module_where_they_say_so():
    nf4, fp4, nested = (
        quantised_linear(linear().half(), arm(name)).weight.quant_state for name in ("nf4", "fp4", "nf4-dq")
    )
    assert (nf4.quant_type, fp4.quant_type) == ("nf4", "fp4")
    assert (nf4.nested, nested.nested) == (False, True)
    int8, thr0 = (quantised_linear(linear().half(), arm(name)).state.threshold for name in ("int8", "int8-thr0"))
    assert (int8, thr0) == (6.0, 0.0)


def test_quantising_in_place_leaves_out_what_the_arm_keeps():
    model = torch.nn.ModuleDict(
        {"block": torch.nn.Sequential(linear(), linear(128, 128)), "lm_head": linear(64, 128)}
    ).half()
    assert quantise_in_place(model, arm("nf4")) == 2
    assert type(model["lm_head"]) is torch.nn.Linear
    assert type(model["block"][0]).__name__ == "Linear4bit"


def test_a_float_arm_is_left_as_it_is():
    model = torch.nn.Sequential(linear())
    assert quantise_in_place(model, arm("fp16")) == 0
    assert type(model[0]) is torch.nn.Linear


@pytest.mark.parametrize("name", ["int8", "int8-thr0", "fp4", "nf4", "nf4-dq"])
def test_transformers_is_told_the_same_settings(name):
    chosen, config = arm(name), family(arm(name)).configuration(arm(name))
    assert config.llm_int8_skip_modules == ["lm_head"]
    if chosen.kind == "int8":
        assert config.load_in_8bit
        assert config.llm_int8_threshold == chosen.threshold
    else:
        assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (
            chosen.quant_type,
            chosen.double_quant,
        )
        assert config.bnb_4bit_compute_dtype == torch_dtype(chosen.compute_dtype)


def test_a_float_arm_needs_no_configuration():
    assert family(arm("fp16")).configuration(arm("fp16")) is None
