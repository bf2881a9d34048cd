"""The variation of a figure between the steps of recordings, by leaving out some of them at a time (jackknife).

Efron & Stein 1981 (Annals of Statistics 9(3)): with a figure θ₍ⱼ₎ for each of n groups of steps left out, the variance
of θ is about (n − 1)/n · Σ (θ₍ⱼ₎ − mean)². What all steps have in common is counted once, whatever the figure does with
the steps, which the spread of values per step does not do: a factor taken from the steps themselves hides there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..student import t_quantile

Steps = NDArray[np.bool_]
# More groups would say the same again.
_MOST = 10


def left_out(steps: int) -> list[Steps]:
    """[steps] which steps stay, once per group that is left out; [] for one step, which has no variation to show."""
    if steps < 2:
        return []
    groups = np.array_split(np.arange(steps), min(steps, _MOST))
    return [~np.isin(np.arange(steps), group) for group in groups]


def half_width(*recordings: Sequence[float]) -> float | None:
    """Half the 95 % interval of a figure of independent recordings; each is given as the figure with each group of its
    steps left out. None where a recording has one step. Degrees of freedom are Welch–Satterthwaite's."""
    if any(len(values) < 2 for values in recordings):
        return None
    variances = [(len(values) - 1) ** 2 / len(values) * float(np.var(values, ddof=1)) for values in recordings]
    total = sum(variances)
    if total <= 0.0:
        return 0.0
    shares = [(variance / total) ** 2 / (len(v) - 1) for variance, v in zip(variances, recordings, strict=True)]
    return t_quantile(0.975, round(1.0 / sum(shares), 2)) * math.sqrt(total)
