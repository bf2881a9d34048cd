"""Tiny models of several architectures with random weights, and a Session over any of them: no files, no tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bench.record.schema import Case
from bench.workloads.batches import Batch
from bench.workloads.models import LoadedModel
from bench.workloads.session import Session
from tests.long_tables import some_of

# Those whose attention heeds config.sliding_window; gemma and cohere cannot be built without one.
WINDOWED = ("starcoder2", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "cohere2")
ALWAYS_WINDOWED = ("gemma2", "gemma3_text", "cohere2")
# Those that know no window, whatever their config says.
PLAIN = ("llama", "phi", "gpt_neox")
VOCABULARY = 97


def some_windows(*kinds: str) -> list[Any]:
    """Parameters (kind, window): none, one that is never reached, and one that is. Every other
    kind with the last one, and one kind with each, in every run of the tests; all in the long one."""
    pairs = [(k, window) for k in kinds for window in (None, 4096, 16) if window or k not in ALWAYS_WINDOWED]
    return some_of(pairs, [pair for pair in pairs if pair[0] == kinds[0] or (pair[0] in kinds[::2] and pair[1] == 16)])


def tiny(kind: str, window: int | None = None, **more: Any) -> Any:
    """A model of three layers whose greedy tokens vary."""
    fields: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": window,
    }  # fmt: skip
    if kind in ("qwen2", "qwen3") and window is not None:
        fields |= {"use_sliding_window": True, "max_window_layers": 1}
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(fields | more))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.15)
    return model.requires_grad_(False)


def prompt(rows: int, length: int, seed: int = 0, device: str = "cpu") -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (rows, length), generator=generator).to(device)
    return Batch({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, tuple(map(str, range(rows))))


def session(model: Any, batches: Sequence[Batch], new_tokens: int, **coordinates: Any) -> Session:
    case = Case(
        "generation", "tiny", "", "fp32", model.device.type, 0, batch_size=batches[0].inputs["input_ids"].shape[0],
        prompts="random", new_tokens=new_tokens, **({"cache": "dynamic", "stop": "length"} | coordinates),
    )  # fmt: skip
    return Session(case, LoadedModel(model, None, {}, 0.0), batches)
