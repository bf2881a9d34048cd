"""How many bytes a Linear must move, and how many operations it does: modelled, never measured.

On a GPU: the DRAM traffic of the kernels that a scheme runs, as its family models it (bench/schemes, docs/method.md);
x[m, k] · W[n, k]ᵀ. On a CPU the kernels are others, so only the minimum is given: the weights once in their stored
format, the activations in and out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.schemes import family_of
from bench.schemes.traffic import MINIMUM, MODELLED, Product, Traffic, bias_terms

__all__ = ["MINIMUM", "MODELLED", "Traffic", "flop", "stored_bytes", "traffic"]

_LINEAR = "linear"


def flop(m: int, n: int, k: int) -> float:
    """Floating-point (or integer) operations of x[m, k] · W[n, k]ᵀ: one multiply and one add per element."""
    return 2.0 * m * n * k


def stored_bytes(arm: Mapping[str, Any], n: int, k: int) -> float | None:
    """Bytes of W[n, k] as this arm stores it, scales included; None where that is not known."""
    family = family_of(arm)
    return None if family is None else family.stored_bytes(arm, n, k)


def traffic(
    arm: Mapping[str, Any],
    m: int,
    n: int,
    k: int,
    *,
    op: str = _LINEAR,
    device: str = "cuda",
    bias: bool = False,
    path: str | None = None,
    multiprocessors: int | None = None,
    outlier_columns: int | None = None,
) -> Traffic | None:
    """The traffic of one call of ``op``; None where there is no model for it.

    ``path`` forces a kernel where the arm has several. ``outlier_columns`` defaults to the arm's planted ones.
    ``bias``: whether one is added.
    """
    family, of = family_of(arm), Product(m, n, k, path, multiprocessors, outlier_columns)
    if family is None:
        return None
    if op != _LINEAR:
        terms = family.step_terms(arm, op, of)
        moved = Traffic(terms, MINIMUM, op) if terms else None
    else:
        moved = family.traffic(arm, of) if device.startswith("cuda") else family.least_traffic(arm, of)
    if moved is None or not bias or op not in family.adds_bias:
        return moved
    apart = family.bias_apart and device.startswith("cuda")
    return replace(moved, terms=(*moved.terms, *bias_terms(arm, of, apart=apart)))
