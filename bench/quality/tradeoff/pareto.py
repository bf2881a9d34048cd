"""Which arms are beaten by another on every criterion, and for which weights each arm comes first.

All values here are costs: lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from bench.analysis.statistics import CONFIDENCE
from bench.analysis.statistics.verdict import MARGIN

Front = Literal["front", "dominated", "cannot tell"]
_GRID = {1: 1, 2: 2000, 3: 120, 4: 40}
_TIE = 1e-12


@dataclass(frozen=True)
class CriterionCost:
    """A criterion of one arm; ``low`` and ``high`` are infinite where the interval is not known."""

    value: float
    low: float
    high: float


def front(arms: Mapping[str, Sequence[CriterionCost]]) -> dict[str, tuple[Front, tuple[str, ...]]]:
    """Each arm's place and by which arms it is dominated, or perhaps: as good by their figures, which chance alone may
    make of an arm that is worse. All arms have the same criteria in the same order.

    dominated: another arm is for sure no worse on any criterion, by MARGIN at most, and better on one beyond both
    intervals. front: against every other arm there is a criterion on which this one is better beyond both intervals,
    so none of them can dominate it. Else the intervals do not allow either to be said: "cannot tell".
    """
    found: dict[str, tuple[Front, tuple[str, ...]]] = {}
    for name, costs in arms.items():
        others = [(other, theirs) for other, theirs in arms.items() if other != name]
        perhaps = [(other, theirs) for other, theirs in others if _dominates(theirs, costs)]
        by = tuple(other for other, theirs in perhaps if _surely_no_worse(theirs, costs, len(others)))
        sure = all(_surely_better(costs, theirs) for _, theirs in others)
        place: Front = "dominated" if by else "front" if sure else "cannot tell"
        found[name] = place, by or tuple(other for other, _ in perhaps)
    return found


def _dominates(one: Sequence[CriterionCost], other: Sequence[CriterionCost]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a.value <= b.value for a, b in pairs) and _surely_better(one, other)


def _surely_no_worse(one: Sequence[CriterionCost], other: Sequence[CriterionCost], among: int) -> bool:
    """The interval of the difference, half-widths of independent figures in quadrature, ends below the margin. Wider
    for one ``among`` many (Bonferroni), as any of them may seem no worse by chance."""
    wider = NormalDist().inv_cdf(0.5 * (1 - CONFIDENCE) / among) / NormalDist().inv_cdf(0.5 * (1 - CONFIDENCE))
    return all(
        a.value - b.value + wider * math.hypot(a.high - a.value, b.value - b.low) <= MARGIN * abs(b.value)
        for a, b in zip(one, other, strict=True)
    )


def _surely_better(one: Sequence[CriterionCost], other: Sequence[CriterionCost]) -> bool:
    return any(a.high < b.low for a, b in zip(one, other, strict=True))


def shares(logs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """For which share of all weights (w ≥ 0, Σw = 1, uniform over the simplex) each arm has the lowest Σ w·log.

    ``logs``: ln(cost ÷ reference's cost) per criterion. A grid of points in the middle of equal cells stands for the
    simplex: every point decides exactly, as the score is linear in the weights. Ties are shared.
    """
    names = list(logs)
    values = np.array([logs[name] for name in names], dtype=np.float64)
    scores = _simplex(values.shape[1]) @ values.T
    best = scores <= scores.min(axis=1, keepdims=True) + _TIE
    share = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(zip(names, map(float, share), strict=True))


def _simplex(criteria: int) -> np.ndarray[Any, Any]:
    steps = _GRID.get(criteria, 20)
    # Bars between `steps` stars: all ways to write `steps` as a sum of `criteria` whole numbers.
    places = list(combinations(range(steps + criteria - 1), criteria - 1))
    bars = np.array(places, dtype=np.int64).reshape(len(places), criteria - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), steps + criteria - 1)])
    return np.asarray((np.diff(edges, axis=1) - 1 + 1 / criteria) / (steps + 1))


@dataclass(frozen=True)
class Reach:
    """``arms`` (several where they tie) come first for weights of the second criterion from ``low`` to ``high``."""

    arms: tuple[str, ...]
    low: float
    high: float


def crossings(logs: Mapping[str, tuple[float, float]]) -> tuple[Reach, ...]:
    """Two criteria with weights 1 − w and w: which arm comes first, from w = 0 to w = 1, in closed form.

    A score is the line (1 − w)·a + w·b, so two arms change places at w = (a₁ − a₂) / ((a₁ − a₂) − (b₁ − b₂)).
    """
    points = [0.0, 1.0]
    for (a1, b1), (a2, b2) in combinations(logs.values(), 2):
        across, along = a1 - a2, (a1 - a2) - (b1 - b2)
        if along and _TIE < across / along < 1 - _TIE:
            points.append(across / along)
    made: list[Reach] = []
    for low, high in pairwise(sorted(points)):
        first = _first(logs, (low + high) / 2)
        # Where three lines meet, rounding leaves a sliver that is nobody's.
        if made and (made[-1].arms == first or high - low < _TIE):
            made[-1] = Reach(made[-1].arms, made[-1].low, high)
        else:
            made.append(Reach(first, low, high))
    return tuple(made)


def _first(logs: Mapping[str, tuple[float, float]], weight: float) -> tuple[str, ...]:
    scores = {name: (1 - weight) * a + weight * b for name, (a, b) in logs.items()}
    least = min(scores.values())
    return tuple(name for name, score in scores.items() if score <= least + _TIE)
