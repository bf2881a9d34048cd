"""The files of a checkpoint's folder: which of them hold the weights that are loaded, what they may ask for, and
whether they can be a model at all. No torch, and nothing is loaded: the parent process plans with it. What is checked
when the model is loaded (architecture, quantisation) is not checked here.

Checkpoints come from elsewhere, and some settings would make transformers run code or unpickle a file although neither
was asked for. Beside the weights may lie the same ones in their makers' own layout (consolidated.safetensors), or
shards of an earlier download. The layout of a safetensors file is that of
https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.record.typed import decode

# The format's own limit of a header, and what no JSON file of a checkpoint comes near.
_HEADER, _JSON = 100_000_000, 64 << 20
_LENGTH = 8
# How a pointer of Git LFS begins, and what none of them is as long as.
_LFS, _POINTER = b"version https://git-lfs.github.com/spec/", 1024
# Of a tensor, what tells it from another one.
_FIRST = 4096
_MANY = 1 << 24
# A config's sizes, as its architecture calls them, and what no model comes near: a slip would be planned for hours.
_MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 4096),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head", "n_heads", "num_heads"), 1 << 16),
    **dict.fromkeys(("hidden_size", "intermediate_size", "vocab_size", "head_dim"), _MANY),
    **dict.fromkeys(("n_embd", "d_model", "ffn_dim"), _MANY),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), 1 << 31),
}  # fmt: skip
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# Formats that are pickles or hold code.
REFUSED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack", "*.gguf", "*.onnx")
_IMPLEMENTATIONS = tuple(f"{start}{kind}_implementation" for start in ("", "_") for kind in ("attn", "experts"))
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def check_fetched(folder: Path) -> None:
    """Raises UsageError where a file is what Git LFS puts in the place of one that it has not fetched."""
    for file in (*folder.glob("*.json"), *folder.glob("*.safetensors")):
        if file.is_file() and file.stat().st_size < _POINTER:
            with file.open("rb") as stream:
                if stream.read(len(_LFS)) == _LFS:
                    raise UsageError(f"{file} is a pointer of Git LFS, and not the file: run git lfs pull in {folder}")


def check_files(folder: Path, weights: Sequence[Path]) -> None:
    """Raises UsageError, which names the file, for a checkpoint that cannot be loaded."""
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", INDEX):
        if (folder / name).exists() or (folder / name).is_symlink():
            document = _json(folder / name)
            if name == "config.json":
                _check_config(document, folder / name)
            if name == INDEX:
                _check_index(document, folder)
    for file in weights:
        check_weights(file)
    if weights == (folder / WHOLE,) and (folder / INDEX).exists():
        _check_alike(folder)


def _json(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise UsageError(f"{file} is no file: fetch it again")
    if file.stat().st_size > _JSON:
        raise UsageError(f"{file} has {file.stat().st_size} bytes, and no such file has: fetch it again")
    try:
        document = decode(file.read_bytes())
    except ValueError as error:
        raise UsageError(f"{file} is damaged ({error}): fetch it again") from error
    if not isinstance(document, dict):
        raise UsageError(f"{file} is damaged (it is no JSON object): fetch it again")
    return document


def _check_config(config: Mapping[str, Any], file: Path) -> None:
    for name, value in _sizes(config):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST[name]:
            raise UsageError(
                f"{file}: {name} is {value!r}, which no model has: give a whole number up to {_MOST[name]}"
            )
    heads, shared = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if isinstance(heads, int) and isinstance(shared, int) and heads % shared:
        raise UsageError(
            f"{file}: {heads} attention heads cannot share {shared} key-value heads: num_attention_heads must be a "
            "multiple of num_key_value_heads"
        )


def _sizes(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each size with its value, those of a text model inside a larger one too; some architectures list them."""
    for name, value in config.items():
        if name == "text_config" and isinstance(value, dict):
            yield from _sizes(value)
        elif name in _MOST and value is not None:
            yield from ((name, one) for one in (value if isinstance(value, list) else (value,)))


def _check_index(index: Mapping[str, Any], folder: Path) -> None:
    for shard in shards(index, folder / INDEX):
        if not (folder / shard).is_file():
            raise UsageError(f"{folder / INDEX} names {shard}, which is not there: fetch the checkpoint again")


