"""Tiny random checkpoints of many architectures: configurations of two layers, or of as many as hold every kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES: dict[str, Any] = {
    "vocab_size": 1024, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1,
}  # fmt: skip
_EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128}
_MAMBA = {"state_size": 16, "max_position_embeddings": None}
_LATENT = {
    "n_routed_experts": 4, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "q_lora_rank": None,
    "kv_lora_rank": 64, "qk_rope_head_dim": 32, "qk_nope_head_dim": 32, "v_head_dim": 32, "num_key_value_heads": 4,
}  # fmt: skip
# None: a size that this configuration does not have.
_NO_LIMIT = {"max_position_embeddings": None}
# name → (model type, what its configuration has besides the sizes)
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"tie_word_embeddings": False}),
    "llama, tied embeddings": ("llama", {"tie_word_embeddings": True}),
    "llama, odd widths": (
        "llama",
        {"hidden_size": 100, "intermediate_size": 250, "num_attention_heads": 5, "num_key_value_heads": 5},
    ),
    "mistral, sliding window": ("mistral", {"sliding_window": 16}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 32}),
    "gemma2": ("gemma2", {"head_dim": 32, "sliding_window": 16}),
    "gemma3 (text)": ("gemma3_text", {"head_dim": 32, "sliding_window": 16}),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "starcoder2": ("starcoder2", {}),
    "gpt-2 (Conv1D)": ("gpt2", {"n_positions": 512}),
    "gpt-bigcode": ("gpt_bigcode", {"n_positions": 512}),
    "gpt-neox": ("gpt_neox", {}),
    "gpt-j": ("gptj", {"n_positions": 512, "rotary_dim": 16}),
    "codegen": ("codegen", {"n_positions": 512, "rotary_dim": 16}),
    "opt": ("opt", {"ffn_dim": 256, "word_embed_proj_dim": 128}),
    "bloom (ALiBi)": ("bloom", _NO_LIMIT),
    "mpt (ALiBi)": ("mpt", {**_NO_LIMIT, "d_model": 128, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2}),
    "falcon (own Linear)": ("falcon", {}),
    "stablelm": ("stablelm", {}),
    "cohere": ("cohere", {}),
    "olmo2": ("olmo2", {}),
    "granite": ("granite", {}),
    "mixtral (experts)": ("mixtral", _EXPERTS),
    "qwen2-moe (experts)": ("qwen2_moe", {**_EXPERTS, "shared_expert_intermediate_size": 128}),
    "qwen3-moe (experts)": ("qwen3_moe", {**_EXPERTS, "head_dim": 32}),
    "olmoe (experts)": ("olmoe", _EXPERTS),
    "llama 4 (experts, nested)": ("llama4_text", {**_EXPERTS, "intermediate_size_mlp": 256, "head_dim": 32}),
    "gemma4 (text)": ("gemma4_text", {"head_dim": 32, "sliding_window": 16, "vocab_size_per_layer_input": 1024}),
    "qwen3.5 (text)": ("qwen3_5_text", {"head_dim": 32, "num_hidden_layers": 4}),
    "qwen3.5-moe (experts)": (
        "qwen3_5_moe_text",
        {**_EXPERTS, "head_dim": 32, "num_hidden_layers": 4, "shared_expert_intermediate_size": 128},
    ),
    "deepseek-v3 (experts)": ("deepseek_v3", {**_EXPERTS, **_LATENT}),
    "gpt-oss (experts)": ("gpt_oss", {**_EXPERTS, "head_dim": 32, "sliding_window": 16}),
    "phimoe (experts)": ("phimoe", _EXPERTS),
    "smollm3": ("smollm3", {}),
    "lfm2 (convolutions)": ("lfm2", {}),
    "jamba (attention and states)": (
        "jamba",
        {**_EXPERTS, "use_mamba_kernels": False, "attn_layer_period": 2, "attn_layer_offset": 1},
    ),
    "mamba (no attention)": ("mamba", _MAMBA),
    "mamba2 (no attention)": ("mamba2", {**_MAMBA, "num_heads": 8, "head_dim": 32, "expand": 2, "n_groups": 1}),
    "rwkv (no attention)": ("rwkv", {"attention_hidden_size": 128, "context_length": 512}),
}
# Those that hold a text model and one for images, or an encoder.
_NESTED = (
    "gemma3 (images and text)", "llava (images and text)", "qwen2-vl (images and text)", "t5 (encoder-decoder)",
)  # fmt: skip
NAMES = (*KINDS, *_NESTED)


def make(name: str, folder: Path, tokenizer: Path) -> Path:
    """The checkpoint ``name`` in float16 in ``folder``, with the tokenizer files of the folder ``tokenizer``.

    Raises whatever transformers raises where it cannot make one.
    """
    import torch

    torch.manual_seed(0)
    model = _model(name).to(torch.float16)
    with torch.no_grad():
        for parameter in model.parameters():  # greedy tokens of an untrained model repeat one token otherwise
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.08)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / file, folder / file)
    return folder


def _model(name: str) -> Any:
    import transformers

    builders: dict[str, Callable[[], Any]] = dict(
        zip(_NESTED, (_gemma3, _llava, _qwen2_vl, _encoder_decoder), strict=True)
    )
    if name in builders:
        return builders[name]()
    kind, more = KINDS[name]
    fields = {name: value for name, value in (SIZES | more).items() if value is not None or name not in SIZES}
    return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **fields))


_VISION: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 32,
    "patch_size": 16,
}  # fmt: skip


def _gemma3() -> Any:
    import transformers

    text = transformers.Gemma3TextConfig(**SIZES, head_dim=32, sliding_window=16).to_dict()
    vision = transformers.SiglipVisionConfig(**_VISION).to_dict()
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(config)


def _llava() -> Any:
    import transformers

    text, vision = transformers.LlamaConfig(**SIZES).to_dict(), transformers.CLIPVisionConfig(**_VISION).to_dict()
    config = transformers.LlavaConfig(text_config=text, vision_config=vision, image_token_index=5)
    return transformers.LlavaForConditionalGeneration(config)


def _qwen2_vl() -> Any:
    import transformers

    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]}
    vision = {"depth": 1, "embed_dim": 64, "hidden_size": 128, "num_heads": 4, "mlp_ratio": 2}
    tokens = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 7, "vision_end_token_id": 8}
    config = transformers.Qwen2VLConfig(text_config=SIZES | {"rope_parameters": rope}, vision_config=vision, **tokens)
    return transformers.Qwen2VLForConditionalGeneration(config)


def _encoder_decoder() -> Any:
    import transformers

    config = transformers.T5Config(vocab_size=1024, d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4)
    return transformers.T5ForConditionalGeneration(config)
