"""What a checkpoint's config.json says of how its weights were quantised when it was saved, and whether its files hold
what bitsandbytes saved, as it says: by the headers of its files alone.

bitsandbytes keeps a 4-bit weight as bytes "X.weight" with "X.weight.absmax" and a state whose name ends in the type, an
int8 one as codes "X.weight" with their scales "X.SCB" (bitsandbytes.functional.QuantState, nn.Linear8bitLt).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bench.record.errors import MachineError, UsageError, first_line
from bench.schemes import AS_SAVED
from bench.schemes.saved import method, package, saved_format

_NAMES = ("quantization_config", "compression_config")
_WEIGHT, _STATE = ".weight", ".weight.quant_state.bitsandbytes__"
_NUMBER = re.compile(r"\.\d+\.")
_EXPERT = re.compile(r"\.experts\.\d+\.")


def saved_settings(config: Any) -> dict[str, Any] | None:
    """The settings in a transformers configuration, or in its text model's; None for an unquantised checkpoint."""
    for part in (config, getattr(config, "text_config", None)):
        for name in _NAMES:
            found = part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)
            if found is not None:
                return dict(found if isinstance(found, Mapping) else found.to_dict())
    return None


def check_loadable(config: Any, device: str, name: str) -> bool:
    """Whether transformers would dequantise a checkpoint that was saved quantised when it loads it on ``device``.

    Raises MachineError where transformers has not what it takes to load it: a package, or a GPU."""
    from transformers.quantizers import AutoHfQuantizer

    settings = saved_settings(config)
    if settings is None:
        return False
    _check_said(settings, name)
    _check_offload(settings, device, name)
    try:
        quantizer = AutoHfQuantizer.from_config(settings, pre_quantized=True, trust_remote_code=False)
        quantizer.validate_environment(device_map={"": device}, weights_only=True)
    except Exception as error:  # each quantiser has errors of its own kind
        line = first_line(error)
        # Of a GPU that is not here some say so as of a package.
        lacks = isinstance(error, ImportError) and package(settings) and "GPU" not in line
        needs = f": pip install {package(settings)}" if lacks else ""
        raise MachineError(
            f"{name} was saved quantised ({saved_format(settings)}) and cannot be loaded here{needs} ({line})"
        ) from error
    return bool(getattr(quantizer.quantization_config, "dequantize", False))


def _check_said(settings: Mapping[str, Any], name: str) -> None:
    """Raises UsageError for settings that do not say how the weights were quantised."""
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as KNOWN

    by = method(settings)
    bits = sum(bool(settings.get(key)) for key in ("load_in_4bit", "load_in_8bit"))
    if by == "unknown":
        raise UsageError(f"{name}: quantization_config in config.json has no quant_method: correct it, or remove it")
    if by == "bitsandbytes" and bits != 1:
        what = "both load_in_4bit and load_in_8bit" if bits else "neither load_in_4bit nor load_in_8bit"
        raise UsageError(f"{name}: quantization_config in config.json says {what}: correct it, or remove it")
    if by != "bitsandbytes" and by not in KNOWN:
        raise UsageError(
            f"{name} was saved quantised ({saved_format(settings)}), which this transformers does not know: give its "
            "unquantised checkpoint"
        )


def _check_offload(settings: Mapping[str, Any], device: str, name: str) -> None:
    """Raises UsageError where transformers would take every module for one that was offloaded, and quantise none."""
    if method(settings) == "bitsandbytes" and settings.get("llm_int8_enable_fp32_cpu_offload") and device == "cpu":
        raise UsageError(
            f"{name} was saved with llm_int8_enable_fp32_cpu_offload in its config.json, with which transformers "
            "loads no quantised weight on a CPU: set it to false"
        )


