"""pass@k and how well it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

CONFIDENCE = 0.95


def pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """The mean over tasks of 1 - C(n - c, k) / C(n, k), for (n samples, c that passed) of each task: the unbiased
    estimator of Chen et al. 2021 (arXiv 2107.03374, equation 1). Raises ValueError where a task has fewer than k."""
    if not counts or any(n < k for n, _ in counts):
        raise ValueError(f"pass@{k} needs at least {k} samples of every task")
    return math.fsum(1.0 - math.comb(n - c, k) / math.comb(n, k) for n, c in counts) / len(counts)


def wilson(passed: int, tasks: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a share of independent tasks (Wilson 1927, JASA 22(158)): of this score on other such tasks."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, weight = passed / tasks, z * z / tasks
    middle = (share + weight / 2) / (1 + weight)
    reach = z * math.sqrt(share * (1 - share) / tasks + weight / (4 * tasks)) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)
