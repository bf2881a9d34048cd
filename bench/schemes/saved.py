"""A checkpoint that was saved quantised, measured as it is: what its config.json says, as an arm.

Where bitsandbytes made it, the arm is one of bitsandbytes' families with the checkpoint's own settings, and is checked
and explained as any other. Of other formats only the class and the number of its modules are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import four_bit, int8
from .definition import Arm, Facts, Family, plain_tensors
from .four_bit_traffic import BLOCKSIZE

KIND = "saved"
AS_SAVED = Arm("as-saved", KIND, "float16", "a quantised checkpoint as it was saved, whatever it is", not_converted=())


class Saved(Family):
    """Of a format that is not known here: nothing can be made of it, and its bytes are not known."""

    kind = KIND
    rank = 1000
    operations = ()

    def weights(self, module: Any) -> int:
        """By its features: how they are packed is not known."""
        return int(getattr(module, "in_features", 0) * getattr(module, "out_features", 0))

    def holds(self, module: Any) -> bool:
        """Whether a module keeps its weights in codes: integers, or 8 bits."""
        whole = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        own = (part for tensor in whole for part in plain_tensors(tensor))
        return any(t.dim() >= 2 and (t.element_size() == 1 or not t.is_floating_point()) for t in own)

    def stored_bytes(self, facts: Facts, n: int, k: int) -> None:  # noqa: ARG002
        return None


FAMILY = Saved()

# quant_method in config.json → the package that transformers loads it with, where that is not its own.
_PACKAGES = {
    "gptq": "gptqmodel and optimum",
    "awq": "gptqmodel",
    "compressed-tensors": "compressed-tensors",
    "torchao": "torchao",
    "hqq": "hqq",
    "quanto": "optimum-quanto",
    "aqlm": "aqlm",
    "eetq": "kernels",
    "fbgemm_fp8": "fbgemm-gpu",
    "quark": "amd-quark",
    "vptq": "vptq",
    "spqr": "spqr_quant",
    "higgs": "flute-kernel",
    "mxfp4": "kernels",
}


def method(settings: Mapping[str, Any]) -> str:
    """What quantised the checkpoint; bitsandbytes' own configurations of before 2024 do not say."""
    named = settings.get("quant_method")
    if named is None and (settings.get("load_in_4bit") or settings.get("load_in_8bit")):
        return "bitsandbytes"
    return "bitsandbytes" if str(named).startswith("bitsandbytes") else str(named or "unknown")


def package(settings: Mapping[str, Any]) -> str:
    """What has to be installed to load it; "" where nothing has to."""
    return _PACKAGES.get(method(settings), "")


def as_saved(settings: Mapping[str, Any], dtype: str) -> Arm:
    """The arm of a checkpoint with this ``quantization_config``, whose other weights are in ``dtype``.

    transformers fills in what the configuration leaves out: fp4, float32 and a threshold of 6 are its defaults.
    """
    made = replace(AS_SAVED, dtype=dtype, description=f"the checkpoint as it was saved: {saved_format(settings)}")
    if method(settings) != "bitsandbytes":
        return made
    made = replace(made, not_converted=tuple(map(str, settings.get("llm_int8_skip_modules") or ())))
    if settings.get("load_in_8bit"):
        return replace(made, kind=int8.KIND, threshold=float(settings.get("llm_int8_threshold", 6.0)))
    return replace(
        made,
        kind=four_bit.KIND,
        compute_dtype=str(settings.get("bnb_4bit_compute_dtype") or "float32").removeprefix("torch."),
        quant_type=str(settings.get("bnb_4bit_quant_type") or "fp4"),
        double_quant=bool(settings.get("bnb_4bit_use_double_quant")),
        blocksize=BLOCKSIZE,
    )


def saved_format(settings: Mapping[str, Any]) -> str:
    """The checkpoint's format in words: "4 bit nf4 with double quantisation by bitsandbytes"."""
    by = method(settings)
    if by != "bitsandbytes":
        bits = settings.get("bits")
        return f"{bits} bit by {by}" if bits else by
    if settings.get("load_in_8bit"):
        return "int8 by bitsandbytes"
    twice = " with double quantisation" if settings.get("bnb_4bit_use_double_quant") else ""
    return f"4 bit {settings.get('bnb_4bit_quant_type') or 'fp4'}{twice} by bitsandbytes"
