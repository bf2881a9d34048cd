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

What one or two repeats cannot show, nor one run of each arm, is assumed and added (see ``assumed``), and the Estimate
says so. An arm with fewer repeats than the other is taken to vary no less than that one is seen to: where processes
have two modes, three are all in one by chance once in four times, and ten of the other arm then make the difference of
the modes look sure. Of eight or more that happens in less than one of a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .assumed import (
    CONFIDENCE,
    NOTHING,
    Assumed,
    Part,
    freedom,
    freedom_of_reach,
    of_bursts,
    of_processes,
    quantile,
    reach,
)
from .resampling import Array, Basis, Clusters, Draws, Samples, Seed, Statistic, centre, clean, draw, tails
from .runs import Runs, between_runs
from .student import normal_cdf

__all__ = [
    "CONFIDENCE", "Basis", "Estimate", "Samples", "Statistic", "Unit", "difference", "estimate", "location",
    "quantiles", "ratio",
]  # fmt: skip

# What the parts of Samples are: fresh processes; bursts of one process, in which the arms took turns; or parts of what
# another process would not change, such as a greedy answer or pairs that were measured together.
Unit = Literal["processes", "bursts", "fixed"]


@dataclass(frozen=True)
class Estimate:
    """A figure and how well it is known.

    ``low`` and ``high`` bound the ``confidence`` interval and are None where there is none. ``basis``: over what the
    variation was drawn. ``assumed``: which part of it was not seen but assumed, such as "between processes", or "".
    ``relative_error`` is the standard error divided by the value; ``freedom``: degrees of freedom of the interval, None
    where they are not known.
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
    freedom: float | None = None

    def inverse(self) -> Estimate:
        """One over this figure (seconds per token → tokens per second); the bounds swap."""
        low = None if not self.high else 1.0 / self.high
        high = None if not self.low else 1.0 / self.low
        return replace(self, value=1.0 / self.value, low=low, high=high)

    def times(self, factor: float) -> Estimate:
        """This figure and its bounds, all multiplied by a positive ``factor``."""
        low, high = (None if bound is None else bound * factor for bound in (self.low, self.high))
        return replace(self, value=self.value * factor, low=low, high=high)


def location(samples: Samples, statistic: Statistic = "median") -> float:
    """The mean over repeats of each repeat's median (or mean): every process counts the same.

    ``samples`` holds one sequence of values per repeat. Raises ValueError where there is no value.
    """
    return float(np.mean([centre(part, statistic) for part in clean(samples)]))


def estimate(
    samples: Samples,
    *,
    statistic: Statistic = "median",
    seed: int = 0,
    nodes: Sequence[str] | None = None,
    unit: Unit = "processes",
) -> Estimate:
    """The location of ``samples`` (one sequence per repeat, any unit) with its interval. Deterministic by ``seed``.

    ``nodes``: for a sweep, where each repeat ran; with two or more, whole nodes are resampled.
    """
    clusters = None if nodes is None else Clusters(_present(nodes, samples), "between nodes")
    draws = _draw(samples, statistic, (seed, None), clusters)
    more = _assumed(draws, unit)
    positive = bool(draws.point > 0 and np.all(draws.values > 0))
    side, more = (draws.logged(), more) if positive else (draws, more.of_level(draws.point))
    low, high = _bounds(side.point, side.values, side.expansion, [side.part], more)
    if positive:
        low, high = math.exp(low), math.exp(high)
    error = math.sqrt(side.part[0] + more.variance) / (1.0 if positive else abs(draws.point) or math.nan)
    told = draws.repeats, draws.samples, _basis(draws.basis, unit)
    known = freedom_of_reach([side.part], more)
    return _without_empty_interval(Estimate(draws.point, low, high, *told, error, CONFIDENCE, more.text, known))


def ratio(
    samples: Samples,
    reference: Samples,
    *,
    statistic: Statistic = "median",
    seed: int = 0,
    unit: Unit = "processes",
    runs: Runs | None = None,
) -> Estimate:
    """location(samples) / location(reference) with its interval; all values must be positive.

    The two arms are resampled independently. The degrees of freedom are Welch–Satterthwaite's, from the arms'
    bootstrap variances. ``runs``: of which run each part of the two is; None where all are of one. Raises ValueError
    for values that are not positive.
    """
    if any(float(part.min()) <= 0 for part in (*clean(samples), *clean(reference))):
        raise ValueError("a ratio needs positive values")
    known = between_runs(runs, (samples, reference))
    sides = (samples, known.clusters[0]), (reference, known.clusters[1])
    drawn = [_draw(side, statistic, (seed, child), of) for child, (side, of) in enumerate(sides)]
    more = _assumed(drawn[0], unit) + _assumed(drawn[1], unit) + known.assumed
    top, bottom = (side.logged() for side in drawn)
    found = _difference(top, bottom, more, unit)
    error = math.sqrt(sum(side.part[0] for side in (top, bottom)) + more.variance)
    bounds = [None if bound is None else math.exp(bound) for bound in (found.low, found.high)]
    return _without_empty_interval(
        replace(found, value=math.exp(found.value), low=bounds[0], high=bounds[1], relative_error=error)
    )


def difference(
    samples: Samples,
    reference: Samples,
    *,
    statistic: Statistic = "median",
    seed: int = 0,
    unit: Unit = "processes",
    levels: tuple[float, float] | None = None,
) -> Estimate:
    """location(samples) - location(reference) with its interval, in the samples' unit; values may have any sign.

    The arms are resampled independently, as in ``ratio``; what is assumed is relative to each arm's own level, or to
    ``levels`` of the two where the values are themselves what is left of two larger ones. ``relative_error`` is None: a
    difference may be 0.
    """
    top, bottom = (_draw(side, statistic, (seed, child)) for child, side in enumerate((samples, reference)))
    known = levels or (top.point, bottom.point)
    more = [_assumed(side, unit).of_level(level) for side, level in zip((top, bottom), known, strict=True)]
    return _without_empty_interval(_difference(top, bottom, more[0] + more[1], unit))


def relative_standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean divided by the mean: s / (sqrt(n)·x̄). nan for fewer than two values."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2 or data.mean() == 0:
        return math.nan
    return float(data.std(ddof=1) / math.sqrt(data.size) / abs(data.mean()))


def quantiles(values: Sequence[float], levels: Sequence[float]) -> tuple[float, ...]:
    """Sample quantiles by linear interpolation (type 7 of Hyndman & Fan 1996)."""
    return tuple(float(q) for q in np.quantile(np.asarray(values, dtype=np.float64), levels))


def _draw(samples: Samples, statistic: Statistic, seed: Seed, clusters: Clusters | None = None) -> Draws:
    return draw(clean(samples), statistic, seed, clusters)


def _basis(drawn: Basis, unit: Unit) -> Basis:
    """What was drawn over, by what the parts are."""
    return "in turns" if unit == "bursts" and drawn == "between processes" else drawn


def _assumed(draws: Draws, unit: Unit) -> Assumed:
    if unit == "fixed":
        return NOTHING
    return of_bursts(draws.repeats) if unit == "bursts" else of_processes(draws.repeats)


def _present(names: Sequence[str], samples: Samples) -> list[str]:
    """The names of the parts that have values."""
    return [name for name, part in zip(names, samples, strict=True) if len(part)]


# Of so many units the other arm's spread is not lent: 2 · ½^8 is 0.8 %.
_ENOUGH = 8


def _parts(*sides: Draws) -> list[Part]:
    """Of both arms, the one with fewer units as if it varied no less than the other does."""
    few, many = sorted(sides, key=lambda side: side.units)
    own, other = few.part, many.part
    if few.units == many.units or few.units >= _ENOUGH or few.basis != many.basis:
        return [own, other]
    lent = other[0] * many.units / few.units, other[1]
    return [max(own, lent), other]


def _difference(top: Draws, bottom: Draws, more: Assumed, unit: Unit) -> Estimate:
    """top - bottom, on whatever scale the two are."""
    point = top.point - bottom.point
    spread = (top.values - top.point) * top.expansion - (bottom.values - bottom.point) * bottom.expansion
    seen = [top.part, bottom.part] if unit == "fixed" else _parts(top, bottom)
    low, high = _bounds(point, point + spread, 1.0, seen, more)
    counts = min(top.repeats, bottom.repeats), min(top.samples, bottom.samples)
    basis = _basis(_weakest(top.basis, bottom.basis), unit)
    return Estimate(point, low, high, *counts, basis, None, CONFIDENCE, more.text, freedom_of_reach(seen, more))


def _bounds(point: float, draws: Array, expansion: float, seen: Sequence[Part], more: Assumed) -> tuple[float, float]:
    tail = normal_cdf(-expansion * quantile(freedom(seen)))
    low, high = tails(draws, tail)
    half = reach(seen, more)
    return min(low, point - half), max(high, point + half)


def _without_empty_interval(found: Estimate) -> Estimate:
    """Without an interval where one value gives none and nothing is assumed."""
    known = found.basis != "one value" or found.assumed
    return found if known else replace(found, low=None, high=None, relative_error=None)


def _weakest(*bases: Basis) -> Basis:
    order: tuple[Basis, ...] = (
        "one value", "within one process", "in turns", "between processes", "between runs", "between nodes"
    )  # fmt: skip
    return min(bases, key=order.index)
