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
from typing import NamedTuple, Protocol, TypeVar

from ..statistics import CONFIDENCE, Estimate
from .assumed import FREEDOM, quantile
from .student import t_cdf
from .verdict import MARGIN, Verdict, verdict

# A difference, the lower bound of its 95 % interval (None: it has none), and the degrees of freedom of that.
Difference = tuple[float, float | None, float | None]


class Interval(NamedTuple):
    """A difference with the bounds of its 95 % interval and their degrees of freedom; None where it has none."""

    delta: float
    low: float | None
    high: float | None
    freedom: float | None
    assumed: bool

    @property
    def alone(self) -> bool:
        """It is off 0 by itself."""
        return self.low is not None and self.high is not None and not self.low <= 0.0 <= self.high


def slower_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are above 1 for sure, all of them taken together."""
    return more_among([_logarithm(one) for one in ratios])


def faster_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are below 1 for sure, all of them taken together."""
    return slower_among([one.inverse() for one in ratios])


def apart_among(ratios: Sequence[Estimate]) -> tuple[bool, ...]:
    """Which of the ratios are off 1 for sure, either way, all of them taken together."""
    return off_among([_log_interval(one) for one in ratios])


def off_among(intervals: Sequence[Interval]) -> tuple[bool, ...]:
    """Which of the differences are off 0 for sure, either way, all of them taken together. One whose spread is assumed
    stands by itself: it is called so, and leaves 0 out only beyond what a machine on record would make of all arms
    together (docs/verdicts.md)."""
    seen = [one for one in intervals if not one.assumed]
    ways = [((one.delta, one.low, one.freedom), (-one.delta, _less(one.high), one.freedom)) for one in seen]
    sides = more_among([side for both in ways for side in both])
    together = iter([above or below for above, below in zip(sides[::2], sides[1::2], strict=True)])
    return tuple(one.alone if one.assumed else next(together) and one.alone for one in intervals)


def _less(bound: float | None) -> float | None:
    return None if bound is None else -bound


def _log_interval(ratio: Estimate) -> Interval:
    delta, low, freedom = _logarithm(ratio)
    high = None if low is None or ratio.high is None else math.log(ratio.high)
    return Interval(delta, low, high, freedom, bool(ratio.assumed))


class HasVerdict(Protocol):
    @property
    def verdict(self) -> Verdict | None: ...


Row = TypeVar("Row", bound=HasVerdict)


def judged_together(rows: Sequence[Row], ratio_of: Callable[[Row], Estimate | None]) -> tuple[Row, ...]:
    """Arms beside one reference, their ``verdict`` each by itself: with verdicts by which anything is SLOWER or FASTER
    by chance in at most 5 % of runs without a difference."""
    known = {place: one for place, row in enumerate(rows) if row.verdict and (one := ratio_of(row))}
    sure = dict(zip(known, apart_among([*known.values()]), strict=True))
    told = []
    for place, row in enumerate(rows):
        by_chance = row.verdict in ("SLOWER", "FASTER") and not sure.get(place, True)
        told.append(replace(row, verdict="AMBIGUOUS") if by_chance else row)  # type: ignore[type-var]
    return tuple(told)


def more_among(differences: Sequence[Difference]) -> tuple[bool, ...]:
    """Which of the differences are above 0 for sure. What has no interval is no comparison."""
    return small_among([_tail(*one) for one in differences])


def small_among(tails: Sequence[float | None]) -> tuple[bool, ...]:
    """Which of the probabilities are too small for chance, all of them taken together. None is no comparison."""
    ordered = sorted(tail for tail in tails if tail is not None)
    levels = ((1.0 - CONFIDENCE) * number / len(ordered) for number in range(1, len(ordered) + 1))
    limit = max((level for tail, level in zip(ordered, levels, strict=True) if tail <= level), default=-1.0)
    return tuple(tail is not None and tail <= limit for tail in tails)


def chance_of_more(differences: Sequence[Difference]) -> float | None:
    """P that any of the differences seems so sure where none is above 0 (Simes 1986); None where there is none."""
    return chance_of([_tail(*one) for one in differences])


def chance_of_slower(ratios: Sequence[Estimate]) -> float | None:
    """The same of ratios above 1."""
    return chance_of_more([_logarithm(one) for one in ratios])


def tail_above(ratio: Estimate) -> float | None:
    """P of a ratio so far above 1 where it is 1."""
    return _tail(*_logarithm(ratio))


def chance_of(tails: Sequence[float | None]) -> float | None:
    ordered = sorted(tail for tail in tails if tail is not None)
    return min((len(ordered) * tail / number for number, tail in enumerate(ordered, 1)), default=None)


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
