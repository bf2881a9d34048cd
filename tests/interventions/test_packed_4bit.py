"""4-bit Linears on a CPU: what each of bitsandbytes' two ways computes, and that every Record says which one ran."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.interventions import patches, process
from bench.interventions.table import changed_case
from bench.presets import EndToEnd
from bench.record.errors import MeasurementError
from bench.run.plan import generation_case
from bench.schemes import arm, linear_kernels
from bench.workloads import generation, models
from bench.workloads.quantise import quantised_linear
from bench.workloads.sources import resolve
from tests.workloads.packed_4bit import REAL, WAYS, product, way

# Half a step of bfloat16, as a share: the most that one rounding to it changes a number.
BFLOAT16 = 2.0**-8
OPTIONS = {"calls": 1, "warmup_calls": 0, "threads": 1}


def linear(scheme, n=64, k=128, bias=True):
    torch.manual_seed(0)
    plain = torch.nn.Linear(k, n, bias=bias, dtype=getattr(torch, arm(scheme).dtype))
    return quantised_linear(plain.requires_grad_(False), arm(scheme))


def given(scheme, rows=3, k=128):
    return torch.randn(rows, k, generator=torch.Generator().manual_seed(1)).to(getattr(torch, arm(scheme).dtype))


@pytest.mark.skipif(not REAL, reason="this CPU has no AVX512-BF16")
@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("scheme", ["nf4", "fp4", "nf4-dq", "nf4-bf16"])
def test_bitsandbytes_packed_kernel_computes_what_is_said_of_it(scheme, rows):
    module, x = linear(scheme, bias=False), given(scheme, rows)
    real = module(x)
    state = module.weight.quant_state
    exact = product(x, module.weight.data, state.shape, state.absmax, state.code, state.blocksize)
    assert linear_kernels.is_packed(module)
    assert float((real == exact).float().mean()) > 0.99, "sums in float32 round another way at a tie only"
    torch.testing.assert_close(real, exact, rtol=2 * BFLOAT16, atol=1e-5)  # one step of bfloat16


@pytest.mark.parametrize("scheme", ["nf4", "fp4", "nf4-dq", "nf4-bf16", "4bit-default"])
@pytest.mark.parametrize("name", WAYS)
def test_the_bare_operator_gives_the_modules_own_product(name, scheme):
    with way(name):
        module, x = linear(scheme), given(scheme)
        own = module(x)
        model = torch.nn.Sequential(linear(scheme))
        assert patches.apply(model, "bare_op").changed == 1
        assert torch.equal(model(x), own)
    assert linear_kernels.is_packed(model[0]) == (name == "packed")


def test_a_patch_is_undone():
    with way("packed"):
        model = torch.nn.Sequential(linear("nf4"))
        applied = patches.apply(model, "bare_op")
    assert "forward" in vars(model[0])
    applied.undo()
    assert "forward" not in vars(model[0])


def test_packed_weights_are_not_dequantised_as_if_they_were_not():
    with way("packed"):
        model = torch.nn.Sequential(linear("nf4"))
        model(given("nf4"))
    with pytest.raises(MeasurementError, match="packed already"):
        patches.apply(model, "pre_dequantised")


def test_the_old_kernel_is_refused_where_the_module_calls_it_itself():
    with way("packed"):
        model = torch.nn.Sequential(linear("nf4"))
    with pytest.raises(MeasurementError, match="itself calls gemv_4bit"):
        patches.apply(model, "old_kernel")


@pytest.mark.skipif(REAL, reason="this CPU's gemv_4bit reads packed weights only")
def test_the_old_kernel_gives_the_same_product_for_one_row_and_leaves_others():
    with way("dequantised"):
        model = torch.nn.Sequential(linear("nf4"))
        own = {rows: model(given("nf4", rows)) for rows in (1, 3)}
        patches.apply(model, "old_kernel")
    torch.testing.assert_close(model(given("nf4", 1)), own[1], rtol=2**-10, atol=2**-10)
    assert torch.equal(model(given("nf4", 3)), own[3])


@pytest.mark.parametrize(("n", "k"), [(24, 128), (64, 96)])
def test_a_shape_that_cannot_be_packed_is_refused_in_one_line(n, k):
    with way("packed"):
        model = torch.nn.Sequential(linear("nf4", n, k))
    with pytest.raises(MeasurementError, match=f"cannot pack {n}×{k}: n must be a multiple of 32, k of the block size"):
        linear_kernels.check(model)
    with way("dequantised"):
        linear_kernels.check(torch.nn.Sequential(linear("nf4", n, k)))


def case(scheme, name="none"):
    sweep = EndToEnd("test", (scheme,), new_tokens=6)
    return changed_case(generation_case(sweep, resolve("smoke"), scheme, 1, "dynamic", "cpu", 0), name)


@pytest.fixture(scope="module")
def outcomes():
    """(way, scheme, intervention) → outcome, each measured once."""
    known = {}

    def outcome(name, scheme, intervention):
        if (name, scheme, intervention) not in known:
            with way(name):
                (found,) = process.run(resolve("smoke"), case(scheme, intervention), OPTIONS)
            known[name, scheme, intervention] = found
        return known[name, scheme, intervention]

    return outcome


def error(found, base) -> float:
    one, other = np.array(base.setup["output"]["logits"]), np.array(found.setup["output"]["logits"])
    return float(np.linalg.norm(other - one) / np.linalg.norm(one))


@pytest.mark.parametrize("name", WAYS)
def test_the_bare_operator_changes_no_logit_and_no_token(outcomes, name):
    base, found = outcomes(name, "nf4", "none"), outcomes(name, "nf4", "bare-op")
    assert error(found, base) == 0.0
    assert found.setup["output"]["tokens"] == base.setup["output"]["tokens"]
    assert found.setup["compared"] == {
        "claim": "the same tokens", "with": "the unchanged loop in the same process", "ties": [],
    }  # fmt: skip
    assert found.setup["patched"] == {"bare_op": base.setup["model"]["linears"]["Linear4bit"]}


def test_pre_dequantised_weights_lose_the_packed_ways_rounding_and_say_so(outcomes):
    """Unpacked, a plain Linear rounds as bitsandbytes does; packed, the difference is bfloat16's and no more."""
    assert error(outcomes("dequantised", "nf4", "pre-dequantised"), outcomes("dequantised", "nf4", "none")) < 2**-11
    apart = error(outcomes("packed", "nf4", "pre-dequantised"), outcomes("packed", "nf4", "none"))
    assert BFLOAT16 / 8 < apart < 4 * BFLOAT16
    # Both ways without the packing are one: what differs is the packing.
    one, other = (outcomes(name, "nf4", "pre-dequantised") for name in WAYS)
    assert error(one, other) == 0.0
    causes = {name: outcomes(name, "nf4", "pre-dequantised").setup["interventions"][0]["cause"] for name in WAYS}
    assert causes["packed"] == f"{causes['dequantised']} (the packed weights' rounding to bfloat16 goes too)"


