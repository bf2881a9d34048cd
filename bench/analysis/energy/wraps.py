"""Finds afterwards how often an energy counter wrapped unseen: which whole n makes the mean power plausible.

A counter of range R that wrapped n times more than its reader noticed leaves (true joules − n·R), so that the power was
(joules + n·R) ÷ seconds for some n. Nothing in the joules says which n: the answer is as good as the power that is
called plausible. Neighbouring n lie R ÷ seconds apart, so the longer the run, the narrower that power must be known:
where it spans a step or more, one n at least always fits, and where it is wrong, a wrong n may fit alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# max_energy_range_uj of Linux' powercap: 2³² − 1 counts of 61.035 µJ (Intel's packages) and of 15.258 µJ (AMD's), with
# the unit cut to whole picojoules.
INTEL_RANGE, AMD_RANGE = 262_143.328850, 65_532.610987
Answer = Literal["as recorded", "one fits", "several fit", "none fits"]


@dataclass(frozen=True)
class Fit:
    """``wraps`` put back: J and W."""

    wraps: int
    joules: float
    watts: float


@dataclass(frozen=True)
class Wraps:
    """What a plausible power allows. ``fewest`` and ``most``: the least and the greatest n that fit (``most`` <
    ``fewest``: none). ``step``: W between neighbouring n. ``margin``: by how many W the plausible power may be wrong on
    its nearer side before a neighbouring n fits too (negative where several do, None where none does)."""

    joules: float
    seconds: float
    low: float
    high: float
    range: float
    fewest: int
    most: int

    @property
    def step(self) -> float:
        return self.range / self.seconds

    @property
    def by_chance(self) -> float:
        """The share of powers that have nothing to do with the run and that some n would fit all the same."""
        return min(1.0, (self.high - self.low) / self.step)

    @property
    def answer(self) -> Answer:
        if self.most < self.fewest:
            return "none fits"
        if self.most > self.fewest:
            return "several fit"
        return "as recorded" if self.fewest == 0 else "one fits"

    @property
    def fit(self) -> Fit | None:
        """The only n that fits; None where none or several do."""
        return self.with_wraps(self.fewest) if self.most == self.fewest else None

    @property
    def margin(self) -> float | None:
        if self.most < self.fewest:
            return None
        if self.most > self.fewest:
            return (self.fewest - self.most) * self.step
        above = self.with_wraps(self.most + 1).watts - self.high
        return above if self.fewest == 0 else min(above, self.low - self.with_wraps(self.fewest - 1).watts)

    def with_wraps(self, wraps: int) -> Fit:
        joules = self.joules + wraps * self.range
        return Fit(wraps, joules, joules / self.seconds)

    def nearest(self, watts: float) -> Fit:
        """The n whose power lies nearest to ``watts``, whether it fits or not."""
        wraps = max(0, round((watts * self.seconds - self.joules) / self.range))
        return self.with_wraps(wraps)


def find_wraps(joules: float, seconds: float, low: float, high: float, range_: float = INTEL_RANGE) -> Wraps:
    """Which numbers of wraps make a counter's ``joules`` over ``seconds`` a mean power between ``low`` and ``high`` W.

    ``range_``: what the counter counts to, J. Several counters of one range, added up, are as one: n is then their sum.
    Raises ValueError for joules below 0, no seconds, no range, or a power that is none.
    """
    values = (joules, seconds, low, high, range_)
    if not all(math.isfinite(value) for value in values) or joules < 0 or seconds <= 0 or range_ <= 0:
        raise ValueError(f"no energy over a time: {joules} J in {seconds} s with a counter of {range_} J")
    if not 0 <= low <= high:
        raise ValueError(f"no range of power: {low} to {high} W")
    fewest = max(0, math.ceil((low * seconds - joules) / range_))
    most = math.floor((high * seconds - joules) / range_)
    return Wraps(joules, seconds, low, high, range_, fewest, max(most, fewest - 1))
