"""How much processes, runs and bursts differ, where the data cannot show it: assumed, and always called so.

Calls of one process are alike in memory layout, clocks and neighbours; so are processes of one run in the day and the
machine's state, and products of one burst in the moment. Such a spread shows only between units of its kind. One unit
shows none, and two that agree may do so by chance: where each process is in one of two modes, as on hosts with
frequency steps, two arms without a difference come out apart, each with its two processes alike, once in eight times.
Three processes per arm do so once in 32 times. So fewer than ENOUGH units count as seen only in what they differ; the
spread below is added as a part of the variance, with FREEDOM degrees of freedom, because machines differ in it.

The figures are of logarithms (0.12: 12 %), as standard deviations. They come from the committed records, over which
docs/verdicts.md holds them (benchmarks/verdicts.py computes it). With Student's t of two degrees of freedom two
processes of one arm are taken to lie up to ×1.15 apart in half of all cases, and up to ×2.08 in 95 %.

An interval is point ± t·sqrt(Σ parts), t with the degrees of freedom of Welch and Satterthwaite (Welch 1947,
Biometrika 34): df = (Σ parts)² / Σ (part² / its df). What is assumed of both arms is one part, because a machine that
spreads more than assumed does so in both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .student import t_quantile

# Of every interval.
CONFIDENCE = 0.95
PROCESS = 0.12
RUN = 0.06
BURST = 0.05
FREEDOM = 2.0
ENOUGH = 3

# What stands after an interval of which a part was not seen.
WORD = "assumed"

# (variance, degrees of freedom)
Part = tuple[float, float]


@dataclass(frozen=True)
class Assumed:
    """A variance that is assumed, and between what: () where nothing is."""

    variance: float = 0.0
    between: tuple[str, ...] = ()

    def __add__(self, other: Assumed) -> Assumed:
        return Assumed(self.variance + other.variance, tuple(dict.fromkeys((*self.between, *other.between))))

    def of_level(self, level: float) -> Assumed:
        """The variance of a figure that is ``level`` high, in the square of its unit: the delta method."""
        return Assumed(self.variance * level * level, self.between)

    @property
    def part(self) -> Part:
        return self.variance, FREEDOM

    @property
    def text(self) -> str:
        """Such as "between processes and runs"; "" where nothing is assumed."""
        return _BETWEEN + _AND.join(self.between) if self.between else ""


NOTHING = Assumed()
_BETWEEN, _AND = "between ", " and "


def merged(texts: Iterable[str]) -> str:
    """The text of all that is assumed in several figures, each kind once."""
    kinds = (kind for text in texts if text for kind in text.removeprefix(_BETWEEN).split(_AND))
    return Assumed(between=tuple(dict.fromkeys(kinds))).text


def mark(assumed: str) -> str:
    """What follows an interval, for its ``Estimate.assumed``: " assumed", or "" where all of it was seen."""
    return f" {WORD}" if assumed else ""


def of_processes(count: int) -> Assumed:
    """Of the mean of so many fresh processes of one arm."""
    return _of_units(count, PROCESS, "processes")


def of_bursts(count: int) -> Assumed:
    """Of the mean of so many bursts in one process."""
    return _of_units(count, BURST, "bursts")


def of_runs(shares: Iterable[float]) -> Assumed:
    """Of an arm, or a difference of arms, in which each run has this share: (1, -1) for two runs set against each
    other, () where both arms come from the same."""
    total = math.fsum(share * share for share in shares)
    return Assumed(RUN * RUN * total, ("runs",)) if total else NOTHING


def _of_units(count: int, spread: float, name: str) -> Assumed:
    return NOTHING if count >= ENOUGH else Assumed(spread * spread / count, (name,))


def freedom(parts: Sequence[Part]) -> float:
    """Welch and Satterthwaite's degrees of freedom of a sum of variances; the least of them where all are 0."""
    total = math.fsum(variance for variance, _ in parts)
    if total == 0.0:
        return min(df for _, df in parts)
    # By shares of the total, because the square of a tiny variance is 0.
    return 1.0 / math.fsum((variance / total) ** 2 / df for variance, df in parts)


def reach(seen: Sequence[Part], more: Assumed) -> float:
    """Half the interval of a figure whose variance is the sum of the parts that were seen and of what is assumed. Never
    less than by what was seen alone: an assumption's degrees of freedom do not make two values tell more."""
    alone = _half(seen) if seen else 0.0
    return max(alone, _half([*seen, more.part])) if more.variance else alone


def freedom_of_reach(seen: Sequence[Part], more: Assumed) -> float | None:
    """Degrees of freedom of what ``reach`` gives; None where nothing is known."""
    known = ([list(seen)] if seen else []) + ([[*seen, more.part]] if more.variance else [])
    return freedom(max(known, key=_half)) if known else None


def _half(parts: Sequence[Part]) -> float:
    return quantile(freedom(parts)) * math.sqrt(math.fsum(variance for variance, _ in parts))


def quantile(df: float) -> float:
    """t of a two-sided interval. ``df`` is rounded, so that the few values that occur are found in the cache."""
    return t_quantile(0.5 + 0.5 * CONFIDENCE, round(df, 2))
