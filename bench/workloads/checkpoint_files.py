"""Whether a checkpoint's files can be a model at all, seen from their headers while a run is planned: no torch, and
nothing is loaded. What is checked when the model is loaded (architecture, quantisation) is not checked here.

The layout of a safetensors file is that of https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.models.weight_files import INDEX, WHOLE, shards
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
        told = stream.read(_LENGTH)
        length = struct.unpack("<Q", told)[0] if len(told) == _LENGTH else 0
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
