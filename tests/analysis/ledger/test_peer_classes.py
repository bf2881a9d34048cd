"""The class table on what torchao 0.18, HQQ 0.2.8 and optimum-quanto 0.2.7 call in a forward of their Linears."""

from __future__ import annotations

import pytest

from bench.analysis.ledger.classes import Classes, Classified, Operator
from bench.record import causes as c
from tests.analysis.ledger.test_classes import chain

RANGES = ("decode_step", "layer", "c_fc")
HQQ, QBYTES = "HQQMatmulNoCacheMul", "WeightQBytesLinearFunction"
QPARAMS, QUANTISE = "torchao::choose_qparams_affine", "torchao::quantize_affine"
DEQUANTISE = "torchao::dequantize_affine"
OPERATORS = [
    ((HQQ,), c.GEMM),
    ((HQQ, "aten::bitwise_and"), c.DEQUANTISE),
    ((HQQ, "aten::to", "aten::_to_copy", "aten::copy_"), c.DEQUANTISE),
    ((HQQ, "aten::sub"), c.DEQUANTISE),
    ((HQQ, "aten::mul"), c.DEQUANTISE),
    ((HQQ, "aten::matmul", "aten::mm"), c.GEMM),
    ((HQQ, "aten::add_"), c.GEMM),
    ((QBYTES, "quanto::qbytes_mm", "aten::mul"), c.DEQUANTISE),
    ((QBYTES, "quanto::qbytes_mm", "aten::to", "aten::_to_copy"), c.DEQUANTISE),
    ((QBYTES, "quanto::qbytes_mm", "aten::matmul", "aten::mm"), c.GEMM),
    ((QBYTES, "quanto::qbytes_mm", "aten::_weight_int8pack_mm"), c.GEMM),
    ((QPARAMS,), c.QUANTISE),
    ((QPARAMS, "aten::amax"), c.QUANTISE),
    ((QUANTISE, "_Round", "aten::round"), c.QUANTISE),
    ((QUANTISE, "aten::to", "aten::_to_copy"), c.QUANTISE),
    ((DEQUANTISE, "aten::sub"), c.DEQUANTISE),
    (("aten::_int_mm",), c.GEMM),
    (("TorchDynamo Cache Lookup",), c.HOST_GAP),
    (("Torch-Compiled Region: 1/0",), c.HOST_GAP),
    (("Torch-Compiled Region: 1/0", "AOTDispatcher Runtime Wrapper Prologue"), c.HOST_GAP),
    (("Torch-Compiled Region: 1/0", "## Call CompiledFxGraph f4xy ##"), c.OTHER),
    (("Torch-Compiled Region: 1/0", "## Call CompiledFxGraph f4xy ##", "aten::addmm"), c.GEMM),
    ((QBYTES, "quanto::qbytes_mm"), c.GEMM),
    (("aten::to", "aten::_to_copy"), c.CAST),
    (("aten::mm",), c.GEMM),
]


@pytest.mark.parametrize(("names", "cause"), OPERATORS)
def test_operators(names, cause):
    assert chain(Classes(), *names, ranges=RANGES).cause == cause


def test_python_between_their_operators_is_a_gap_of_the_host():
    for names in ((HQQ,), (QPARAMS,), (DEQUANTISE,), (QBYTES, "quanto::qbytes_mm")):
        assert chain(Classes(), *names, ranges=RANGES).glue, names


def test_weights_that_are_converted_before_the_product_are_dequantised():
    """What torchao does in a Linear with int8 weights; before anything else a conversion is a cast."""

    def converted(after, ranges=RANGES):
        classes = Classes()
        whole = classes.operator(Operator("aten::to", (), ranges, after, calls=True), None)
        part = classes.operator(Operator("aten::_to_copy", ("aten::to",), ranges, "", calls=True), whole)
        inner = classes.operator(Operator("aten::copy_", ("aten::to", "aten::_to_copy"), ranges), part)
        return {whole.cause, part.cause, inner.cause}

    assert converted("aten::mm") == {c.DEQUANTISE}
    assert converted("MatMul4Bit") == converted("aten::mul") == {c.CAST}
    assert converted("aten::mm", ranges=("decode_step", "layer")) == {c.CAST}


def test_scaling_a_product_back_is_dequantising_and_any_other_mul_is_not():
    classes = Classes()
    assert chain(classes, "aten::mul", ranges=RANGES, after="aten::reshape") == Classified(c.DEQUANTISE)
    assert chain(classes, "aten::mul", ranges=RANGES, after="aten::add").cause == c.NORM
    assert chain(classes, "aten::mul", ranges=("decode_step", "layer"), after="aten::reshape").cause == c.NORM


@pytest.mark.parametrize(
    ("kernel", "operators", "cause"),
    [
        ("void at::native::vectorized_elementwise_kernel<4, BitwiseAnd>", (HQQ, "aten::bitwise_and"), c.DEQUANTISE),
        ("nvjet_tst_64x8_64x16_4x1_v_bz_TNN", (HQQ, "aten::matmul", "aten::mm"), c.GEMM),
        ("void at::native::reduce_kernel<512, 1, ReduceOp<float, MaxOps>>", (QPARAMS, "aten::amax"), c.QUANTISE),
        ("void at::native::vectorized_elementwise_kernel<4, round>", (QUANTISE, "aten::round"), c.QUANTISE),
    ],
)
def test_kernels(kernel, operators, cause):
    assert Classes().kernel(kernel, operators, RANGES) == cause
