"""The table of classes, on names as the libraries really give them."""

from __future__ import annotations

import pytest

from bench.analysis.ledger import class_table
from bench.analysis.ledger.class_table import RULES, Rule
from bench.analysis.ledger.classes import Classes, Classified, Operator
from bench.record import causes as c

QUANT = "bitsandbytes::int8_vectorwise_quant"
KERNELS = [
    ("nvjet_tst_64x8_64x16_4x1_v_bz_TNN", ("aten::linear", "aten::addmm"), ("layer", "q_proj"), c.GEMM),
    ("void cublasLt::splitKreduce_kernel<32, 16, int>", (), ("layer", "c_fc"), c.GEMM),
    ("void gemm_4bit_simt<__half, 64, 8>(int, int)", ("bitsandbytes::gemm_4bit",), ("layer", "c_fc"), c.GEMM),
    ("void gemm_4bit_sm80_m16n8k16<__nv_bfloat16>", (), (), c.GEMM),
    ("void kgemm_4bit_inference_naive<__half, 128, 16>", (), (), c.GEMM),
    ("void kDequantizeBlockwise<__half, 512, 64, 8, 2>", ("bitsandbytes::dequantize_4bit",), (), c.DEQUANTISE),
    ("void kdequant_mm_int32_fp16<4, 512>(int*, float*)", (), ("layer", "q_proj"), c.DEQUANTISE),
    ("void kInt8VectorQuant<__half, 1024, 1>", (QUANT,), ("layer", "q_proj"), c.QUANTISE),
    ("void at::native::vectorized_elementwise_kernel<4, at::native::abs_kernel>", (QUANT, "aten::abs"), (), c.OUTLIERS),
    ("void at::native::reduce_kernel<512, 1, ReduceOp<bool, or_kernel>>", (QUANT, "aten::any"), (), c.OUTLIERS),
    ("nvjet_hsh_8x64", ("bitsandbytes::int8_mixed_scaled_mm", "aten::addmm"), (), c.OUTLIERS),
    (
        "sm90_xmma_gemm_i8i32_i8i32",
        ("bitsandbytes::int8_mixed_scaled_mm", "bitsandbytes::int8_scaled_mm", "bitsandbytes::int8_linear_matmul"),
        (),
        c.GEMM,
    ),
    (
        "void at::native::vectorized_elementwise_kernel<4, CompareFunctor<c10::Half>>",
        (),
        ("layer", "q_proj"),
        c.OUTLIERS,
    ),
    ("void at::native::unrolled_elementwise_kernel<direct_copy_kernel_cuda, LoadWithCast<1>>", (), ("layer",), c.CAST),
    ("void at::native::vectorized_elementwise_kernel<4, bfloat16tofloat32_copy_kernel_cuda>", (), (), c.CAST),
    (
        "void at::native::elementwise_kernel<128, 4, direct_copy_kernel_cuda>",
        ("aten::to", "aten::_to_copy"),
        (),
        c.CAST,
    ),
    ("void at::native::elementwise_kernel<128, 4, gpu_kernel_impl_nocast<direct_copy>>", ("aten::copy_",), (), c.NORM),
    ("void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits>", (), ("layer",), c.ATTENTION),
    ("void cutlass::device_kernel<flash::FlashAttnFwdSm90>", (), ("layer",), c.ATTENTION),
    ("void at::native::(anonymous namespace)::CatArrayBatchedCopy<float>", (), ("layer",), c.ATTENTION),
    ("void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float>", (), ("layer",), c.NORM),
    ("void at::native::vectorized_elementwise_kernel<4, GeluCUDAKernelImpl>", (), ("layer",), c.NORM),
    ("nvjet_tst_64x8_64x16", ("aten::linear",), ("lm_head",), c.LM_HEAD),
    ("void at::native::reduce_kernel<512, 1, ReduceOp<float, ArgMaxOps<float>>>", ("aten::argmax",), (), c.SAMPLING),
    ("void at::native::vectorized_elementwise_kernel<4, BitwiseOr>", ("aten::__or__",), (), c.SAMPLING),
    ("void cutlass::device_kernel<GemmUniversal<GroupProblemShape>>", ("aten::_grouped_mm",), (), c.NOT_QUANTISED),
    ("nvjet_tst_64x8_64x16_4x1_v_bz_TNN", ("aten::linear",), ("layer", "experts"), c.NOT_QUANTISED),
    ("nvjet_tst_64x8_64x16_4x1_v_bz_TNN", (), ("layer", "experts"), c.NOT_QUANTISED),  # nsys: no operators
    ("void at::native::vectorized_elementwise_kernel<4, SiluFunctor>", (), ("layer", "experts"), c.NORM),
    ("nvjet_tst_16x8", ("aten::linear",), ("decode_step", "layer", "adapter"), c.ADAPTER),
    ("void at::native::elementwise_kernel<128, 4>", ("aten::add",), ("layer", "adapter"), c.ADAPTER),
    ("void gemm_4bit_simt<__half, 64, 8>(int, int)", (), ("layer", "adapter", "q_proj"), c.GEMM),
    ("my_own_kernel(float*)", (), (), c.OTHER),
]


@pytest.mark.parametrize(("name", "operators", "ranges", "cause"), KERNELS)
def test_kernels(name, operators, ranges, cause):
    assert Classes().kernel(name, operators, ranges) == cause


def chain(classes: Classes, *names: str, ranges: tuple[str, ...] = (), after: str = "") -> Classified:
    """The answer for the last of some nested operators."""
    answer = None
    for place, name in enumerate(names):
        last = place == len(names) - 1
        asked = Operator(name, names[:place], ranges, after if last else "", calls=not last)
        answer = classes.operator(asked, answer)
    assert answer is not None
    return answer


