"""LLM.int8() of bitsandbytes: int8 weights and activations, with or without its decomposition of outliers."""

from __future__ import annotations

from typing import Any

from .definition import Arm, Family


def _int8(name: str, description: str, *, threshold: float, dtype: str = "float16", planted: int = 0) -> Arm:
    return Arm(name, "int8", dtype, description, threshold=threshold, planted_columns=planted)


def _settings(arm: Arm) -> dict[str, Any]:
    return {"load_in_8bit": True, "llm_int8_threshold": arm.threshold}


FAMILY = Family(
    "int8",
    "Linear8bitLt",
    (
        _int8("int8", "LLM.int8(), outlier threshold 6.0, in float16", threshold=6.0),
        _int8("int8-thr0", "int8 weights and activations, no outlier decomposition (threshold 0)", threshold=0.0),
        _int8("int8-planted", "LLM.int8(), threshold 6.0, six outlier columns planted", threshold=6.0, planted=6),
        _int8("int8-bf16", "LLM.int8(), threshold 6.0, model in bfloat16 (casts)", threshold=6.0, dtype="bfloat16"),
    ),
    operations=("linear", "quantise_activations", "gemm", "dequantise"),
    says={"threshold": lambda module: float(module.state.threshold)},
    settings=_settings,
)