def _check_alike(folder: Path) -> None:
    """Raises UsageError where the whole file holds other weights than the shards beside it: only one of them is loaded,
    and nothing says which is meant. Each tensor is known by its type, its shape and its first bytes."""
    whole, parts = _begins(folder / WHOLE), dict[str, Any]()
    for shard in shards(_json(folder / INDEX), folder / INDEX):
        parts |= _begins(folder / shard)
    differ = sorted(name for name in whole.keys() | parts.keys() if whole.get(name) != parts.get(name))
    if differ:
        more = f" and {len(differ) - 1} more" if len(differ) > 1 else ""
        raise UsageError(
            f"{folder} holds two sets of weights that differ ({differ[0]}{more}): transformers loads {WHOLE}, and not "
            f"the files that {INDEX} names: remove what is not meant"
        )


def _begins(file: Path) -> dict[str, tuple[Any, ...]]:
    check_weights(file)
    with file.open("rb") as stream:
        start = _LENGTH + len(header := _header(file, file.stat().st_size))
        found = {}
        for name, one in decode(header).items():
            if name != "__metadata__":
                begin, end = one["data_offsets"]
                stream.seek(start + begin)
                found[name] = (one["dtype"], one["shape"], stream.read(min(_FIRST, end - begin)))
    return found


def check_weights(file: Path) -> None:
    """Raises UsageError where a safetensors file is missing, damaged, empty or cut off, by its header and its size."""
    if not file.is_file():
        raise UsageError(f"{file} is no file: fetch it again")
    size = file.stat().st_size
    header = _header(file, size)
    room = size - _LENGTH - len(header)
    try:
        tensors = {name: one for name, one in decode(header).items() if name != "__metadata__"}
        ends = [_end(name, one) for name, one in tensors.items()]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{file} is not a safetensors file or is damaged ({error}): fetch it again") from error
    if not ends:
        raise UsageError(f"{file} holds no weights: fetch it again")
    if max(ends) != room:
        what = "is cut off" if max(ends) > room else "is damaged"
        raise UsageError(
            f"{file} {what}: its header tells of {max(ends)} bytes of weights, and it has {room}: fetch it again"
        )


def _header(file: Path, size: int) -> bytes:
    with file.open("rb") as stream:
        head = stream.read(_LENGTH)
        length = struct.unpack("<Q", head)[0] if len(head) == _LENGTH else 0
        if not 2 <= length <= min(_HEADER, size - _LENGTH):
            raise UsageError(
                f"{file} is not a safetensors file or is damaged: a header of {length} bytes, in a file of {size}: "
                "fetch it again"
            )
        return stream.read(length)


def _end(name: str, tensor: Mapping[str, Any]) -> int:
    """Where the tensor's bytes end. Raises ValueError where they do not fit its shape."""
    shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, begin, end)):
        raise ValueError(f"{name!r} has a shape or place below 0")
    width = _BYTES.get(str(tensor["dtype"]))
    if end < begin or (width is not None and math.prod(shape) * width != end - begin):
        raise ValueError(f"{name!r} of shape {shape} does not fit its {end - begin} bytes")
    return int(end)


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


def loaded_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that are loaded, by name: what config.json names, else the whole file, else the shards that
    the index names. () where there are none of these. Raises UsageError for an index that names none."""
    named = _object(folder / "config.json").get("transformers_weights")
    if isinstance(named, str) and named:
        return _shards_of(folder / named) if named.endswith(".json") else (folder / named,)
    if not (folder / WHOLE).is_file() and (folder / INDEX).is_file():
        return _shards_of(folder / INDEX)
    # A folder, a pipe or a link to nothing of that name too, so that it is told to be no file.
    return (folder / WHOLE,) if (folder / WHOLE).exists() or (folder / WHOLE).is_symlink() else ()


def _shards_of(file: Path) -> tuple[Path, ...]:
    return tuple(file.parent / name for name in sorted(shards(_object(file), file)))


def shards(index: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    """The names of the files that an index names, each once. Raises UsageError, with ``file``'s name, for none."""
    named = index.get("weight_map")
    if not isinstance(named, Mapping) or not named:
        raise UsageError(f"{file} names no weights: fetch it again")
    return tuple(dict.fromkeys(map(str, named.values())))


def _object(file: Path) -> Mapping[str, Any]:
    """A JSON object; {} where the file is none, which is told by those who check it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
