"""Bootstrap draws of the location of nested samples: repeats (fresh processes) that each hold several calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .assumed import Part
from .streams import Rows, Stream

Array = NDArray[np.float64]
Samples = Sequence[Sequence[float]]
Basis = Literal[
    "between processes",
    "between nodes",
    "between runs",
    "in turns",  # bursts of arms that took turns in one process
    "within one process",
    "one value",
    "paired blocks",  # these two: see paired
    "paired blocks, one node",
]
Statistic = Literal["median", "mean"]
# Of a Stream: the seed, and which of its spawned generators (None: its own).
Seed = tuple[int, int | None]

RESAMPLES = 4000
# Two repeats may agree by chance, a hundred do not: their own spread is enough, and resampling the calls of the
# thousands that a sweep has would take minutes.
_MANY = 100
# Numbers that are drawn at once.
_AT_ONCE = 2_000_000
# Draws that are kept in all: more than those of the largest committed report.
_KEPT_BYTES = 128 << 20


@dataclass(frozen=True)
class Draws:
    """Bootstrap draws of one arm's location, the number of units that the variation was drawn over, and the factor
    by which their spread is too small."""

    point: float
    values: Array
    units: int
    repeats: int
    samples: int
    basis: Basis
    expansion: float

    def logged(self) -> Draws:
        """The same of the logarithm of values that are positive."""
        return replace(self, point=math.log(self.point), values=np.log(self.values))

    @cached_property
    def part(self) -> Part:
        """The variance that was seen."""
        return float(self.values.var()) * self.expansion**2, max(self.units - 1, 1)


def tails(values: Array, tail: float) -> tuple[float, float]:
    """The sample quantiles ``tail`` < 0.5 and 1 - ``tail`` by linear interpolation (type 7 of Hyndman & Fan 1996): what
    np.quantile gives, in half of its time."""
    last = values.size - 1
    place = tail * last
    below = int(place)
    if not last:
        return float(values[0]), float(values[0])
    # One place at a time, which numpy has SIMD for; its neighbour is the largest (smallest) of what is beyond it.
    low = np.partition(values, below + 1)
    first, second = float(low[: below + 1].max()), float(low[below + 1])
    high = np.partition(values, last - below - 1)
    third, fourth = float(high[last - below - 1]), float(high[last - below :].min())
    return first + (second - first) * (place - below), fourth - (fourth - third) * (place - below)


def clean(samples: Samples) -> list[Array]:
    """One array per repeat that has values. Raises ValueError where none has."""
    parts = [np.asarray(part, dtype=np.float64) for part in samples if len(part)]
    if not parts:
        raise ValueError("no samples")
    return parts


def centre(part: Sequence[float] | Array, statistic: Statistic) -> float:
    """The median or mean of one repeat."""
    if statistic == "mean":
        return float(np.mean(part))
    # Not by np.median, which spends ten times as long on a burst's few calls.
    ordered = np.sort(np.asarray(part, dtype=np.float64))
    return float(0.5 * (ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]))


@dataclass(frozen=True)
class Clusters:
    """What parts have in common that makes them alike: ``names``, one per part, of the nodes or runs of ``basis``."""

    names: Sequence[str]
    basis: Basis

    def __bool__(self) -> bool:
        return len(set(self.names)) > 1


class _KeptDraws:
    """Draws by what they were made of; forgotten when they grow too large."""

    def __init__(self) -> None:
        self.draws: dict[Hashable, Draws] = {}
        self.bytes = 0

    def keep(self, asked: Hashable, draws: Draws) -> None:
        size = draws.values.nbytes + 8 * draws.samples
        if self.bytes + size > _KEPT_BYTES:
            self.draws, self.bytes = {}, 0
        draws.values.flags.writeable = False
        self.draws[asked] = draws
        self.bytes += size


_KEPT = _KeptDraws()


def draw(parts: list[Array], statistic: Statistic, seed: Seed, clusters: Clusters | None = None) -> Draws:
    """RESAMPLES locations of ``parts`` under resampling; the method is told in ``statistics``. ``clusters``: whole ones
    are resampled where there are two or more; None where that does not matter.

    The same is drawn once: a reference stands against every scheme, and a ratio on the page in a ledger too.
    """
    of = (tuple(clusters.names), clusters.basis) if clusters else None
    asked = (tuple(part.tobytes() for part in parts), statistic, seed, of)
    if asked not in _KEPT.draws:
        _KEPT.keep(asked, _drawn(parts, statistic, seed, clusters))
    return _KEPT.draws[asked]


def _drawn(parts: list[Array], statistic: Statistic, seed: Seed, clusters: Clusters | None) -> Draws:
    rng = Stream(*seed)
    point = float(np.mean([centre(part, statistic) for part in parts]))
    samples = sum(part.size for part in parts)
    if len(parts) == 1:
        values = _resampled(parts[0], statistic, RESAMPLES, rng)
        basis: Basis = "within one process" if samples > 1 else "one value"
        return Draws(point, values, samples, 1, samples, basis, _expansion(samples))
    if clusters:
        n, basis = len(set(clusters.names)), clusters.basis
        values = _between_clusters(parts, statistic, rng, clusters.names)
    else:
        n, basis, values = len(parts), "between processes", _resample_between(parts, statistic, rng)
    expansion = _expansion(n)
    if n > _MANY or len(parts) > 10 * _MANY:
        return Draws(point, values, n, len(parts), samples, basis, expansion)
    inside = np.mean([_resampled(part, statistic, RESAMPLES, rng) for part in parts], axis=0)
    if float(inside.std()) > expansion * float(values.std()):
        values, expansion = inside, 1.0
    return Draws(point, values, n, len(parts), samples, basis, expansion)


def _resample_between(parts: list[Array], statistic: Statistic, rng: Stream) -> Array:
    centres = np.array([centre(part, statistic) for part in parts])
    return _in_blocks(len(parts), RESAMPLES, rng, lambda drawn: centres[drawn].mean(axis=1))


def _between_clusters(parts: list[Array], statistic: Statistic, rng: Stream, of: Sequence[str]) -> Array:
    """Whole nodes are drawn, each with all its processes, because these share what the node is; runs likewise."""
    names = {name: number for number, name in enumerate(dict.fromkeys(of))}
    code = np.array([names[name] for name in of])
    sums, counts = np.bincount(code, [centre(part, statistic) for part in parts]), np.bincount(code)
    return _in_blocks(len(names), RESAMPLES, rng, lambda drawn: sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def _in_blocks(units: int, count: int, rng: Stream, location: Callable[[Rows], Array]) -> Array:
    """``location`` of ``count`` resamples of ``units``: some rows of units at a time, because those of many take
    hundreds of megabytes at once."""
    block = max(1, _AT_ONCE // units)
    rows = [min(block, count - start) for start in range(0, count, block)]
    return np.concatenate([np.empty(0), *(location(rng.integers(units, (some, units))) for some in rows)])


def _expansion(n: int) -> float:
    return math.sqrt(n / (n - 1.0)) if n > 1 else 1.0


def _resampled(part: Array, statistic: Statistic, count: int, rng: Stream) -> Array:
    """``count`` medians (or means) of resamples of ``part`` with replacement."""
    if part.size == 1:
        return np.full(count, part[0])
    if statistic == "mean":
        return _in_blocks(part.size, count, rng, lambda drawn: part[drawn].mean(axis=1))
    return _resampled_medians(np.sort(part), count, rng)


def _resampled_medians(ordered: Array, count: int, rng: Stream) -> Array:
    lower, upper = rng.middles(ordered.size, count)
    if ordered.size % 2:
        return ordered[lower]
    medians: Array = 0.5 * (ordered[lower] + ordered[upper])
    return medians
