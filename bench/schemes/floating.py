"""Unquantised: torch's own Linear in one dtype."""

from __future__ import annotations

from .definition import Arm, Family


def _float(name: str, dtype: str) -> Arm:
    return Arm(name, "float", dtype, f"torch Linear in {dtype}; no quantisation")


# A float arm's GEMM alone is its Linear less the bias, so it is not a row of its own.
FAMILY = Family(
    "float",
    "Linear",
    (_float("fp32", "float32"), _float("bf16", "bfloat16"), _float("fp16", "float16")),
    operations=("linear",),
)
