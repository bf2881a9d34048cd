"""Summaries of samples that are nested: repeats (fresh processes) that each hold several calls.

A fresh process draws its own memory layout, clock state and order, so calls of one process are more alike than
calls of two. Treating all calls as independent gives intervals that are far too narrow (Kalibera & Jones 2013,
"Rigorous benchmarking in reasonable time", ISMM). So whole repeats are resampled, each with its calls as they are:
the spread between repeats already holds that of the calls, and resampling these too would count it twice
(Davison & Hinkley 1997, "Bootstrap methods and their application", section 3.8). Two repeats may agree by chance,
so the spread from resampling the calls inside each repeat is the least that is accepted.

Few repeats: a bootstrap of n clusters is too narrow by sqrt((n − 1)/n) and uses normal where t is due.
Hesterberg (2015, "What teachers should know about the bootstrap", The American Statistician 69(4), section 5)
expands the percentile to α' = Φ(−sqrt(n/(n − 1))·t). With two or three repeats α' lies beyond what any
resample of so few values can reach, so the bound is the wider of that percentile and its normal-tail equal,
point ± sqrt(n/(n − 1))·t·SE. All is done on the logarithm where the values are positive, so that bounds are
ratios, are never negative, and do not depend on the unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .resampling import Array, Basis, Draws, Samples, Statistic, centre, clean, draw
from .student import normal_cdf, t_quantile

__all__ = ["Basis", "Estimate", "Samples", "Statistic", "difference", "estimate", "location", "quantiles", "ratio"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and how well it is known.

    ``low`` and ``high`` bound the ``confidence`` interval and are None where one value gives none (``basis`` "one
    value"). ``basis`` "within one process" says that process-to-process variation is not in the interval.
    ``relative_error`` is the standard error divided by the value. ``assumed``: which spread the interval takes from
    elsewhere because these samples cannot show it, in words, or "".
    """

    value: float
    low: float | None
    high: float | None
    repeats: int
    samples: int
    basis: Basis
    relative_error: float | None = None
    confidence: float = CONFIDENCE
    assumed: str = ""

    def inverse(self, scale: float = 1.0) -> Estimate:
        """``scale`` divided by this figure (seconds per token → tokens per second); the bounds swap."""
        low = None if not self.high else scale / self.high
        high = None if not self.low else scale / self.low
        return replace(self, value=scale / self.value, low=low, high=high)


def location(samples: Samples, statistic: Statistic = "median") -> float:
    """The mean over repeats of each repeat's median (or mean): every process counts the same.

    ``samples`` holds one sequence of values per repeat. Raises ValueError where there is no value.
    """
    return float(np.mean([centre(part, statistic) for part in clean(samples)]))


def estimate(
    samples: Samples,
    *,
    statistic: Statistic = "median",
    confidence: float = CONFIDENCE,
    seed: int = 0,
    nodes: Sequence[str] | None = None,
) -> Estimate:
    """The location of ``samples`` (one sequence per repeat, any unit) with its interval. Deterministic by ``seed``.

    ``nodes``: for a sweep, where each repeat ran; with two or more, whole nodes are resampled.
    """
    parts = clean(samples)
    known = None if nodes is None else [node for node, part in zip(nodes, samples, strict=True) if len(part)]
    draws = draw(parts, statistic, np.random.default_rng(seed), known)
    positive = bool(draws.point > 0 and np.all(draws.values > 0))
    logged = _logged(draws) if positive else draws
    bounds = _bounds(logged.point, logged.values, draws.expansion, max(draws.units - 1, 1), confidence)
    low, high = bounds if draws.basis != "one value" else (None, None)
    if positive and low is not None and high is not None:
        low, high = math.exp(low), math.exp(high)
    return Estimate(
        draws.point, low, high, draws.repeats, draws.samples, draws.basis, _relative_error(draws), confidence
    )


