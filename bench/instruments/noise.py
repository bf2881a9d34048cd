"""When to stop sampling: the relative standard error of the mean, kept up as samples arrive."""

from __future__ import annotations

import math
from collections.abc import Iterable


class RunningNoise:
    """Mean and variance in one pass.

    Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
    Technometrics 4 (1962). It does not cancel where the spread is small beside the mean, as timings are.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        """Take in one sample."""
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self._squares += distance * (value - self.mean)

    def relative_standard_error(self) -> float:
        """Standard error of the mean over the mean: s / (|mean| · √count), s with count − 1 in its divisor.

        Infinite below two samples or at a mean of zero, where it says nothing yet.
        """
        if self.count < 2 or self.mean == 0.0:
            return math.inf
        deviation = math.sqrt(max(self._squares, 0.0) / (self.count - 1))
        return deviation / (abs(self.mean) * math.sqrt(self.count))

    def quiet(self, target: float = 0.005, min_samples: int = 10) -> bool:
        """Whether there are enough samples and their relative standard error is at most ``target``."""
        return self.count >= min_samples and self.relative_standard_error() <= target


def noise_stop(samples: Iterable[float], target: float = 0.005, min_samples: int = 10) -> bool:
    """Whether sampling may stop: see ``RunningNoise.quiet``."""
    noise = RunningNoise()
    for sample in samples:
        noise.add(sample)
    return noise.quiet(target, min_samples)
