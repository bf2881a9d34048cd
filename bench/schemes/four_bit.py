"""bitsandbytes' 4-bit weights: a table of 16 values (fp4, nf4), a scale for each block, products in 16 or 32 bits."""

from __future__ import annotations

from typing import Any

from .definition import Arm, Family, dtype_name

BLOCKSIZE = 64


def _4bit(
    name: str,
    description: str,
    quant_type: str,
    *,
    double_quant: bool = False,
    compute: str = "float16",
    dtype: str = "float16",
) -> Arm:
    return Arm(
        name,
        "4bit",
        dtype,
        description,
        compute_dtype=compute,
        quant_type=quant_type,
        double_quant=double_quant,
        blocksize=BLOCKSIZE,
    )


def _settings(arm: Arm) -> dict[str, Any] | None:
    """None for another block size: transformers' configuration knows one only."""
    if arm.blocksize not in (None, BLOCKSIZE):
        return None
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": arm.quant_type,
        "bnb_4bit_use_double_quant": arm.double_quant,
        "bnb_4bit_compute_dtype": arm.compute_dtype or arm.dtype,
    }


FAMILY = Family(
    "4bit",
    "Linear4bit",
    (
        _4bit("fp4", "4-bit floating point weights, compute in float16", "fp4"),
        _4bit("nf4", "4-bit NormalFloat weights, compute in float16", "nf4"),
        _4bit(
            "nf4-dq",
            "4-bit NormalFloat weights, scales quantised again (double quantisation)",
            "nf4",
            double_quant=True,
        ),
        _4bit(
            "nf4-bf16",
            "4-bit NormalFloat weights, model and compute in bfloat16",
            "nf4",
            compute="bfloat16",
            dtype="bfloat16",
        ),
        _4bit(
            "4bit-default",
            "load_in_4bit with library defaults: fp4, compute in float32 on a float16 model",
            "fp4",
            compute="float32",
        ),
        _4bit(
            "4bit-study",
            "load_in_4bit as the StarCoder2 study ran it: fp4, compute in bfloat16 on a float16 model",
            "fp4",
            compute="bfloat16",
        ),
    ),
    operations=("linear", "dequantise", "gemm"),
    says={
        "compute_dtype": lambda module: dtype_name(module.compute_dtype),
        "quant_type": lambda module: module.weight.quant_state.quant_type,
        "blocksize": lambda module: module.weight.quant_state.blocksize,
        "double_quant": lambda module: bool(module.weight.quant_state.nested),
    },
    weights=lambda module: int(module.weight.quant_state.shape.numel()),
    settings=_settings,
)