def ratio(
    samples: Samples,
    reference: Samples,
    *,
    statistic: Statistic = "median",
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Estimate:
    """location(samples) / location(reference) with its interval; all values must be positive.

    The two arms are resampled independently. The degrees of freedom are Welch–Satterthwaite's (Welch 1947,
    Biometrika 34), from the arms' bootstrap variances. Raises ValueError for values that are not positive.
    """
    parts, reference_parts = clean(samples), clean(reference)
    if any(float(part.min()) <= 0 for part in (*parts, *reference_parts)):
        raise ValueError("a ratio needs positive values")
    streams = np.random.default_rng(seed).spawn(2)
    top = _logged(draw(parts, statistic, streams[0]))
    bottom = _logged(draw(reference_parts, statistic, streams[1]))
    point = top.point - bottom.point
    spread = (top.values - top.point) * top.expansion - (bottom.values - bottom.point) * bottom.expansion
    low, high = _bounds(point, point + spread, 1.0, _welch(top, bottom), confidence)
    basis = _weakest(top.basis, bottom.basis)
    error = float(spread.std())
    known = basis != "one value"
    return Estimate(
        math.exp(point),
        math.exp(low) if known else None,
        math.exp(high) if known else None,
        min(top.repeats, bottom.repeats),
        min(top.samples, bottom.samples),
        basis,
        error if known else None,
        confidence,
    )


def difference(
    samples: Samples,
    reference: Samples,
    *,
    statistic: Statistic = "median",
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Estimate:
    """location(samples) - location(reference) with its interval, in the samples' unit; values may have any sign.

    The arms are resampled independently, as in ``ratio``. ``relative_error`` is None: a difference may be 0.
    """
    streams = np.random.default_rng(seed).spawn(2)
    top, bottom = draw(clean(samples), statistic, streams[0]), draw(clean(reference), statistic, streams[1])
    point = top.point - bottom.point
    spread = (top.values - top.point) * top.expansion - (bottom.values - bottom.point) * bottom.expansion
    low, high = _bounds(point, point + spread, 1.0, _welch(top, bottom), confidence)
    basis = _weakest(top.basis, bottom.basis)
    known = basis != "one value"
    counts = min(top.repeats, bottom.repeats), min(top.samples, bottom.samples)
    return Estimate(point, low if known else None, high if known else None, *counts, basis, None, confidence)


def relative_standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean divided by the mean: s / (sqrt(n)·x̄). nan for fewer than two values."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2 or data.mean() == 0:
        return math.nan
    return float(data.std(ddof=1) / math.sqrt(data.size) / abs(data.mean()))


def quantiles(values: Sequence[float], levels: Sequence[float]) -> tuple[float, ...]:
    """Sample quantiles by linear interpolation (type 7 of Hyndman & Fan 1996)."""
    return tuple(float(q) for q in np.quantile(np.asarray(values, dtype=np.float64), levels))


def _logged(draws: Draws) -> Draws:
    return replace(draws, point=math.log(draws.point), values=np.log(draws.values))


def _bounds(point: float, draws: Array, expansion: float, df: float, confidence: float) -> tuple[float, float]:
    # Rounded, so that the few values that occur are found in the cache.
    z = expansion * t_quantile(0.5 + 0.5 * confidence, round(df, 2))
    tail = normal_cdf(-z)
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    reach = z * float(draws.std())
    return min(float(low), point - reach), max(float(high), point + reach)


def _welch(top: Draws, bottom: Draws) -> float:
    variances = [(float(arm.values.var()) * arm.expansion**2, max(arm.units - 1, 1)) for arm in (top, bottom)]
    total = sum(variance for variance, _ in variances)
    if total == 0.0:
        return float(min(df for _, df in variances))
    # By shares of the total, because the square of a tiny variance is 0.
    return 1.0 / sum((variance / total) ** 2 / df for variance, df in variances)


def _weakest(*bases: Basis) -> Basis:
    order: tuple[Basis, ...] = ("one value", "within one process", "between processes")
    return min(bases, key=order.index)


def _relative_error(draws: Draws) -> float | None:
    if draws.basis == "one value" or draws.point == 0:
        return None
    return float(draws.values.std()) * draws.expansion / abs(draws.point)