OPERATORS = [
    (("aten::_grouped_mm",), c.NOT_QUANTISED),
    (("transformers::grouped_mm_fallback", "aten::mm"), c.NOT_QUANTISED),
    (("aten::_scaled_grouped_mm",), c.GEMM),  # in 8 bits
    (("aten::bmm",), c.ATTENTION),
    (("Torch-Compiled Region: 0/0",), c.HOST_GAP),
    (("Torch-Compiled Region: 0/0", "## Call CompiledFxGraph fzv ##"), c.OTHER),
    (("Torch-Compiled Region: 0/0", "## Call CompiledFxGraph fzv ##", "aten::addmm"), c.GEMM),
    (("aten::linear", "aten::addmm"), c.GEMM),
    (("aten::linear", "aten::addmm", "aten::copy_"), c.GEMM),
    (("aten::linear", "aten::t", "aten::transpose"), c.GEMM),
    (("bitsandbytes::gemm_4bit", "bitsandbytes::dequantize_4bit"), c.DEQUANTISE),
    (("MatMul8bitLt", QUANT, "aten::max"), c.QUANTISE),
    (("MatMul8bitLt", QUANT, "aten::ge"), c.OUTLIERS),
    (("MatMul8bitLt", QUANT, "aten::any", "aten::fill_"), c.OUTLIERS),
    (("MatMul8bitLt", QUANT, "aten::to", "aten::_to_copy"), c.QUANTISE),
    (("bitsandbytes::int8_mixed_scaled_mm", "aten::index"), c.OUTLIERS),
    (("bitsandbytes::int8_mixed_scaled_mm", "aten::addmm"), c.OUTLIERS),
    (
        ("bitsandbytes::int8_mixed_scaled_mm", "bitsandbytes::int8_scaled_mm", "bitsandbytes::int8_mm_dequant"),
        c.DEQUANTISE,
    ),
    (("bitsandbytes::int8_scaled_mm", "bitsandbytes::int8_linear_matmul", "aten::_int_mm"), c.GEMM),
    (("aten::to", "aten::_to_copy", "aten::copy_"), c.CAST),
    (("aten::scaled_dot_product_attention",), c.ATTENTION),
    (("aten::layer_norm", "aten::native_layer_norm"), c.NORM),
    (("aten::argmax",), c.SAMPLING),
    (("aten::view",), c.HOST_GAP),
    (("aten::clone",), c.MEMCPY),
    (("custom::op",), c.OTHER),
]


@pytest.mark.parametrize(("names", "cause"), OPERATORS)
def test_operators(names, cause):
    assert chain(Classes(), *names).cause == cause


@pytest.mark.parametrize("name", ["aten::sort", "aten::topk", "aten::histc"])
def test_routing_to_experts_is_no_choice_of_a_token(name):
    classes = Classes()
    for ranges in (("layer",), ("layer", "experts")):
        assert classes.operator(Operator(name, (), ranges), None).cause == c.NORM
    assert classes.operator(Operator("aten::sort", (), ("decode_step",)), None).cause == c.SAMPLING


@pytest.mark.parametrize("name", ["aten::linear", "aten::bmm", "aten::mm"])
def test_products_of_experts_are_told_apart_from_linears(name):
    classes = Classes()
    assert classes.operator(Operator(name, (), ("layer", "experts")), None).cause == c.NOT_QUANTISED
    assert classes.operator(Operator(name, (), ("layer",)), None).cause in (c.GEMM, c.ATTENTION)


def test_a_magnitude_that_leads_to_a_comparison_looks_for_outliers():
    classes = Classes()
    assert chain(classes, QUANT, "aten::abs", after="aten::ge").cause == c.OUTLIERS
    assert chain(classes, QUANT, "aten::abs", after="aten::max").cause == c.QUANTISE


def test_python_between_operators_is_glue():
    assert Classes().operator(Operator("bitsandbytes::gemm_4bit", (), (), calls=True), None).glue
    assert not Classes().operator(Operator("aten::linear", (), (), calls=True), None).glue


def test_a_cast_that_changes_nothing_is_none():
    classes = Classes()
    assert classes.operator(Operator("aten::to", (), (), calls=False), None).cause == c.HOST_GAP
    assert classes.operator(Operator("aten::to", (), (), calls=True), None).cause == c.CAST


def test_the_layer_is_where_elementwise_work_is_no_sampling():
    classes = Classes()
    assert classes.operator(Operator("aten::any", (), ("layer",)), None).cause == c.NORM
    assert classes.operator(Operator("aten::any", (), ()), None).cause == c.SAMPLING


@pytest.mark.parametrize(
    ("version", "cause"), [("0.44.1", c.QUANTISE), ("0.50.2", c.OTHER), (None, c.QUANTISE), ("0.45", c.OTHER)]
)
def test_rules_for_old_versions(version, cause):
    assert Classes(version).kernel("kDoubleRowColQuant<64>", (), ()) == cause or version in ("0.50.2", "0.45")
    only_old = [rule for rule in RULES if rule.bitsandbytes]
    assert Classes(version, only_old).kernel("kgetColRowStats<64>", (), ()) == cause


def test_a_bad_version_condition_is_found_at_once():
    with pytest.raises(ValueError, match="version condition"):
        Classes("0.50", [Rule(c.GEMM, bitsandbytes="~0.4")])


def test_every_rule_names_a_line_of_the_ledger():
    assert {rule.cause for rule in class_table.RULES} <= set(c.CAUSES)
    assert set(Classes().causes) >= set(c.BUSY) - {c.OTHER}
