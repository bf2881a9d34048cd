"""Names of kernels of other stacks, as these write them, and the line that each belongs to."""

from __future__ import annotations

import pytest

from bench.analysis.ledger.class_table import RULES
from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.user_rules import user_rules
from bench.record import causes as c
from bench.record.errors import UsageError

NAMES = {
    c.COMMUNICATION: [
        "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
        "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
        "ncclDevKernel_Broadcast_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
        "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096ul>)",
        "ncclKernel_AllReduce_RING_LL_Sum_half(ncclWorkElem)",
        "void multimem_all_reduce_kernel<c10::BFloat16, 16>(c10::BFloat16*, unsigned long)",
        "void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(vllm::RankData*, vllm::RankSignals)",
        "void sglang::cross_device_reduce_2stage<half, 8>(sglang::RankData*)",
        "void flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<half>()",
        "void two_shot_all_reduce_kernel<c10::BFloat16>()",
        "void deep_ep::internode_ll::dispatch<true>(void*)",
    ],
    c.ATTENTION: [
        "attn_fwd",
        "_attn_fwd_inner",
        "_fwd_grouped_kernel_stage1",
        "_fwd_kernel_stage2",
        "kernel_unified_attention_2d",
        "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::Main>>>()",
        "void flashinfer::BatchDecodeWithPagedKVCacheKernel<(flashinfer::PosEncodingMode)0>()",
        "void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16>()",
        "void vllm::reshape_and_cache_kernel<half>()",
        "void vllm::rotary_embedding_kernel<c10::BFloat16, true>()",
        "void flash_attn_ext_f16<128, 128, 8>()",
        "void rope_neox<true, float>(float const*)",
        "void soft_max_f32<true, 32, 32>()",
        "triton_tem_fused_flex_attention_0",
        "kernel_mha",
        "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_3_64x128x128_4x1x1_cga1x1x1_kernel0_0",
        "void (anonymous namespace)::store_kvcache<1024l, 2, true, long>()",
    ],
    c.GEMM: [
        "triton_tem_fused_addmm_0",
        "triton_tem_fused_mm_12",
        "triton_mm",
        "fused_moe_kernel",
        "fused_moe_kernel_gptq_awq",
        "void marlin::Marlin<__nv_bfloat16, 256, 1, 8, 8, 4, 8>",
        "void gptq_marlin::Marlin<half>()",
        "void marlin_moe_wna16::Marlin<half>()",
        "void machete::gemm_kernel<cutlass::half_t>()",
        "void vllm::awq::gemm_forward_4bit_cuda_m16nXk32<128>()",
        "awq_gemm_kernel",
        "gemv_kernel_g128",
        "void vllm::gptq::gemm_half_q_half_gptq_4bit_kernel<true, 8>()",
        "void mul_mat_vec_q<(ggml_type)2, 1, false>",
        "_int8_matmul_mixed_dequantize",
        "_int8_matmul_rowwise_dequantize",
        "decode_matvec_e8p_kernel",
        "void Code1x16MatVec(int4 const*)",
        "void spqr_quantized_matvec_fused<16, 32>()",
        "void tensorrt_llm::kernels::weight_only::kernel<tensorrt_llm::kernels::weight_only::FP16DetailsA>()",
        "void mul_mat_q<(ggml_type)12, 64, 8, false>()",
        "void dequantize_mul_mat_vec<32, 1, &dequantize_q4_0>()",
        "void tinygemm_m16n8k16_chunk_kernel<ALayout_RM>()",
        "gemv_INT_revsplitK_kernel",
        "gemm_splitK_INT_kernel",
        "nvjet_tst_64x64_64x13_4x1_v_bz_bias_TNT",
        "Cijk_Alik_Bljk_HHS_BH_MT128x128x32",
        "_w8a8_block_fp8_matmul",
        "void wvSplitK_hf_sml_<__hip_bfloat16, 64, 2, 16, 8, 2, 1>()",
        "void deep_gemm::sm90_fp8_gemm_1d2d_impl<>()",
        "void cutlass::device_kernel<vllm::cutlass_3x_gemm<>>()",
        "_matmul_ogs_NTN_bf16xbf16xmxfp4",
    ],
    c.NORM: [
        "triton_red_fused__to_copy_abs_amax_clamp_mean_mul_pow_round_rsqrt_2",
        "void k_get_rows_float<float, float>(float const*, int const*, float*, long)",
        "void flashinfer::norm::FusedAddRMSNormKernel<8u, __nv_bfloat16>(__nv_bfloat16*, __nv_bfloat16*)",
        "void flashinfer::activation::act_and_mul_kernel<__nv_bfloat16, &(float silu<float>(float const&))>",
        "void vllm::rms_norm_kernel<c10::BFloat16>()",
        "void vllm::act_and_mul_kernel<c10::BFloat16>()",
        "void fbgemm_gpu::permute_2D_data_kernel<false, int, int>",
        "triton_red_fused__to_copy_add_mean_mul_pow_rsqrt_0",
        "triton_poi_fused_addmm_relu_3",
        "void vllm::moe::moe_align_block_size_kernel<int>()",
        "void vllm::moe::topkGating<8, 64, 4, 16, 32, int>()",
        "void rms_norm_f32<1024, false>()",
        "void k_bin_bcast<&op_add, float, float, float>()",
    ],
    c.QUANTISE: [
        "triton_red_fused__to_copy_abs_amax_clamp_div_mul_round_0",
        "triton_per_fused_abs_amax_clamp_mul_reciprocal_round_1",
        "void vllm::dynamic_per_token_scaled_fp8_quant_kernel<c10::BFloat16>()",
        "_per_token_group_quant_8bit",
        "void quantize_q8_1<float>()",
        "void quantize_mmq_q8_1<(mmq_q8_1_ds_layout)0>()",
        "void per_token_group_quant_8bit_kernel<__nv_bfloat16>()",
        "void vllm::static_scaled_fp8_quant_kernel<half>()",
    ],
    c.CAST: [
        "void convert_unary<__half, float>(void const*, float*, long)",
        "void cpy_f32_f16<&cpy_1_f32_f16>(char const*, char*, int)",
    ],
    c.DEQUANTISE: [
        "void unpack_4bit_u8_kernel<c10::Half>(unsigned char*, c10::Half*, unsigned long, unsigned long)",
        "triton_poi_fused__to_copy_bitwise_and_bitwise_right_shift_mul_sub_3",
        "triton_poi_fused___rshift___bitwise_and_mul_sub_0",
        "void vllm::awq::dequantize_weights(int*, half*, int*, half*, int)",
        "void dequantize_block_q4_K<half>()",
        "void vllm::gptq::reconstruct_gptq_kernel(unsigned int const*)",
        "void vllm::gptq::reconstruct_exllama_4bit_kernel()",
        "void kDequantizeBlockwise<__nv_bfloat16, 512, 64, 8, 2>()",
        "dequantize_4bit_u8_kernel",
    ],
    c.SAMPLING: [
        "void flashinfer::sampling::TopKTopPSamplingFromProbKernel<512u>()",
        "triton_red_fused_argmax_0",
        "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>()",
        "void vllm::apply_repetition_penalties_kernel<float>()",
    ],
    c.OTHER: ["my_secret_kernel"],
}


