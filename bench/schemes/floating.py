"""Unquantised: torch's own Linear in one dtype."""

from __future__ import annotations

from typing import Any

from .code import pretrained
from .definition import Arm, Facts, Family
from .traffic import MODELLED, Product, Traffic, activations, exact, width

KIND = "float"
# What the others are set against where the reference was not measured, in order.
STAND_INS = ("bf16", "fp32")


def unquantised(dtype: Any) -> Facts:
    """The facts of a layer that quantisers leave alone, of a model in that dtype."""
    return {"kind": KIND, "dtype": dtype}


def _float(name: str, dtype: str, colours: tuple[str, str], **others: Any) -> Arm:
    described = f"torch Linear in {dtype}; no quantisation"
    return Arm(name, KIND, dtype, described, not_converted=(), colours=colours, **others)


class Floating(Family):
    """A float arm's GEMM alone is its Linear less the bias, so it is not a row of its own."""

    kind = KIND
    rank = 0
    module = "Linear"
    quantises = False
    # Neutral colours, as nothing is quantised.
    arms = (
        _float("fp32", "float32", ("#a0a8b2", "#757e89"), in_bfloat16="fp32", minor=True),
        _float("bf16", "bfloat16", ("#737d89", "#a0a9b4"), in_bfloat16="bf16", minor=True),
        _float("fp16", "float16", ("#30373f", "#dde1e6"), in_bfloat16="bf16"),
    )

    def quantised(self, linear: Any, arm: Arm) -> Any:  # noqa: ARG002
        return linear

    def stored_bytes(self, facts: Facts, n: int, k: int) -> float:
        return n * k * width(facts.get("dtype"))

    def traffic(self, facts: Facts, of: Product) -> Traffic:
        terms = (exact("weights", self.stored_bytes(facts, of.n, of.k)), *activations(width(facts.get("dtype")), of))
        return Traffic(terms, MODELLED, "cublas")

    def loading_code(self, facts: Facts) -> str:
        return pretrained(facts)


FAMILY = Floating()
