"""The int4 arm computes what its codes and scales say, within bfloat16's rounding; its bytes are counted."""

import copy

import pytest
import torch

from bench.analysis.traffic import stored_bytes, traffic
from bench.interventions.table import applicable
from bench.record.errors import NotApplicableError
from bench.schemes import arm
from bench.schemes.layers import int4_linear as int4
from bench.workloads import models
from bench.workloads.matmul_arms import ArmUnderTest, make_truth
from bench.workloads.quantise import quantise_in_place, quantised_linear

ARM = arm("int4-tinygemm")
N, K, GROUP = 64, 256, 128
# The kernel rounds its result to bfloat16 once: half a unit of 8 bits, 2⁻⁹, at most. It may round each dequantised
# weight as well, which errs by as much and independently; the bound is their sum, twice over for the sum's own order.
BFLOAT16 = 2.0**-9
KERNEL = 4 * BFLOAT16


def weight(n=N, k=K):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(1)) / k**0.5


def error(out, reference):
    return float((out.double() - reference.double()).norm() / reference.double().norm())


@pytest.mark.parametrize("rows", [1, 5, 33])
def test_the_product_is_that_of_the_dequantised_weights(rows):
    linear = torch.nn.Linear(K, N)
    linear.weight = torch.nn.Parameter(weight().bfloat16(), requires_grad=False)
    linear.bias = torch.nn.Parameter(torch.randn(N).bfloat16(), requires_grad=False)
    codes, scales = int4.quantise(linear.weight, GROUP)
    x = torch.randn(2, rows, K).bfloat16()
    reference = torch.nn.functional.linear(
        x.double(), int4.dequantise(codes, scales, GROUP).double(), linear.bias.double()
    )
    out = quantised_linear(linear, ARM)(x)
    assert out.shape == (2, rows, N)
    assert out.dtype is torch.bfloat16
    assert error(out, reference) < KERNEL


def test_no_weight_is_further_off_than_half_a_step_and_its_rounding():
    exact = weight()
    codes, scales = int4.quantise(exact, GROUP)
    assert codes.min() == 0 and codes.max() == int4.LEVELS - 1
    step = scales[..., 0].float().T.repeat_interleave(GROUP, 1)
    # A step rounded down, and an offset rounded away, leave the ends of a group outside the grid: 8 steps of 2⁻⁹ each.
    outside = 16 * step * BFLOAT16
    assert bool(((int4.dequantise(codes, scales, GROUP) - exact).abs() <= step / 2 + outside).all())


def test_a_group_of_equal_weights_is_kept():
    codes, scales = int4.quantise(torch.full((16, GROUP), 0.25), GROUP)
    assert error(int4.dequantise(codes, scales, GROUP), torch.full((16, GROUP), 0.25)) < BFLOAT16


def test_the_layer_is_of_the_stored_bytes_that_the_traffic_model_says():
    linear = torch.nn.Linear(K, N, bias=False).bfloat16()
    module = quantised_linear(linear, ARM)
    held = models.footprint(module)
    assert held == stored_bytes(ARM.facts(), N, K) == N * K / 2 + 4 * N * K / GROUP
    assert models.parameter_count(module) == N * K


@pytest.mark.parametrize("m", [1, 16, 17])
def test_the_traffic_of_a_gpu_goes_through_the_weights_once_for_16_rows(m):
    modelled = traffic(ARM.facts(), m, N, K)
    activations = 2 * m * (N + K)
    assert modelled.path == "tinygemm"
    assert modelled.low == stored_bytes(ARM.facts(), N, K) + activations
    assert modelled.high == stored_bytes(ARM.facts(), N, K) * (2 if m > 16 else 1) + activations


def test_a_model_keeps_its_output_layer_and_each_linear_is_replaced():
    model = torch.nn.ModuleDict({"c_fc": torch.nn.Linear(K, N), "lm_head": torch.nn.Linear(K, N)}).bfloat16()
    assert quantise_in_place(model, ARM) == 1
    assert [type(part).__name__ for part in model.values()] == ["Int4Linear", "Linear"]
    assert models.parameter_count(model) == 2 * (N * K + N)


def test_layer_products_rotate_copies_with_memory_of_their_own():
    truth = make_truth(2, N, K, "cpu", 0, 0)
    under_test = ArmUnderTest(ARM, truth)
    assert under_test.weight_bytes() == N * K // 2
    under_test.rotate_through(3)
    assert len({module.packed.data_ptr() for module in under_test.modules}) == 3
    product = under_test.operation("linear", 2)
    first, second = product(under_test.input(2)), product(under_test.input(2))
    assert torch.equal(first, second)
    assert 0.05 < error(first, truth.reference(ARM)) < 0.2  # 4 bits of normal weights, and no less: it was quantised


@pytest.mark.parametrize(("n", "k"), [(N, 192), (24, K)])
def test_a_shape_that_the_kernel_does_not_take_is_named(n, k):
    with pytest.raises(NotApplicableError, match=f"no {n}×{k}: n must be a multiple of 16, k of 128"):
        int4.Int4Linear(weight(n, k), None, GROUP)


def test_what_changes_bitsandbytes_modules_does_not_apply():
    batches = tuple(f"batch-{n}" for n in (2, 4, 6, 8, 16, 32, 64))
    assert applicable(ARM, "cuda") == ("cuda-graph", "no-cudnn-attention", "static-cache", *batches)


class FakeCuda:
    """torch's operators, with what the CUDA ones are given noted."""

    def __init__(self):
        self.packed = []

    def _convert_weight_to_int4pack(self, pairs, tiles):
        self.packed.append((pairs, tiles))
        return copy.copy(pairs)


def test_for_cuda_two_codes_make_a_byte_the_even_one_high(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(int4.torch, "ops", type("Ops", (), {"aten": fake}))
    int4._pack(torch.tensor([[1, 2, 15, 0]], dtype=torch.int32), on_cpu=False)
    ((pairs, tiles),) = fake.packed
    assert pairs.dtype is torch.uint8
    assert pairs.tolist() == [[0x12, 0xF0]]
    assert tiles == 8
