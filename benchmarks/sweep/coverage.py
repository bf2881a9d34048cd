"""How often an interval holds the truth, how far the estimate is from it, and how wide the interval is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .intervals import Interval
from .noise import Floats, Recorded
from .world import Effects, make_nodes, measured

Judge = Callable[[np.random.Generator], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Result:
    """Over all comparisons of all replicates. ``bias``, ``rms_error``: relative errors of the ratio; ``…_error`` of
    them: Monte Carlo standard errors, with a replicate as the unit. ``lowest``, ``highest``: coverage of the
    comparison that has the least and the most. ``half_width``: median, relative. ``lost``: share of comparisons that
    had no interval."""

    coverage: float
    coverage_error: float
    lowest: float
    highest: float
    bias: float
    bias_error: float
    rms_error: float
    half_width: float
    lost: float
    replicates: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def replicate(
    rng: np.random.Generator,
    effects: Effects,
    known: Recorded,
    assign: Callable[[np.random.Generator], Any],
    interval: Callable[[Floats, Any], Interval],
) -> Interval:
    """(error, half-width) of every comparison in one simulated sweep over new nodes."""
    nodes = make_nodes(rng, effects, known.host)
    node, place = assign(rng)
    point, half = interval(measured(rng, effects, nodes, known, node, place), node)
    return point - (known.truth[:, 1:] - known.truth[:, :1]), half


def judge(errors: Floats, halves: Floats) -> Result:
    """Of [replicates, settings, schemes - 1] errors and half-widths of ln ratio."""
    known = np.isfinite(halves)
    inside = np.where(known, np.abs(errors) <= halves, np.nan)
    each, bias = np.nanmean(inside, axis=(1, 2)), errors.mean(axis=(1, 2))
    of_comparison = np.nanmean(inside, axis=0)
    n = len(errors)
    return Result(
        coverage=float(np.nanmean(inside)),
        coverage_error=float(each.std(ddof=1) / np.sqrt(n)),
        lowest=float(of_comparison.min()),
        highest=float(of_comparison.max()),
        bias=float(bias.mean()),
        bias_error=float(bias.std(ddof=1) / np.sqrt(n)),
        rms_error=float(np.sqrt((errors**2).mean())),
        half_width=float(np.expm1(np.nanmedian(halves))),
        lost=float(1 - known.mean()),
        replicates=n,
    )
