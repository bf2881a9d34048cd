"""Arms that were measured one after the other: what changed meanwhile may be the difference.

Arms in turns share a drift (a machine that warms up, a neighbour that grows). Where all runs, or processes, of one arm
came before all of the other, a drift is a difference, and no spread within an arm shows it. So the difference is found
once more beside a straight trend over the order in which they were measured (analysis of covariance: Fisher 1932,
"Statistical methods for research workers", section 49.1), and the interval holds what either way allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..statistics import Estimate
from .assumed import ENOUGH, quantile

# When a unit was measured, as text that sorts, and the logarithm of what it took.
Measured = tuple[tuple[str, ...], float]


def one_after_the_other(arm: Sequence[Measured], reference: Sequence[Measured]) -> bool:
    """Whether all of one arm came before all of the other, each seen often enough to be taken for its spread."""
    if min(len(arm), len(reference)) < ENOUGH:
        return False
    sides = sorted(([when for when, _ in side] for side in (arm, reference)), key=min)
    return max(sides[0]) < min(sides[1])


def with_trend(found: Estimate, arm: Sequence[Measured], reference: Sequence[Measured]) -> Estimate:
    """A ratio of arms that came one after the other, with the interval that a straight trend leaves it."""
    if found.low is None or found.high is None:
        return found
    units = sorted((when, value, side) for side, of in ((1.0, arm), (0.0, reference)) for when, value in of)
    order = np.arange(len(units), dtype=np.float64)
    sides, values = (np.array([unit[place] for unit in units]) for place in (2, 1))
    columns = np.column_stack([np.ones(len(units)), order - order.mean(), sides])
    fitted = np.linalg.lstsq(columns, values, rcond=None)[0]
    left, freedom = values - columns @ fitted, len(units) - 3
    error = math.sqrt(float(left @ left) / freedom * float(np.linalg.inv(columns.T @ columns)[2, 2]))
    low, high = (math.exp(fitted[2] + side * quantile(freedom) * error) for side in (-1.0, 1.0))
    return replace(found, low=min(found.low, low), high=max(found.high, high), freedom=float(freedom))
