"""Weight-only int4 by torch's own kernels: an alternative to bitsandbytes (layers/int4_linear.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from .definition import Arm, Facts, Family, Read
from .traffic import MODELLED, Product, Term, Traffic, activations, width

KIND = "int4"
# torch's kernel goes through the weights once for every 16 rows.
_ROWS_AT_ONCE = 16


class Int4(Family):
    """Made of a Linear by this tool's own module; so there is no code for users."""

    kind = KIND
    rank = 30
    module = "Int4Linear"
    arms = (
        Arm("int4-tinygemm", KIND, "bfloat16",
            "weight-only int4 by torch's own kernels, min-max in groups of 128 (torchao's scheme): an alternative",
            blocksize=128, colours=("#2f8f4e", "#67c987")),
    )  # fmt: skip
    bias_apart = True
    says: ClassVar[Mapping[str, Read]] = {"blocksize": lambda module: module.group}

    def quantised(self, linear: Any, arm: Arm) -> Any:
        from .layers.int4_linear import Int4Linear

        return Int4Linear(linear.weight.data, linear.bias, arm.blocksize or 0)

    def weights(self, module: Any) -> int:
        return int(module.unpacked)

    def stored_weight(self, module: Any) -> Any:
        return module.packed

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        """Half a byte a weight; a group's scale and offset in bfloat16 are 4 bytes."""
        return n * k * (0.5 + 4.0 / float(facts.get("blocksize") or 128))

    def traffic(self, facts: Facts, of: Product) -> Traffic:
        """What the kernel reads again may hit the L2 cache."""
        stored = self.stored_bytes(facts, of.n, of.k)
        weights = Term("weights", stored, stored * math.ceil(of.m / _ROWS_AT_ONCE))
        return Traffic((weights, *activations(width(facts.get("dtype")), of)), MODELLED, "tinygemm")


FAMILY = Int4()