def refuse_unfit(name: str, schemes: str | Iterable[str], settings: Mapping[str, Any] | None) -> None:
    """Raises UsageError where one of ``schemes`` cannot be made of the checkpoint ``name``."""
    asked = (schemes,) if isinstance(schemes, str) else tuple(schemes)
    if settings is None:
        if AS_SAVED in asked:
            raise UsageError(f"{name} was not saved quantised, so there is no {AS_SAVED}: choose another scheme")
        return
    others = [scheme for scheme in asked if scheme != AS_SAVED]
    if others:
        raise UsageError(
            f"{name} was saved quantised ({saved_format(settings)}), and {', '.join(others)} cannot be made of it: "
            f"measure it with --schemes {AS_SAVED}, or give its unquantised checkpoint with --model and this one with "
            "--beside"
        )


def check_bitsandbytes(skeleton: Any, weights: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> None:
    """Raises UsageError for files of another type than ``settings``, its quantization_config, say, and for a Linear
    without its weight or scales. ``skeleton``: the model on the meta device; ``weights``: on it too, by name."""
    eight = bool(settings.get("load_in_8bit"))
    codes = {key.removesuffix(_WEIGHT): _kind(key, weights) for key in weights if _holds_codes(key, weights)}
    wanted = "int8" if eight else str(settings.get("bnb_4bit_quant_type") or "fp4")
    other = sorted(module for module, kind in codes.items() if kind not in (wanted, ""))
    if other:
        raise UsageError(
            f"{name} was saved in {wanted} by its config.json, and its files hold {codes[other[0]]} for {other[0]}: "
            "fetch it again"
        )
    experts = sorted(module for module in codes if _EXPERT.search(module))
    if experts and not any(_EXPERT.search(module) for module, _ in skeleton.named_modules()):
        raise UsageError(
            f"{name} was saved in {wanted} by an older transformers, each expert a Linear ({experts[0]}): "
            "today's loads no codes of experts, so give its unquantised checkpoint"
        )
    if eight and codes and settings.get("llm_int8_has_fp16_weight"):
        raise UsageError(
            f"{name} was saved in int8 with llm_int8_has_fp16_weight in its config.json, with which "
            "transformers loads no int8 codes: set it to false"
        )
    twice = bool(settings.get("bnb_4bit_use_double_quant")) and not eight
    lacking = [key for module in sorted(codes) for key in _parts(module, eight, twice) if key not in weights]
    lacking += sorted(_missing(skeleton, weights))
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise UsageError(
            f"{name} was saved in {wanted} by its config.json, and lacks {lacking[0]}{more}: fetch it again"
        )


def _holds_codes(key: str, weights: Mapping[str, Any]) -> bool:
    """Codes are integers, or of 4 bits packed into the type that bnb_4bit_quant_storage names."""
    if not key.endswith(_WEIGHT) or weights[key].dim() != 2:
        return False
    return not weights[key].is_floating_point() or f"{key}.absmax" in weights or bool(_kind(key, weights))


def _kind(key: str, weights: Mapping[str, Any]) -> str:
    """ "int8", "nf4", "fp4", or "" where nothing tells."""
    module = key.removesuffix(_WEIGHT)
    named = next((known for known in ("nf4", "fp4") if f"{module}{_STATE}{known}" in weights), "")
    return named or ("int8" if str(weights[key].dtype) == "torch.int8" else "")


def _parts(module: str, eight: bool, twice: bool) -> Iterator[str]:
    """What belongs to the codes of a module."""
    if eight:
        yield f"{module}.SCB"
        return
    yield f"{module}.weight.absmax"
    if twice:
        yield f"{module}.weight.nested_absmax"


def _missing(skeleton: Any, weights: Collection[str]) -> Iterable[str]:
    """Weights of Linears that are not there although those of the same name in other layers are: where none is,
    the files may call them otherwise, which transformers knows."""
    import torch

    linears = {f"{key}{_WEIGHT}" for key, module in skeleton.named_modules() if isinstance(module, torch.nn.Linear)}
    there = {_NUMBER.sub(".*.", key) for key in linears & set(weights)}
    return (key for key in linears - set(weights) if _NUMBER.sub(".*.", key) in there)
