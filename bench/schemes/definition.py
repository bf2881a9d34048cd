"""One scheme as frozen data, and what every family of schemes answers of itself.

An arm says everything that decides what runs: nothing is left to a library's default, because BitsAndBytesConfig's
defaults (fp4, float32 compute) are not what people mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
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


Read = Callable[[Any], Any]


def _no_settings(_: Arm) -> dict[str, Any] | None:
    return None


@dataclass(frozen=True)
class Family:
    """``module``: the class that a model's Linears become ("" where it is not known beforehand). ``says``: field of the
    Arm → how such a module says it. ``weights``: how many weights a module holds, packed or not. ``settings``: what
    BitsAndBytesConfig is given to load a checkpoint (None: nothing, the Linears are quantised one by one afterwards, or
    not at all). ``operations``: the steps of a Linear that are timed, the whole and each alone.
    """

    kind: Kind
    module: str
    arms: tuple[Arm, ...]
    operations: tuple[str, ...] = ()
    says: Mapping[str, Read] = field(default_factory=dict)
    weights: Callable[[Any], int] = lambda module: int(module.weight.numel())
    settings: Callable[[Arm], dict[str, Any] | None] = _no_settings

    @property
    def quantises(self) -> bool:
        """Whether a model in it must hold quantised modules."""
        return self.kind != "float"


def dtype_name(dtype: Any) -> str:
    """torch.float16 → "float16"."""
    return str(dtype).removeprefix("torch.")
