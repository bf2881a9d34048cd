"""What a traffic model is made of: terms in bytes, and how much a number takes. Each family has a model of its own.

Every term has a low and a high bound, which differ where the model cannot tell what happens (a re-read that may hit
the L2 cache, a kernel chosen by a heuristic in a library that depends on the GPU).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float64": 8.0}
MODELLED, MINIMUM = "modelled", "minimum traffic"
# What a product of integers multiplies.
INTEGER = "int8"


@dataclass(frozen=True)
class Term:
    """One part of the traffic, in bytes."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Traffic:
    """Bytes moved for one call. ``label`` says whether it is "modelled" or the "minimum traffic"; ``path`` is the
    kernel assumed, "any" where the low and high bounds span all that are possible."""

    terms: tuple[Term, ...]
    label: str
    path: str

    @property
    def low(self) -> float:
        return sum(term.low for term in self.terms)

    @property
    def high(self) -> float:
        return sum(term.high for term in self.terms)


@dataclass(frozen=True)
class Product:
    """x[m, k] · W[n, k]ᵀ, and what a model may take into account of it.

    ``path`` forces a kernel where a family has several. ``outlier_columns``: columns of x over an outlier threshold;
    None: as many as the arm plants. ``multiprocessors`` of the GPU, None where not known.
    """

    m: int
    n: int
    k: int
    path: str | None = None
    multiprocessors: int | None = None
    outlier_columns: int | None = None


def exact(name: str, value: float) -> Term:
    """A term whose bounds are equal."""
    return Term(name, float(value), float(value))


def width(dtype: Any) -> float:
    """Bytes of a number of that dtype; 2 of one that is not known."""
    return BYTES.get(str(dtype).removeprefix("torch."), 2.0)


def activations(each: float, of: Product) -> tuple[Term, Term]:
    """x in and the output out, at ``each`` bytes a number."""
    return (exact("activations in", each * of.m * of.k), exact("activations out", each * of.m * of.n))


def bias_terms(facts: Mapping[str, Any], of: Product, *, apart: bool) -> Iterator[Term]:
    """A bias is read once, by the kernel that writes the output, or (``apart``) added by a kernel of its own."""
    each = width(facts.get("dtype"))
    yield exact("bias", each * of.n)
    if apart:
        yield exact("output read and written again to add the bias", 2.0 * each * of.m * of.n)
