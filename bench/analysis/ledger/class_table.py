"""Which line of the ledger a kernel or an operator belongs to: one table of data. The first rule that fits decides.

Kernels are known by their name, the operators that launched them and the ranges around these; operators by their own
name and what is around them. What no rule fits is ``other`` and is named in the report.

Read from bitsandbytes 0.50 (backends/cuda and backends/default) and from what PyTorch 2.11–2.13 names its kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.record import causes as c


@dataclass(frozen=True)
class Rule:
    """All that is given must fit; patterns are searched, not matched whole.

    ``name``: of the kernel or operator itself. ``within`` / ``outside_of``: an operator around it (for a kernel its
    launching operator counts too) fits, or none does. ``range`` / ``no_range``: likewise for annotated ranges.
    ``followed_by``: the next operator beside it. ``outermost``: no operator is around it. ``calls``: it calls other
    operators, or (False) none. ``glue``: time of its own is Python between the operators that it calls, so that it is
    a host gap where it calls any. ``bitsandbytes``: such as "<0.45"; a rule for other versions is left out where the
    version is known.
    """

    cause: str
    on: Literal["kernel", "operator", "both"] = "both"
    name: str = ""
    within: str = ""
    outside_of: str = ""
    range: str = ""
    no_range: str = ""
    followed_by: str = ""
    outermost: bool = False
    glue: bool = False
    calls: bool | None = None
    bitsandbytes: str = ""


# Modules that act as a Linear, as models of the transformers library name them.
LINEAR = r"^(\w+_proj|c_fc|c_attn|fc\d?|dense\w*|query_key_value|qkv|linear\w*|w[123o]|wqkv|out_proj|score)$"
_BNB_QUANT = r"bitsandbytes::int8_(vectorwise|double)_quant"
_BNB_DEQUANT = r"bitsandbytes::(dequantize_\w+|int8_vectorwise_dequant|int8_mm_dequant)"
_BNB_GLUE = r"^(bitsandbytes::(gemm_4bit|int8_linear_matmul|int8_scaled_mm|int8_mixed_scaled_mm)|MatMul(8bitLt|4Bit))"
_VIEWS = (
    r"^aten::(view|reshape|_unsafe_view|view_as|transpose|t|permute|slice|select|narrow|as_strided_?|unsqueeze_?|"
    r"squeeze_?|expand|expand_as|empty\w*|new_empty\w*|resize_|detach|lift_fresh|resolve_(conj|neg)|split\w*|chunk|"
    r"unbind|alias|flatten|_has_compatible_shallow_copy_type|dropout)$"
)
_FINDING = r"aten::(ge|gt|any|is_nonzero|item|_local_scalar_dense|argwhere|nonzero|index|index_put_|_index_put_impl_)"

# Exchange between GPUs: NCCL and RCCL, symmetric memory (multimem), the all-reduces of vLLM, SGLang and TensorRT-LLM;
# none are an all-reduce of one block or warp, and what is "small".
EXCHANGE = (
    r"(?i)nccl|rccl|msccl|nvshmem|multimem|deep_ep|(?<!sm)(?<!block)(?<!block_)(?<!warp)(?<!warp_)all_?(reduce|gather)|reduce_?scatter|all_?to_?all"
    r"|cross_device_reduce|quick_?reduce|(one|two)_?shot_(all|reduce)|userbuffers"
)
# Products of other stacks: Marlin, Machete, AWQ and GPTQ, fused experts, Inductor's templates, llama.cpp, HQQ, GemLite.
_PRODUCTS = (
    r"(?i)marlin(?!.*repack)|machete|awq(?!.*dequant)|gptq(?!.*(reconstruct|shuffle|repack))|wna16|bitblas|gemlite"
    r"|fused_moe|fmoe|moe_mma|moe_q\d|weight_only::|mmvq?_|mmq_|q_matmul|scaled_mm|\bbmm_[A-Z]"
    r"|triton_(tem_fused_\w*(mm|matmul)|mm)\w*"
)
_PLAIN_KERNEL = (
    r"(?i)(?<!fb)gemm(?!::transpose)|gemv|nvjet|cutlass(?!_kernels::)|xmma|wgmma|igemm|imma|splitk|cublas|matmul|Cijk_"
    r"|dot_kernel|_mm_"
)
_PLAIN_PRODUCT = r"^aten::(linear|addmm|mm|matmul|bmm|baddbmm|mv|dot)$"
# The experts of a mixture in the transformers library: one parameter of three dimensions, which no quantiser converts.
_EXPERTS = r"^experts$"
_GROUPED = r"^(aten::_grouped_mm|transformers::grouped_mm_fallback)"
# Norms and activations of engines, whose names hold those of libraries too, and what routes tokens to experts. One that
# quantises its result in the same pass would run, and move as much, without that.
_ENGINE_NORMS = (
    r"(?i)flashinfer::(norm|activation)|(rms|layer)_?norm(?!.*rope)|fused_rms|act_and_mul|silu_(and|mul)|doActivation"
    r"|moe_(align|sum|fused_gate)|moe::(dev::|\w*(permut|softmax))|MoeSorting|topk_?(gating|softmax)|grouped_topk"
    r"|_topk_forward|v3_topk|topk_moe|_combined_routing|argsort_f32|sort_expert|expert_?(map|offset|prefix)|ep_scatter"
    r"|ep_gather|permute_(cols|2D)|shuffle_rows|expandInputRows|finalizeMoe|computeStrides|problem_sizes|mm_ids_helper"
    r"|get_rows"
)
# What stands in attention's place in models with a state: Mamba, gated delta rule, RWKV; and the work around attention
# and its cache in engines.
_ATTENTION = (
    r"(?i)flash(?!infer::(gemm|group))|fmha|attention|soft_?max|rope(?!rt)|rotary|kv_?cache|pagedattn|CatArray|sdpa"
    r"|(?<!c)attn|\bmha_|kernel_mha|mla_|reshape_and_cache|concat_and_cache|^_fwd_(grouped_)?kernel|flex_decoding"
    r"|merge_states?_kernel|aiter\d+pa_|mqa_logits|topk_transform|slot_mapping|block_tables|_cache\b|kv_(buffer|splits)"
    r"|token_pool|cache_locs|kv_indices|_set_rows|causal_conv1d|delta_rule|selective_scan|chunk_(scan|state)_fwd"
    r"|state_passing|bmm_chunk|chunk_fwd_kernel|solve_tril|gdn_|qkvzba|ssm_(scan|conv)|_wkv_"
)
# Checking drafted tokens belongs to choosing them.
_CHOOSING = (
    r"(?i)flashinfer::sampling|topk_?topp|top_p_|_penalt(y|ies)|gumbel|LogSoftMax|log_softmax|addBiasSoftMax|logprobs"
    r"|bitonicSort|sort_postprocess|index_and_segment|distribution_elementwise|rejection_\w*sample|recovered_tokens"
    r"|eagle_prepare|sampled_and_draft|verify_?tree|build_(efficient_)?tree|token_bitmask|_temperature_k|_min_p_k"
)
_SORTING = r"(?i)arg_?max|topk|multinomial|radixsort|sampling|logits"
# Inductor's reductions that a product of one row becomes; one that holds another reduction too may be that alone, after
# a product of a library.
_REDUCED_PRODUCT = r"^triton_(red|per)_fused_(?=(\w*_)?(addmm|baddbmm|bmm|mm|mv)_)"
_OTHER_REDUCTION = r"_(mean|sum|amax|amin|aminmax|max|min|var|rsqrt|softmax|norm|prod|any|all|cumsum|logsumexp|argmax)_"

# Python operators and autograd functions of torchao, HQQ and optimum-quanto: what is in them is plain torch.
_PEERS_QUANT = r"^torchao::(choose_qparams_affine|quantize_affine)"
_PEERS_DEQUANT = r"^torchao::dequantize_affine"
_PEERS_PRODUCT = r"^(HQQMatmul|quanto::|WeightQBytesLinearFunction)"
_PEERS_INNER = r"^aten::(mm|matmul|_int_mm|_weight_int8pack_mm)$"
_COMPILED_GLUE = r"^(TorchDynamo Cache Lookup|Torch-Compiled Region|AOTDispatcher Runtime Wrapper|Pregraph bytecode)"

RULES: tuple[Rule, ...] = (
    # What waits for other GPUs is neither work of the model nor of its output layer.
    Rule(c.COMMUNICATION, "kernel", name=EXCHANGE),
    Rule(c.COMMUNICATION, "operator", name=r"^(c10d::|_c10d_functional::|nccl:|gloo:|record_param_comms)"),
    # An adapter: what a Linear with one does outside the Linear itself, whose range lies within.
    Rule(c.ADAPTER, range=r"^adapter$", no_range=r"^(?!(adapter|layer|prefill|decode_step)$)"),
    Rule(c.ADAPTER, "kernel", name=r"(?i)lora_(shrink|expand|[ab]_kernel)|\b[bs]gmv_"),
    # The output layer: everything in its range, whatever it is made of.
    Rule(c.LM_HEAD, range=r"^(lm_head|embed_out|output_layer)$"),
    # Products of experts: all in one, one expert after the other, or in batches.
    Rule(c.NOT_QUANTISED, "operator", name=_GROUPED),
    Rule(c.NOT_QUANTISED, "operator", name=_PLAIN_PRODUCT, within=_GROUPED),
    Rule(c.NOT_QUANTISED, "operator", name=_PLAIN_PRODUCT, range=_EXPERTS),
    Rule(c.NOT_QUANTISED, "kernel", within=_GROUPED),
    Rule(c.NOT_QUANTISED, "kernel", name=_PLAIN_KERNEL, range=_EXPERTS),
    # Formats that are made of plain operators, in Python: torchao, HQQ, optimum-quanto.
    Rule(c.QUANTISE, "operator", name=_PEERS_QUANT, glue=True),
    Rule(c.QUANTISE, "both", within=_PEERS_QUANT),
    Rule(c.GEMM, "operator", name=r"^aten::(mm|matmul|add_|_int_mm|_weight_int8pack_mm)$", within=_PEERS_PRODUCT),
    Rule(c.GEMM, "operator", name=_PEERS_PRODUCT, glue=True),
    Rule(c.DEQUANTISE, "operator", name=_PEERS_DEQUANT, glue=True),
    Rule(c.DEQUANTISE, "operator", within=rf"{_PEERS_PRODUCT}|{_PEERS_DEQUANT}"),
    Rule(c.DEQUANTISE, "kernel", within=rf"{_PEERS_PRODUCT}|{_PEERS_DEQUANT}", outside_of=_PEERS_INNER),
    # torchao's int8 weights are converted before the product, and this is scaled back afterwards, with nothing around
    # both but the Linear. A compute dtype is converted to before an operator of bitsandbytes.
    Rule(
        c.DEQUANTISE,
        "operator",
        name=r"^aten::to$",
        range=LINEAR,
        followed_by=r"^aten::mm$",
        outermost=True,
        calls=True,
    ),
    Rule(
        c.DEQUANTISE,
        "operator",
        name=r"^aten::mul$",
        range=LINEAR,
        followed_by=r"^aten::(reshape|view)$",
        outermost=True,
    ),
    # torch.compile's Python around a compiled graph. What a graph fuses on a CPU has no operators to tell it by.
    Rule(c.HOST_GAP, "operator", name=_COMPILED_GLUE),
    Rule(c.OTHER, "operator", name=r"^## Call CompiledFxGraph"),
    # LLM.int8()'s outliers: found before the activations are quantised, multiplied apart from the int8 product.
    Rule(c.OUTLIERS, "kernel", name=r"kExtractOutliers|[Oo]utlier"),
    Rule(c.OUTLIERS, "kernel", name=r"at::native|at_cuda_detail|cub::", within=_BNB_QUANT),
    Rule(c.OUTLIERS, "kernel", within=r"int8_mixed_scaled_mm", outside_of=r"bitsandbytes::int8_scaled_mm"),
    Rule(c.OUTLIERS, "operator", name=r"^aten::abs$", within=_BNB_QUANT, followed_by=r"^aten::(ge|gt)$"),
    Rule(c.OUTLIERS, "operator", name=rf"^{_FINDING}$", within=_BNB_QUANT),
    Rule(c.OUTLIERS, "operator", name=r"^aten::(clone|masked_fill_?)$", within=_BNB_QUANT),
    Rule(
        c.OUTLIERS,
        "operator",
        name=r"^(aten::(?!view|reshape|t$|empty)|bitsandbytes::int8_vectorwise_dequant)",
        within=r"int8_mixed_scaled_mm",
        outside_of=r"bitsandbytes::int8_scaled_mm",
    ),
    # Without operators (nsys) a comparison, a reduction or a gather inside a Linear can only look for outliers.
    Rule(
        c.OUTLIERS,
        "kernel",
        name=r"(?i)abs_?kernel|compare_scalar|CompareFunctor|or_kernel|func_wrapper|nonzero|index_(elementwise|put)|DeviceSelect|DeviceReduce|DeviceScan",
        range=LINEAR,
        outside_of=r"^aten::(linear|addmm|mm)$",
    ),
    # Products. A fused 4-bit kernel dequantises inside; the older one is still callable.
    Rule(c.GEMM, "kernel", name=r"gemm_4bit_(simt|sm80)|k?gem[mv]_4bit|kgemm_4bit_inference_naive"),
    Rule(c.GEMM, "kernel", name=r"tinygemm"),
    Rule(c.NORM, "kernel", name=_ENGINE_NORMS),
    Rule(c.SAMPLING, "kernel", name=_CHOOSING),
    Rule(c.ATTENTION, "kernel", name=_ATTENTION),
    # Products that dequantise inside, and rows made ready for them.
    Rule(
        c.GEMM,
        "kernel",
        name=r"(?i)mul_mat|mat_?vec|gemm_half_q_half|dequant\w*_(gemm|gemv|matmul)|(gemm|gemv|matmul)_\w*dequant",
    ),
    Rule(c.DEQUANTISE, "kernel", name=r"(?i)dequant|kdequant_mm|kUnpack|unpack_\d+bit|\breconstruct_"),
    Rule(
        c.QUANTISE,
        "kernel",
        name=r"(?i)^(?!\w*gemm).*(kInt8VectorQuant|kQuantize|vectorwise_quant|per_token_\w*quant|quanti[sz]e|smoothquant"
        r"|scaled_(fp8|int8|fp4)_quant|_quant_(8bit|fp8|int8|fp4|kernel)|mxfp4_quant|cvt_fp16_to_fp4|segmented_max_red)",
    ),
    Rule(c.QUANTISE, "kernel", name=r"kgetColRowStats|kDoubleRowColQuant|kTransformRow", bitsandbytes="<0.45"),
    # What Inductor fuses is named after all operators in it: a scale found and values rounded to it, or bits shifted
    # out of packed weights.
    Rule(
        c.QUANTISE, "kernel", name=r"^triton_(red|per)_fused_(?!\w*rsqrt)(?=\w*_(amax|aminmax|amin)_)\w*_(round|clamp)"
    ),
    Rule(c.DEQUANTISE, "kernel", name=r"^triton_(poi|red|per|for)_fused_\w*(rshift|right_shift)"),
    Rule(c.SAMPLING, "kernel", name=r"^triton_(poi|red|per|for)_fused_\w*(argmax|multinomial|topk)"),
    Rule(c.GEMM, "kernel", name=rf"{_REDUCED_PRODUCT}(?!\w*{_OTHER_REDUCTION})"),
    Rule(c.OTHER, "kernel", name=_REDUCED_PRODUCT),
    # The rest of it is elementwise, and named after the products that it comes after too.
    Rule(c.NORM, "kernel", name=r"^triton_(poi|red|per|for)_"),
    Rule(c.GEMM, "kernel", name=_PRODUCTS),
    Rule(c.GEMM, "kernel", name=_PLAIN_KERNEL),
    Rule(c.NORM, "kernel", name=_SORTING, range=r"^layer$"),
    Rule(c.SAMPLING, "kernel", name=_SORTING),
    Rule(
        c.CAST,
        "kernel",
        name=r"(?i)(?<!no)(?<!b)(?<!broad)(?<!multi)cast|float16_copy|bfloat16_copy|tofloat|tohalf|tobf|convert_unary"
        r"|cpy_(f32_b?f16|b?f16_f32)|cpy_1_scalar<(?!(\w+), \1)|LoadWithCast|StoreWithCast",
    ),
    Rule(c.CAST, "kernel", name=r"copy_kernel", within=r"^aten::(to|_to_copy)$"),
    Rule(
        c.SAMPLING,
        "kernel",
        within=r"^aten::(argmax|isin|max|eq|ne|any|all|where|sub|rsub|arange|full|cumsum|__(and|or)__|bitwise_\w+)$",
        no_range=r"^layer$",
    ),
    Rule(c.MEMCPY, "kernel", name=r"(?i)memcpy|memset|amd_rocclr_(copy|fill)Buffer"),
    Rule(
        c.NORM,
        "kernel",
        name=r"(?i)norm|elementwise|vectorized|gelu|silu|reduce_kernel|gather|index|embedding|triton_"
        r"|get_rows|copy_kernel|fill|dropout|multi_tensor|swiglu|residual|permut|transpose|bin_bcast|unary_op|concat",
    ),
    # Operators: on a CPU their own time is the work.
    Rule(c.QUANTISE, "operator", name=_BNB_QUANT, glue=True),
    Rule(c.DEQUANTISE, "operator", name=r"bitsandbytes::int8_(mm|vectorwise)_dequant", glue=True),
    Rule(c.DEQUANTISE, "operator", name=_BNB_DEQUANT),
    Rule(c.GEMM, "operator", name=_BNB_GLUE, glue=True),
    Rule(c.GEMM, "operator", name=r"bitsandbytes::(gemv_4bit|gemm)|^aten::(linear|addmm|mm|matmul|_int_mm|mv|dot)$"),
    Rule(c.GEMM, "operator", name=r"^aten::_weight_int4pack_mm"),
    Rule(c.GEMM, "operator", name=r"^aten::_scaled_grouped_mm"),
    Rule(c.ATTENTION, "operator", name=r"attention|^aten::(softmax|_softmax|bmm|baddbmm)$"),
    # A call of ``to`` that finds nothing to change calls nothing, and is no cast.
    Rule(c.CAST, "operator", name=r"^aten::to$", outside_of=rf"{_BNB_QUANT}|{_BNB_DEQUANT}", calls=True),
    Rule(c.CAST, "operator", name=r"^aten::_to_copy$", outside_of=rf"{_BNB_QUANT}|{_BNB_DEQUANT}|^aten::to$"),
    Rule(c.HOST_GAP, "operator", name=r"^aten::to$", calls=False, outermost=True),
    Rule(c.NORM, "operator", name=r"norm$|^aten::(gelu|silu|relu|tanh|sigmoid|embedding|rsqrt|mean|pow|cos|sin)$"),
    Rule(c.ATTENTION, "operator", name=r"^aten::cat$", range=r"^layer$"),
    # Routing tokens to the experts of a mixture; outside the layers the same operators choose a token.
    Rule(
        c.NORM,
        "operator",
        name=r"^aten::(arg)?(sort|topk|histc|bincount|searchsorted|one_hot|floor_divide|linspace|repeat_interleave)$",
        range=r"^layer$",
    ),
    Rule(
        c.SAMPLING,
        "operator",
        name=r"^aten::(argmax|isin|max|eq|ne|gt|ge|any|all|where|sub|rsub|arange|full|ones|cumsum|multinomial|topk|sort"
        r"|is_nonzero|item|_local_scalar_dense|__(and|or)__|bitwise_\w+|log_softmax|scatter\w*|gather|cat)$",
        no_range=r"^layer$",
        outermost=True,
    ),
    Rule(c.HOST_GAP, "operator", name=_VIEWS, outermost=True),
    Rule(c.MEMCPY, "operator", name=r"^aten::(copy_|clone|contiguous|fill_|zero_|zeros)$", outermost=True),
    Rule(
        c.NORM,
        "operator",
        name=r"^aten::(mul|add|sub|div|neg|abs|exp|log|sqrt|clamp\w*|min|max|sum|where|masked_fill_?|index\w*|gather"
        r"|cumsum|arange|full|ones|le|lt|ge|gt|eq|ne|any|all|round|reciprocal|stack|repeat|triu|tril|logical_\w+"
        r"|bitwise_\w+|__(and|or)__)_?$",
        outermost=True,
    ),
)
