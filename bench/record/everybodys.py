"""Words that name nobody in particular, also where a user or a host is called so: accounts of images, folders that many
have, and words of kernels, schemes, models and presets, which a copy that is shared has to keep."""

WORDS = frozenset(
    """
    abs act activation adapter add addmm admin affine alias align all amax amin aminmax and any aotdispatcher
    app apply apps arange arg argmax argwhere aten attention attn awq azureuser baddbmm bcast bench benchmark
    bf16 bfloat16 bin bincount bit bitblas bitledger bitlt bitsandbytes bitwise block bmm broad build builder
    bytecode c10d cache call cast cat catarray centos choose chunk cijk clamp clone code cols combined comms
    compare comparefunctor compatible compiled compiledfxgraph concat conda conj contiguous convert copy cos cpu
    cpy cross cub cublas cuda cumsum cutlass cvt daemon data debian decode decoder deep default dense dequant
    dequantize detach detail dev device devicereduce devicescan deviceselect div divide docker dot double
    dropout ec2-user elementwise embed embedding empty encoder exllama exp expand expert experts f16 f32
    fallback fedora fill flash flashinfer flatten float16 floor fmha for forward fp16 fp32 fp4 fp8 fresh full
    func functional fused fwd gather gating gelu gem gemlite gemm gemv get gloo gptq gpu group grouped guest
    gumbel half has head histc hot hqqmatmul hub huggingface humaneval igemm imma impl index infer inference int
    int4 int4pack int8 int8pack interleave isin item jenkins jovyan kdequant kdoublerowcolquant kernel
    kextractoutliers key kgemm kgetcolrowstats kint8vectorquant kquantize ktransformrow kunpack layer lift
    linear linspace linux loadwithcast local localhost log logical logits lookup machete main map marlin masked
    mat matmul max mbpp mean memcpy memset mha min mixed mla mlp mma mmq mmvq model models moe msccl mul multi
    multimem multinomial naive narrow native nccl neg new nf4 nobody node none nonzero norm nvidia nvjet nvshmem
    offset one ones only opc out output pagedattn param penalt per permut permute poi pow prefill pregraph proj
    project projects public put python pytorch qkv qparams quant quanti quantize quanto query quick radixsort
    rccl reciprocal reconstruct record red reduce region relu repack repeat reshape residual resize resolve
    right rms root rope rotary round routing rows rshift rsqrt rsub runner runs runtime sampling scalar scaled
    scatter score scratch sdpa searchsorted select self sglang shallow share shared shift shot shuffle sigmoid
    silu simt sin slice sm80 smoke soft softmax sort split splitk sqrt squeeze src stack step storewithcast
    strided sub sum swiglu tanh tem tensor test tests thrust tinygemm tmp tobf tofloat tohalf token top topk
    topp torch torchao torchdynamo transformers transpose tril triton triu two type ubuntu unary unbind unknown
    unpack unsafe unsqueeze user userbuffers users utlier vagrant value vec vectorized vectorwise view vllm
    vscode warp weight weightqbyteslinearfunction wgmma where wna16 work workspace wqkv wrapper xmma zero zeros
    """.split()  # noqa: SIM905
)
