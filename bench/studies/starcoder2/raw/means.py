"""A mean of few runs: with Student's t, and with the whisker that the study drew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from bench.analysis.statistics import CONFIDENCE, Estimate, Unit, ratio
from bench.analysis.statistics.assumed import ENOUGH
from bench.analysis.statistics.student import t_quantile

_STUDYS = 1.96


@dataclass(frozen=True)
class Mean:
    """``low`` and ``high``: where the mean lies with 95 %, x̄ ± t(n − 1)·s/√n. ``whisker``: the study's 1.96·s, which
    says where single runs lie and is 1.58 times as long for five runs. ``sd``: of the runs, n − 1."""

    value: float
    sd: float
    low: float
    high: float
    whisker: float
    runs: tuple[float, ...]


def mean(values: Sequence[float]) -> Mean:
    """Raises statistics.StatisticsError for fewer than two values."""
    middle, spread = fmean(values), stdev(values)
    reach = t_quantile(0.5 + CONFIDENCE / 2, len(values) - 1) * spread / math.sqrt(len(values))
    return Mean(middle, spread, middle - reach, middle + reach, _STUDYS * spread, tuple(values))


def over(values: Sequence[float], reference: Sequence[float]) -> Estimate:
    """The ratio of two means with its interval; each run is a fresh process of its own."""
    # What nodes differ by is set against each claim by itself (claims_energy): no arm's spread is lent to another.
    unit: Unit = "fixed" if min(len(values), len(reference)) >= ENOUGH else "processes"
    return ratio([(value,) for value in values], [(value,) for value in reference], statistic="mean", unit=unit)
