"""Do the weights of a checkpoint fill the model that its configuration describes?

What is missing, transformers fills with random numbers and says so in a log that nobody reads: every figure would then
be of another model. Folders are looked at while planning, by the headers of their files alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.models.checkpoint_files import loaded_files
from bench.models.saved import check_bitsandbytes
from bench.record.errors import UsageError, told
from bench.schemes.definition import dtype_name
from bench.schemes.saved import method, saved_format

_SHOWN = 3
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def check(info: Mapping[str, Any], name: str, *, adapter: bool = False) -> None:
    """Raises UsageError where transformers' loading info ("missing_keys" and its like) names a weight.

    ``adapter``: of an adapter's files, which its own config and the model that it is put on describe.
    """
    mismatched = [f"{_mismatch_text(key)}" for key in info.get("mismatched_keys", ())]
    found = {
        "has no weights for": sorted(map(str, info.get("missing_keys", ()))),
        "has weights of another shape for": sorted(mismatched),
        "has weights that the model does not use:": sorted(map(str, info.get("unexpected_keys", ()))),
    }
    amiss = [f"{what} {_listed(keys)}" for what, keys in found.items() if keys]
    if amiss:
        of = "described by its adapter_config.json for this model" if adapter else "of the model in its config.json"
        raise UsageError(
            f"{name} {'; it '.join(amiss)}: its files are not those {of}, so fetch them again, or give the checkpoint "
            "that they belong to"
        )


def _mismatch_text(key: Any) -> str:
    """(name, shape in the file, shape in the model) in words."""
    if isinstance(key, str):
        return key
    name, found, wanted = key
    return f"{name} ({'×'.join(map(str, found))}, not {'×'.join(map(str, wanted))})"


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def check_folder(skeleton: Any, folder: Path, settings: Mapping[str, Any] | None, name: str) -> None:
    """Whether the folder's safetensors files fill the model, by their headers, without reading a weight. ``settings``:
    its quantization_config, None for an unquantised checkpoint.

    ``skeleton``: the model on the meta device. Raises UsageError; a type of number that is not known here is left to
    the loading itself.
    """
    if settings is None:
        _check_plain(skeleton, folder, name)
    else:
        _check_quantised(skeleton, folder, settings, name)


def _check_plain(skeleton: Any, folder: Path, name: str) -> None:
    import transformers

    weights = _headers(folder)
    if weights is None:
        return
    _refuse_codes(skeleton, weights, name)
    was = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        _, info = type(skeleton).from_pretrained(
            None,
            config=skeleton.config,
            state_dict=weights,
            device_map={"": "meta"},
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    except Exception as error:  # each architecture has errors of its own kind
        raise UsageError(f"transformers cannot make a model of {name}'s config.json: {told(error)}") from error
    finally:
        transformers.logging.set_verbosity(was)
    made, named = type(skeleton).__name__, json.loads((folder / "config.json").read_text()).get("architectures") or []
    if named and made not in named and info["unexpected_keys"]:
        raise UsageError(
            f"{name} holds a {named[0]}, of which transformers makes a {made} to generate text, without "
            f"{_listed(sorted(info['unexpected_keys']))}: give the checkpoint of the language model alone"
        )
    check(info, name)


def _refuse_codes(skeleton: Any, weights: Mapping[str, Any], name: str) -> None:
    """Integers and 8-bit numbers would be loaded as if they were the weights themselves, without their scales."""
    wanted = {key: part for key, part in skeleton.named_parameters() if part.is_floating_point()}
    codes = [key for key in wanted.keys() & weights.keys() if _is_code(weights[key])]
    if codes:
        kinds = dict.fromkeys(str(weights[key].dtype).removeprefix("torch.") for key in sorted(codes))
        raise UsageError(
            f"{name} holds {' and '.join(kinds)} codes for {_listed(sorted(codes))}, and its config.json has no "
            "quantization_config that says what they stand for: fetch it again, or give the one that it was made of"
        )


def _is_code(tensor: Any) -> bool:
    return not tensor.is_floating_point() or tensor.element_size() == 1


def _check_quantised(skeleton: Any, folder: Path, settings: Mapping[str, Any], name: str) -> None:
    """Raises UsageError where a folder was saved quantised by its config.json, with these ``settings``, and its files
    hold no codes: only numbers of 16 bits and more; or, where bitsandbytes made them, not those that belong together.
    By their headers alone."""
    saved = saved_format(settings)
    weights = _headers(folder)
    codes = weights is None or any(map(_is_code, weights.values()))
    if not codes:
        raise UsageError(
            f"{name} was saved quantised ({saved}) by its config.json, and its files hold no quantised weight: fetch "
            "it again, or remove quantization_config from config.json"
        )
    if weights is not None and method(settings) == "bitsandbytes":
        check_bitsandbytes(skeleton, weights, settings, name)


def commonest_dtype(folder: Path) -> str:
    """What most weights in a folder's files are in ("bfloat16"); "" where that is not known."""
    sizes: Counter[str] = Counter()
    for part in (_headers(folder) or {}).values():
        sizes[dtype_name(part.dtype)] += part.numel()
    return next((name for name, _ in sizes.most_common(1)), "")


def _headers(folder: Path) -> dict[str, Any] | None:
    """The tensors of a folder's files on the meta device, by name; None where one has a type that is not known."""
    import torch
    from safetensors import SafetensorError, safe_open

    found: dict[str, Any] = {}
    for file in loaded_files(folder):
        try:
            with safe_open(file, "pt") as stream:
                for key in stream.keys():  # noqa: SIM118 - no mapping: it has no iterator
                    part = stream.get_slice(key)
                    dtype = _DTYPES.get(part.get_dtype())
                    if dtype is None:
                        return None
                    shape = part.get_shape()
                    found[key] = torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        except (SafetensorError, OSError) as error:
            raise UsageError(f"{file} is damaged ({str(error).splitlines()[0]}): fetch it again") from error
    return found
