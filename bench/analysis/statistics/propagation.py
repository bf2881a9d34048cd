"""The interval of a product of powers, from the intervals of its factors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..statistics import Estimate
from .assumed import merged

Power = tuple[Estimate, float]


def exact(value: float) -> Estimate:
    """A figure that is counted rather than sampled, such as the bytes of a model: its interval is itself."""
    return Estimate(value, value, value, 1, 1, "one value")


def product(powers: Sequence[Power]) -> Estimate:
    """Π x^p of independent positive figures; the unit is the product of theirs.

    The relative half-widths |p|·ln(bound / x) add in quadrature (JCGM 100:2008 "GUM", 5.1.6), each side of the
    interval for itself because intervals of ratios and of shares are not symmetric: an approximation, as good as each
    factor's interval is close to normal on the logarithm. Degrees of freedom: the fewest of any factor. No bounds where
    a factor has none. Raises ValueError for figures that are not positive.
    """
    if any(item.value <= 0 for item, _ in powers):
        raise ValueError("a product of powers needs positive figures")
    used = [(item, power) for item, power in powers if power != 0]
    middle = math.fsum(power * math.log(item.value) for item, power in used)
    down, up = [_reach(item, -power) for item, power in used], [_reach(item, power) for item, power in used]
    sides = [None if None in side else math.hypot(*(one or 0.0 for one in side)) for side in (down, up)]
    low = None if sides[0] is None else math.exp(middle - sides[0])
    high = None if sides[1] is None else math.exp(middle + sides[1])
    bounded = low is not None and high is not None
    first = powers[0][0]
    freedom = min((item.freedom for item, _ in used if item.freedom is not None), default=None)
    return replace(
        first, value=math.exp(middle), low=low if bounded else None, high=high if bounded else None,
        repeats=min(item.repeats for item, _ in powers), samples=min(item.samples for item, _ in powers),
        relative_error=None, assumed=assumed_in(item for item, _ in used), freedom=freedom,
    )  # fmt: skip


def assumed_in(figures: Iterable[Estimate]) -> str:
    """What is assumed in a figure that is made of these."""
    return merged(item.assumed for item in figures)


def _reach(item: Estimate, power: float) -> float | None:
    """How far x^p reaches upward, on the logarithm; None without an interval. A bound of 0 reaches without end."""
    bound = item.high if power > 0 else item.low
    if bound is None:
        return None
    return abs(power * math.log(bound / item.value)) if bound > 0 else math.inf
