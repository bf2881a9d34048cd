"""What every family of schemes answers of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .arm import Arm, Kind

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
