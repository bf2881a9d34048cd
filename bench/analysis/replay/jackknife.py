"""The variation of a figure between the steps of a recording, by leaving out some of them at a time (jackknife).

Efron & Stein 1981 (Annals of Statistics 9(3)): with a figure θ₍ⱼ₎ for each of n groups of steps left out, the variance
of θ is about (n − 1)/n · Σ (θ₍ⱼ₎ − mean)². What all steps have in common is counted once, whatever the figure does with
the steps, which the spread of values per step does not do: a factor taken from the steps themselves hides there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..statistics.spread import Part

Steps = NDArray[np.bool_]
# More groups would say the same again.
_MOST = 10


def left_out(steps: int) -> list[Steps]:
    """[steps] which steps stay, once per group that is left out; [] for one step, which has no variation to show."""
    if steps < 2:
        return []
    groups = np.array_split(np.arange(steps), min(steps, _MOST))
    return [~np.isin(np.arange(steps), group) for group in groups]


def part(values: Sequence[float]) -> Part:
    """The variance of a figure, given with each group of a recording's steps left out, and its degrees of freedom."""
    if len(values) < 2:
        return 0.0, 0.0
    return (len(values) - 1) ** 2 / len(values) * float(np.var(values, ddof=1)), len(values) - 1.0
