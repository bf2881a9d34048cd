"""One claim that rests on several comparisons: "nf4 lowers joules somewhere", "something is slower", "a removal helps".

Each of k comparisons is wrong in at most 5 % by itself, and one of them by chance in up to k times that. So all are
taken together by the step-up procedure of Benjamini & Hochberg 1995 (Journal of the Royal Statistical Society B 57),
one-sided: the i smallest tails are sure where the i-th is at most 5 % · i ÷ k. Where nothing differs, anything is then
called sure in at most 5 % (Simes 1986, Biometrika 73), also where the comparisons depend on each other by a reference
that they share, which makes them err together (Benjamini & Yekutieli 2001, Annals of Statistics 29).

Verdicts of arms beside one reference are taken together too, both ways at once: of eight schemes without a difference
one was called SLOWER or FASTER in 20 % of simulated runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from ..statistics import CONFIDENCE, Estimate
from .assumed import FREEDOM, quantile
from .student import t_cdf
from .verdict import MARGIN, Verdict, verdict

# A difference, the lower bound of its 95 % interval (None: it has none), and the degrees of freedom of that.
Difference = tuple[float, float | None, float | None]


def slower_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are above 1 for sure, all of them taken together."""
    return more_among([_logarithm(one) for one in ratios])


def faster_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are below 1 for sure, all of them taken together."""
    return slower_among([one.inverse() for one in ratios])


def apart_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are off 1 for sure, either way, all of them taken together. One whose spread is assumed
    stands by itself: it is called so, and leaves 1 out only beyond what a machine on record would make of all arms
    together (docs/verdicts.md)."""
    seen = [one for one in ratios if not one.assumed]
    sides = more_among([_logarithm(side) for one in seen for side in (one, one.inverse())])
    together = iter([above or below for above, below in zip(sides[::2], sides[1::2], strict=True)])
    return tuple(True if one.assumed else next(together) for one in ratios)


class HasVerdict(Protocol):
    @property
    def verdict(self) -> Verdict | None: ...


Row = TypeVar("Row", bound=HasVerdict)


def judged_together(rows: Sequence[Row], ratio_of: Callable[[Row], Estimate | None]) -> tuple[Row, ...]:
    """Arms beside one reference, their ``verdict`` each by itself: with verdicts by which anything is SLOWER or FASTER
    by chance in at most 5 % of runs without a difference."""
    known = [one for row in rows if row.verdict and (one := ratio_of(row))]
    chance = {id(one) for one, sure in zip(known, apart_among(known), strict=True) if not sure}

    def told(row: Row) -> Row:
        by_chance = id(ratio_of(row)) in chance and row.verdict in ("SLOWER", "FASTER")
        return replace(row, verdict="AMBIGUOUS") if by_chance else row  # type: ignore[type-var]

    return tuple(map(told, rows))


def more_among(differences: Sequence[Difference]) -> tuple[bool, ...]:
    """Which of the differences are above 0 for sure. What has no interval is no comparison."""
    return small_among([_tail(*one) for one in differences])


def small_among(tails: Sequence[float | None]) -> tuple[bool, ...]:
    """Which of the probabilities are too small for chance, all of them taken together. None is no comparison."""
    ordered = sorted(tail for tail in tails if tail is not None)
    levels = ((1.0 - CONFIDENCE) * number / len(ordered) for number in range(1, len(ordered) + 1))
    limit = max((level for tail, level in zip(ordered, levels, strict=True) if tail <= level), default=-1.0)
    return tuple(tail is not None and tail <= limit for tail in tails)


def anything_slower(ratios: Sequence[Estimate], margin: float = MARGIN) -> bool:
    """Whether anything is SLOWER, wrong in at most 5 % where nothing is."""
    together = slower_among(ratios)
    return any(sure and verdict(one, margin) == "SLOWER" for one, sure in zip(ratios, together, strict=True))


def _logarithm(ratio: Estimate) -> Difference:
    if ratio.low is None or ratio.low <= 0.0:
        return 0.0, None, None
    return math.log(ratio.value), math.log(ratio.low), ratio.freedom


def _tail(delta: float, low: float | None, freedom: float | None) -> float | None:
    """P of so large a difference where there is none. Where degrees of freedom are not known they are few."""
    if low is None:
        return None
    if delta <= low:  # an interval without width
        return 0.0 if delta > 0.0 else 1.0
    known = FREEDOM if freedom is None else max(freedom, 1.0)
    return 1.0 - t_cdf(quantile(known) * delta / (delta - low), known)
