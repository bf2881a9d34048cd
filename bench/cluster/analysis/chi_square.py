"""Quantiles of the χ² distribution, without scipy: the lower incomplete gamma function by its power series
(Abramowitz & Stegun 1964, 26.4.19 and 6.5.29), inverted by bisection."""

from __future__ import annotations

import math
from functools import lru_cache


def chi_square_cdf(x: float, df: float) -> float:
    """P(X ≤ x) for ``df`` > 0 degrees of freedom."""
    if x <= 0.0:
        return 0.0
    shape, half = 0.5 * df, 0.5 * x
    term = total = 1.0 / shape
    place = 0
    while term > total * 1e-16 and place < 100_000:
        place += 1
        term *= half / (shape + place)
        total += term
    return min(1.0, math.exp(shape * math.log(half) - half - math.lgamma(shape) + math.log(total)))


@lru_cache(maxsize=1024)
def chi_square_quantile(p: float, df: float) -> float:
    """x with P(X ≤ x) = p. Raises ValueError outside 0 < p < 1 or df > 0."""
    if not (0.0 < p < 1.0 and df > 0.0):
        raise ValueError(f"no χ² quantile for p = {p}, df = {df}")
    high = df
    while chi_square_cdf(high, df) < p:
        high *= 2.0
    low = 0.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if chi_square_cdf(middle, df) < p else (low, middle)
    return 0.5 * (low + high)
