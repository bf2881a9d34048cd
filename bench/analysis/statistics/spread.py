"""How much another process would differ, where one recording of each arm cannot show it: assumed, and always called so.

A fresh process of the same code on the same machine draws another memory layout, other clocks and other neighbours, so
two recordings without any difference differ. With one process of each arm that spread cannot be seen. It is taken for
one factor on all of the host's work and another on all of the GPU's, each with a relative standard deviation that is
assumed, and carried into a figure by what the figure does when a recording's host, or GPU, is that much slower. Since
machines differ in this spread too, it counts as known with FREEDOM degrees of freedom only.

ASSUMED.host and FREEDOM are those of the verdicts (assumed.py). ASSUMED.gpu is generous: over the eight processes of
the committed H100 run the kernels of the output layer, the same in all arms, have a standard deviation of 0.7 %
(tests/analysis/test_spread.py), but clocks of another day are not in that.

An interval is point ± t·sqrt(Σ variances), t as in assumed.py.

That of a step's time, and of what is made of two times, asks what the time is where the host and the GPU of its process
are at the limits of what is assumed: anywhere on the ellipse that one standard deviation of each spans, times t. For a
time that is linear in both this is the same; but a host whose work the GPU hides moves the time only as far as a slow
one comes out from behind the GPU, and where both set the pace only both together make it shorter. Limits of two times
add up by the root of the sum of their squares, each direction by itself (Zou & Donner 2008, Statistics in Medicine
27(10)).

The variation of a figure between the steps of a recording is found by leaving out some of them at a time (jackknife,
Efron & Stein 1981, Annals of Statistics 9(3)): with a figure θ₍ⱼ₎ for each of n groups of steps left out, the variance
of θ is about (n − 1)/n · Σ (θ₍ⱼ₎ − mean)². What all steps have in common is counted once, whatever the figure does with
the steps, which the spread of values per step does not do: a factor taken from the steps themselves hides there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..statistics import Basis
from .assumed import FREEDOM, PROCESS, Part, freedom, quantile

__all__ = ["ASSUMED", "FREEDOM", "NOTHING", "Bounded", "Part", "Spread", "apart", "half_width", "seen"]

_MANY = 1e3
_LIMIT = quantile(FREEDOM)
_DIRECTIONS = 32


@dataclass(frozen=True)
class Bounded:
    """A figure of one process, and what it is at the limits of what is assumed."""

    usual: float
    low: float
    high: float

    def __sub__(self, other: Bounded) -> Bounded:
        """The difference of two processes' figures."""
        usual = self.usual - other.usual
        below = math.hypot(self.usual - self.low, other.high - other.usual)
        above = math.hypot(self.high - self.usual, other.usual - other.low)
        return Bounded(usual, usual - below, usual + above)

    @property
    def log(self) -> Bounded:
        """Of a figure that is above 0."""
        return Bounded(*map(math.log, (self.usual, self.low, self.high)))


@dataclass(frozen=True)
class Spread:
    """Relative standard deviation between processes: of the host's work (on a CPU: of everything), of the GPU's."""

    host: float
    gpu: float

    @property
    def limits(self) -> tuple[Mapping[str, float], ...]:
        """Factors on the host's and on the GPU's work of processes at the limits of what is assumed."""
        angles = [2.0 * math.pi * place / _DIRECTIONS for place in range(_DIRECTIONS)]
        return tuple(
            {"host": math.exp(_LIMIT * self.host * math.cos(each)), "gpu": math.exp(_LIMIT * self.gpu * math.sin(each))}
            for each in angles
        )

    def all_host(self, figure: float) -> Bounded:
        """A figure that is all the host's work."""
        factor = math.exp(_LIMIT * self.host)
        return Bounded(figure, figure / factor, figure * factor)


ASSUMED = Spread(host=PROCESS, gpu=0.02)
# For two recordings of one process: nothing but the steps' own variation is between them.
NOTHING = Spread(0.0, 0.0)


def half_width(seen: Sequence[Part], processes: Iterable[float] = (), model: Iterable[float] = ()) -> float | None:
    """Half a 95 % interval: ``seen``, the variances between steps; ``processes``, a figure's change where a recording
    is of a process that is one assumed standard deviation slower; ``model``, the same where what a model takes off is
    one standard deviation away. None where a recording has one step, which shows no variation."""
    if any(df < 1.0 for _, df in seen):
        return None
    assumed = math.fsum(effect * effect for effect in processes)
    parts = [*seen, (assumed, FREEDOM), (math.fsum(effect * effect for effect in model), _MANY)]
    total = math.fsum(variance for variance, _ in parts)
    return quantile(freedom(parts)) * math.sqrt(total) if total > 0.0 else 0.0


def seen(basis: Basis) -> bool:
    """Whether more than one process is behind a figure, so that its interval says itself what of their spread it
    assumes."""
    return basis not in ("one value", "within one process")


def apart(spread: Spread) -> float:
    """The factor by which two times of one process each must differ so that chance is no explanation, whatever sets
    the pace."""
    return math.exp(half_width((), (spread.host, spread.host)) or 0.0)


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
