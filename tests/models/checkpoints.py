"""Tiny checkpoints on disk, as people have them: random weights of two layers and the shipped tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bench.record.errors import UsageError
from bench.workloads.describe import describe
from bench.workloads.sources import data_folder, resolve

SIZES: dict[str, Any] = {
    "vocab_size": 1024, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1,
}  # fmt: skip


def config(kind: str, **more: Any) -> Any:
    """A configuration of ``kind`` (a model type) with the tiny sizes, less those that ``more`` says are None."""
    fields = {name: value for name, value in (SIZES | more).items() if value is not None}
    return transformers.AutoConfig.for_model(kind, **fields)


def model(kind: str = "llama", dtype: str = "float16", **more: Any) -> Any:
    torch.manual_seed(3)
    made = transformers.AutoModelForCausalLM.from_config(config(kind, **more)).to(getattr(torch, dtype)).eval()
    return made.requires_grad_(False)


def save(folder: Path, made: Any) -> Path:
    """The model with the shipped tokenizer."""
    made.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(data_folder() / "smoke-model" / name, folder / name)
    return folder


def changed_config(folder: Path, **fields: Any) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    return folder


def changed_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Path:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return folder


def saved_quantised(folder: Path, plain: Path, **settings: Any) -> Path:
    """The checkpoint ``plain`` as bitsandbytes saves it with these settings."""
    made = transformers.AutoModelForCausalLM.from_pretrained(
        plain,
        dtype=torch.float16,
        device_map={"": "cpu"},
        quantization_config=transformers.BitsAndBytesConfig(**settings),
    )
    return save(folder, made)


def refusal(folder: Path | str) -> str:
    """What planning says, which is one line."""
    with pytest.raises(UsageError) as found:
        describe(resolve(str(folder)))
    assert "\n" not in str(found.value)
    return str(found.value)
