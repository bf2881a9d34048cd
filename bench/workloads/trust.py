"""What a checkpoint's own files may ask for. They come from elsewhere, and some settings would make transformers run
code or unpickle a file although neither was asked for. No torch: the parent process plans with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.models.weight_files import INDEX as INDEX
from bench.record.errors import UsageError

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# Formats that are pickles or hold code.
REFUSED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack", "*.gguf", "*.onnx")
_IMPLEMENTATIONS = tuple(f"{start}{kind}_implementation" for start in ("", "_") for kind in ("attn", "experts"))


def check_folder(folder: Path) -> None:
    """Raises UsageError where the folder's files ask for code or for weights that are no safetensors."""
    name = str(folder)
    if (folder / ADAPTER).exists():
        how = "give the folder of its base model as --model and this one as --adapter"
        if (folder / CONFIG).exists():
            how = "move its files to a folder of their own, and give that as --adapter"
        raise UsageError(f"{name} holds an adapter ({ADAPTER}): {how}")
    check_config(read_json(folder / CONFIG), name)
    if (folder / INDEX).exists():
        check_index(read_json(folder / INDEX), name)


def check_config(config: Mapping[str, Any], name: str) -> None:
    """Raises UsageError for a config.json that names kernels of the hub, which are code, or another weight file.

    transformers fetches and runs what "attn_implementation": "owner/name" names, whatever trust_remote_code says.
    """
    for setting in _IMPLEMENTATIONS:
        value = config.get(setting)
        named = [str(item) for item in value.values()] if isinstance(value, Mapping) else [str(value)]
        if any("/" in item for item in named):
            raise UsageError(f"{name}: {setting} in {CONFIG} names code of the hub, which is never run: remove it")
    parts = [part for part in (config, config.get("text_config")) if isinstance(part, Mapping)]
    for setting in ("quantization_config", "compression_config"):
        for value in (part.get(setting) for part in parts):
            if value is not None and not isinstance(value, Mapping):
                raise UsageError(f"{name}: {setting} in {CONFIG} is {value!r}, and no settings: correct or remove it")
    own = config.get("quantization")
    if isinstance(own, Mapping) and {"bits", "group_size"} <= own.keys():
        raise UsageError(
            f"{name} was saved quantised by MLX, which transformers does not load: give its unquantised checkpoint"
        )
    classes = config.get("architectures")
    if classes is not None and not isinstance(classes, list):
        raise UsageError(f"{name}: architectures in {CONFIG} is {classes!r}, and no list of names: correct it")
    weights = config.get("transformers_weights")
    if weights is not None and not str(weights).endswith((".safetensors", ".safetensors.index.json")):
        raise UsageError(f"{name}: {CONFIG} names {weights} as its weights: only safetensors are loaded")


def check_index(index: Mapping[str, Any], name: str) -> None:
    """Raises UsageError unless every part that the index names is a safetensors file beside it."""
    parts = index.get("weight_map")
    if not isinstance(parts, Mapping):
        raise UsageError(f"{name}: {INDEX} has no weight_map: fetch it again")
    for part in map(str, parts.values()):
        if not part.endswith(".safetensors") or Path(part).name != part:
            raise UsageError(f"{name}: {INDEX} names {part!r}: only safetensors files beside it are loaded")
    if not isinstance(index.get("metadata"), Mapping):
        raise UsageError(
            f"{name}: {INDEX} has no metadata, without which transformers loads no weights: fetch it again"
        )


def refused_weights(folder: Path) -> str:
    """The weight files of other formats, for a message; "" where there are none."""
    found = sorted(path.name for pattern in REFUSED for path in folder.glob(pattern))
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def read_json(file: Path) -> dict[str, Any]:
    """Raises UsageError where the file is no JSON object."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read as JSON ({error}): fetch it again") from error
    if not isinstance(document, dict):
        raise UsageError(f"{file} is no JSON object: fetch it again")
    return document
