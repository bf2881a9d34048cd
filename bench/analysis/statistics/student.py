"""Quantiles of Student's t and of the normal distribution, without scipy.

The t distribution function is written with the regularised incomplete beta function (Abramowitz & Stegun 1964,
26.7.1 and 26.5.8), whose continued fraction is evaluated by Lentz's method. It is inverted by Newton's
method. Of very many degrees of freedom the digits of its factors cancel: then the quantile is the normal one with the
first term of its expansion in 1/df (26.7.5).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
# From here on the expansion is the more exact one.
_MANY = 1e5


def normal_cdf(z: float) -> float:
    """P(Z ≤ z); accurate in the far lower tail, where 1 − Φ would lose all digits."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """t with P(T ≤ t) = p for ``df`` > 0 degrees of freedom (not necessarily whole).

    Raises ValueError outside 0 < p < 1 or df > 0.
    """
    if not (0.0 < p < 1.0 and df > 0.0):
        raise ValueError(f"no t quantile for p = {p}, df = {df}")
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    if p == 0.5:
        return 0.0
    if df > _MANY:
        z = NormalDist().inv_cdf(p)
        return z + (z**3 + z) / (4.0 * df)
    return _root(p, df)


def _expansion(p: float, df: float) -> float:
    """The normal quantile and three terms of its expansion in 1/df (26.7.5): 1 % off at 3 degrees of freedom. Of less
    than one the terms may go below it."""
    z = NormalDist().inv_cdf(p)
    first, second = (z**3 + z) / 4.0, (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    return max(z, z + first / df + second / df**2 + third / df**3)


def _root(p: float, df: float) -> float:
    """t with P(T ≤ t) = p > 0.5, by Newton's method on log P(T > t) over log t, which is all but straight: the tail
    falls as a power of t. Where a step leads out of what is known to bound t, these bounds are halved."""
    low, high = 0.0, math.inf
    t = _expansion(p, df)
    for _ in range(500):
        tail = 1.0 - t_cdf(t, df)
        low, high = (t, high) if tail > 1.0 - p else (low, t)
        step = math.log(tail / (1.0 - p)) * tail / (t * _density(t, df)) if tail > 0.0 else math.inf
        if abs(step) <= 1e-8:  # after this step the error is about the square of that
            return t * math.exp(step)
        if high - low <= 1e-12 * low:  # a step smaller than the digits of P is never reached
            return t
        after = t * math.exp(max(-1.0, min(step, 1.0)))
        t = after if low < after < high else 0.5 * (low + high)
    return t


def _density(t: float, df: float) -> float:
    front = math.lgamma(0.5 * (df + 1.0)) - math.lgamma(0.5 * df) - 0.5 * math.log(df * math.pi)
    return math.exp(front - 0.5 * (df + 1.0) * math.log1p(t * t / df))


def t_cdf(t: float, df: float) -> float:
    """P(T ≤ t) for ``df`` degrees of freedom."""
    tail = 0.5 * _incomplete_beta(0.5 * df, 0.5, df / (df + t * t))
    return 1.0 - tail if t > 0 else tail


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    result = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + term / c
            c = c if abs(c) > _TINY else _TINY
            result *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return result
