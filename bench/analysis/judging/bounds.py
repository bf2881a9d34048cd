"""Bounds of ratios, at their widest: a hypothesis about several of them says no more than each of them does."""

from __future__ import annotations

from ..statistics import Estimate

# (low, high); None where either estimate has no interval.
Bounds = tuple[float, float] | None


def bounds_of(one: Estimate, other: Estimate) -> Bounds:
    """Of ``one`` over ``other``."""
    if one.low is None or one.high is None or not other.low or not other.high:
        return None
    return one.low / other.high, one.high / other.low


def span_of(one: Estimate) -> Bounds:
    """Of an estimate itself."""
    return None if one.low is None or one.high is None else (one.low, one.high)


def apart_by(factor: float, before: Bounds, after: Bounds) -> bool | None:
    """Whether ``after`` is more than ``factor`` times ``before``; None where the intervals allow both, or miss."""
    if before is None or after is None:
        return None
    return True if after[0] > factor * before[1] else False if after[1] <= factor * before[0] else None
