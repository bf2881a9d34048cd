"""One claim that rests on several comparisons: "nf4 lowers joules somewhere", "something is slower", "a removal helps".

Each of k comparisons is wrong in at most 5 % by itself, and one of them by chance in up to k times that. So the claim
asks more of each: its interval is that of the confidence 1 − 5 % ÷ k (Bonferroni; Dunn 1961, Journal of the American
Statistical Association 56). That holds however the comparisons depend on each other, as they do by their reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..statistics import CONFIDENCE, Estimate
from .assumed import FREEDOM, quantile
from .verdict import MARGIN, verdict


def ratio_among(found: Estimate, comparisons: int) -> Estimate:
    """A ratio with the interval that it needs as one of so many."""
    if found.low is None or found.high is None or found.low <= 0 or comparisons < 2:
        return found
    wider = _wider(found.freedom, comparisons)
    low, high = (found.value * (bound / found.value) ** wider for bound in (found.low, found.high))
    return replace(found, low=low, high=high, confidence=_confidence(comparisons))


def surely_more(delta: float, low: float | None, freedom: float | None, comparisons: int) -> bool:
    """Whether a difference is above 0 as one of so many; ``low``: of its own 95 % interval."""
    return low is not None and delta - (delta - low) * _wider(freedom, comparisons) > 0


def anything_slower(ratios: Sequence[Estimate], margin: float = MARGIN) -> bool:
    """Whether anything is slower, wrong in at most 5 % where nothing is: one ratio for sure as one of all of them, or
    every one of them by itself. (Either is wrong in at most 2.5 %: what is FASTER for no reason does not count.)"""
    if not ratios or all(verdict(one, margin) == "SLOWER" for one in ratios):
        return bool(ratios)
    return any(verdict(ratio_among(one, len(ratios)), margin) == "SLOWER" for one in ratios)


def _confidence(comparisons: int) -> float:
    return 1.0 - (1.0 - CONFIDENCE) / comparisons


def _wider(freedom: float | None, comparisons: int) -> float:
    """The factor on the half-width of a 95 % interval. Where its degrees of freedom are not known they are few."""
    known = FREEDOM if freedom is None else max(freedom, 1.0)
    return quantile(known, _confidence(comparisons)) / quantile(known, CONFIDENCE)