@pytest.mark.parametrize(
    ("name", "intervention", "said"),
    [
        ("packed", "compute-float32", "compute in bfloat16 whatever is asked"),
        ("packed", "pre-dequantised", "rounding to bfloat16 goes too"),
        ("dequantised", "compute-float32", ""),
    ],
)
def test_an_intervention_says_what_it_cannot_change_on_packed_weights(outcomes, name, intervention, said):
    found = outcomes(name, "nf4", intervention)
    cause = found.setup["interventions"][0]["cause"]
    assert said in cause
    assert ("(" in cause) == bool(said)
    told = [finding.message for finding in found.findings if finding.message.startswith(f"{intervention}: ")]
    assert bool(told) == bool(said)
    assert not told or said in told[0]


@pytest.mark.parametrize(
    ("scheme", "intervention"),
    [("nf4", "double-quant-on"), ("nf4-dq", "double-quant-off"), ("nf4-dq", "double-quant-off+bare-op")],
)
def test_nested_scales_are_not_tested_where_packing_has_resolved_them(outcomes, scheme, intervention):
    found = outcomes("packed", scheme, intervention)
    assert found.status == "skipped"
    assert found.reason.endswith("packing resolves nested scales at the first forward, so that no product reads them")
    assert outcomes("dequantised", scheme, intervention).status == "ok"


def test_what_the_products_were_computed_in_is_recorded(outcomes):
    packed, dequantised = (outcomes(name, "nf4", "none") for name in ("packed", "dequantised"))
    assert packed.setup["model"]["linears_4bit"]["path"] == linear_kernels.PACKED
    assert packed.setup["model"]["linears_4bit"]["computes_in"] == "bfloat16"
    assert [finding.code for finding in packed.findings] == ["packed-4bit"]
    assert dequantised.setup["model"]["linears_4bit"] == {
        "path": linear_kernels.DEQUANTISED, "computes_in": "float16", "kernel": "torch",
    }  # fmt: skip
    assert dequantised.findings == ()


def test_an_arm_that_asks_for_bfloat16_gets_it_either_way():
    with way("packed"):
        loaded = models.load(resolve("smoke"), arm("nf4-bf16"), "cpu", 0)
        models.check(loaded, arm("nf4-bf16"), "cpu")
    assert linear_kernels.findings(loaded.facts["linears_4bit"], "bfloat16") == ()


@pytest.mark.parametrize("name", WAYS)
def test_a_timed_run_says_it_too(name):
    of, options = case("nf4"), {"calls": 1, "warmup_calls": 0, "warmup_tokens": None, "annotate": False}
    with way(name):
        outcomes = list(generation.run(resolve("smoke"), [(of, "generation")], options, None))
    (found,) = outcomes
    assert ("packed-4bit" in {finding.code for finding in found.findings}) == (name == "packed")
    assert found.setup["model"]["linears_4bit"]["path"] == {
        "packed": linear_kernels.PACKED, "dequantised": linear_kernels.DEQUANTISED,
    }[name]  # fmt: skip


def test_a_float_arm_has_no_4bit_kernel():
    loaded = models.load(resolve("smoke"), arm("fp16"), "cpu", 0)
    models.check(loaded, arm("fp16"), "cpu")
    assert "linears_4bit" not in loaded.facts
