"""The arms: every number format that can be measured, in one table. Pure data; torch is not imported here.

Adding an arm is one entry in ``ARMS``. An arm says everything that decides what runs: nothing is left to a
library's default, because BitsAndBytesConfig's defaults (fp4, float32 compute) are not what people mean.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from bench.record.errors import UsageError

Kind = Literal["float", "int8", "4bit", "int4"]


@dataclass(frozen=True)
class Arm:
    """One scheme. ``dtype`` is the model's (activations, norms, lm_head); ``compute_dtype`` is what a quantised
    Linear computes in; ``threshold`` is LLM.int8()'s outlier threshold (0: no decomposition);
    ``planted_columns`` activation columns are made outliers before quantising (see ``planting.py``)."""

    name: str
    kind: Kind
    dtype: str
    description: str
    compute_dtype: str = ""
    quant_type: str | None = None
    double_quant: bool = False
    blocksize: int | None = None
    threshold: float | None = None
    planted_columns: int = 0
    disable_compile: bool = True
    not_converted: tuple[str, ...] = ("lm_head",)

    def facts(self) -> dict[str, Any]:
        """Exactly what this arm is, for the record."""
        facts = asdict(self)
        facts["compute_dtype"] = self.compute_dtype or self.dtype
        facts["not_converted"] = list(self.not_converted) if self.kind != "float" else []
        return facts


def _float(name: str, dtype: str) -> Arm:
    return Arm(name, "float", dtype, f"torch Linear in {dtype}; no quantisation")


def _int8(name: str, description: str, *, threshold: float, dtype: str = "float16", planted: int = 0) -> Arm:
    return Arm(name, "int8", dtype, description, threshold=threshold, planted_columns=planted)


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
        blocksize=64,
    )


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        _float("fp32", "float32"),
        _float("bf16", "bfloat16"),
        _float("fp16", "float16"),
        _int8("int8", "LLM.int8(), outlier threshold 6.0, in float16", threshold=6.0),
        _int8("int8-thr0", "int8 weights and activations, no outlier decomposition (threshold 0)", threshold=0.0),
        _int8("int8-planted", "LLM.int8(), threshold 6.0, six outlier columns planted", threshold=6.0, planted=6),
        _int8("int8-bf16", "LLM.int8(), threshold 6.0, model in bfloat16 (casts)", threshold=6.0, dtype="bfloat16"),
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
        Arm(
            "int4-tinygemm",
            "int4",
            "bfloat16",
            "weight-only int4 by torch's own kernels, min-max in groups of 128 (torchao's scheme): an alternative",
            blocksize=128,
        ),
    )
}
REFERENCE = "fp16"


def arm(name: str) -> Arm:
    """The arm of that name. Raises UsageError for an unknown one, naming the known ones."""
    try:
        return ARMS[name]
    except KeyError:
        raise UsageError(f"unknown scheme {name!r}: choose from {', '.join(ARMS)}") from None
