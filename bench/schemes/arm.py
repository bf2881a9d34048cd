"""One scheme as frozen data. An arm says everything that decides what runs: nothing is left to a library's default,
because BitsAndBytesConfig's defaults (fp4, float32 compute) are not what people mean.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["float", "int8", "4bit", "int4", "saved"]


@dataclass(frozen=True)
class Arm:
    """One scheme. ``dtype`` is the model's (activations, norms, lm_head); ``compute_dtype`` is what a quantised
    Linear computes in; ``threshold`` is LLM.int8()'s outlier threshold (0: no decomposition);
    ``planted_columns`` activation columns are made outliers before quantising (bench/workloads/planting.py)."""

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
