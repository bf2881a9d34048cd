"""How often is a difference found that is there, and how often one that is not? By the tool on simulated arms."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from bench.analysis import generation

from . import draws

TIMES = (1.0, 1.1, 1.25, 1.5, 3.0)
PROCESSES = (1, 2, 3, 5)
# As on a quiet machine, and about as in the committed CPU runs.
SPREADS = (0.03, 0.15)


def power(seed: int, replicates: int) -> list[dict[str, Any]]:
    """A row per spread, ratio and number of processes of each arm: verdict → share."""
    return [
        {
            "spread": spread,
            "times": times,
            "processes": count,
            "verdicts": _shares(seed, replicates, times, count, spread),
        }
        for spread in SPREADS
        for times in TIMES
        for count in PROCESSES
    ]


def _shares(seed: int, replicates: int, times: float, count: int, spread: float) -> dict[str, float]:
    found: Counter[str] = Counter()
    for index in range(replicates):
        rng = np.random.default_rng([seed, round(1000 * times), count, round(1000 * spread), index])
        (group,) = generation.summarise(draws.arms(rng, times, count, spread))
        found[str(next(row.verdict for row in group.rows if row.scheme == "nf4"))] += 1
    return {verdict: number / replicates for verdict, number in sorted(found.items())}
