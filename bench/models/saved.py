"""What a checkpoint's config.json says of how its weights were quantised when it was saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.record.errors import MachineError, UsageError, first_line
from bench.schemes import AS_SAVED
from bench.schemes.saved import method, package, saved_format

_NAMES = ("quantization_config", "compression_config")


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