@pytest.mark.parametrize(("cause", "name"), [(cause, name) for cause, names in NAMES.items() for name in names])
def test_a_kernel_s_line(cause, name):
    assert Classes().kernel(name, (), ()) == cause


@pytest.mark.parametrize("name", ["small_gather_kernel", "LayerNormBlockAllReduce<float>", "norm_warp_all_reduce"])
def test_what_stays_on_one_gpu_is_no_exchange(name):
    assert Classes().kernel(name, (), ()) == c.NORM


def test_an_exchange_inside_the_output_layer_is_an_exchange():
    assert Classes().kernel("ncclDevKernel_AllGather_RING_LL", (), ("lm_head",)) == c.COMMUNICATION


def written(tmp_path, text):
    path = tmp_path / "classes.toml"
    path.write_text(text)
    return path


def test_the_user_s_rules_come_first(tmp_path):
    text = (
        '[[rule]]\ncause = "attention"\nname = "my_secret"\n[[rule]]\ncause = "cast"\non = "kernel"\nname = "marlin"\n'
    )
    classes = Classes(None, (*user_rules(written(tmp_path, text)), *RULES))
    assert classes.kernel("my_secret_kernel", (), ()) == c.ATTENTION
    assert classes.kernel("marlin::Marlin", (), ()) == c.CAST
    assert classes.kernel("ampere_sgemm", (), ()) == c.GEMM


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "give rules, each as"),
        ("rule = 3", "give rules, each as"),
        ("cause =", "not TOML"),
        ('[[rule]]\ncause = "gemms"\nname = "a"', "rule 1: cause 'gemms': choose from gemm"),
        ('[[rule]]\ncause = "gemm"', "rule 1: it would fit every kernel"),
        ('[[rule]]\ncause = "gemm"\nname = "("', "rule 1: name is no regular expression"),
        ('[[rule]]\ncause = "gemm"\nname = 3', "rule 1: name is a text"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\nkernel = "b"', "rule 1: its fields may be cause, on, name"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\nglue = 1', "rule 1: glue is true or false"),
        ('[[rule]]\ncause = "gemm"\nname = "a"\non = "gpu"', "rule 1: on is one of kernel"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        user_rules(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        user_rules(tmp_path / "none.toml")
