"""The ledger's arithmetic: lines that add up to the unprofiled wall time exactly, with an interval for every line.

All figures are put on a grid of 2^-30 ms (about a picosecond). Sums and differences of such numbers are exact in
double precision as long as they stay under 2^22 ms, so the lines close to the last bit in whatever order they are
added. ``unexplained`` is defined as the rest, and so takes the rounding too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.record import causes as c
from bench.record.metrics import MS_PER_S

from ..statistics import Basis, Estimate, Samples, Statistic, location
from ..statistics.pairing import Located, PairPlace, difference_between, level_of
from ..statistics.propagation import product

GRID = 2.0**-30


@dataclass(frozen=True)
class Side:
    """One arm, in seconds per token; every Samples holds one sequence per repeat (fresh process).

    ``wall``: the unprofiled time, one value per call. ``lines``: cause → observed steps, with the observer's modelled
    cost taken off. ``plain``: unprofiled calls of the observed processes, () where there are none; the repeats of
    ``lines`` and ``plain`` correspond. ``statistic`` is what one repeat's wall time is: the median of its calls, or
    for a trace the mean of its steps. ``wall_spots`` and ``line_spots``: for a sweep, where each repeat of ``wall`` and
    of ``lines`` ran; a difference's interval is then taken over pairs. ``leading``: (idle cause, work) → the part of
    that idle line after which work of that kind was to start, steps as in ``lines``.
    """

    wall: Samples
    lines: Mapping[str, Samples] = field(default_factory=dict)
    plain: Samples = ()
    statistic: Statistic = "median"
    wall_spots: tuple[PairPlace, ...] = ()
    line_spots: tuple[PairPlace, ...] = ()
    leading: Mapping[tuple[str, str], Samples] = field(default_factory=dict)

    def cause(self, name: str) -> Samples:
        """The samples of one line; what the observer says not to occur is 0 in every step."""
        return self.lines.get(name, tuple((0.0,) for _ in self._repeats()))

    def leads(self, idle: str, work: str) -> Samples:
        """The samples of the part of an idle line that leads to some work; 0 where nothing does."""
        return self.leading.get((idle, work), tuple((0.0,) for _ in self._repeats()))

    def line(self, name: str) -> Located:
        """The samples of one line and where they were observed."""
        return self.observed(self.cause(name))

    def observed(self, samples: Samples) -> Located:
        """Samples of the observed repeats, with their spots."""
        return Located(samples, self.line_spots)

    def timed(self, samples: Samples) -> Located:
        """Samples of the timed repeats, with their spots."""
        return Located(samples, self.wall_spots)

    def _repeats(self) -> Sequence[Sequence[float]]:
        return next(iter(self.lines.values()), ((0.0,),) * max(len(self.line_spots), 1))

    def sums(self) -> list[float]:
        """Per observed repeat the sum of its lines: the mean observed step less the modelled cost."""
        return [sum(float(np.mean(column[i])) for column in self.lines.values()) for i in range(len(self._repeats()))]


@dataclass(frozen=True)
class Line:
    """One line of the ledger, ms per token. ``low`` and ``high`` bound the difference's 95 % interval, None where
    there is none. ``assumed``: which spread of it was not seen but assumed, or "". ``freedom``: degrees of freedom of
    the interval, None where they are not known."""

    cause: str
    reference_ms: float
    scheme_ms: float
    delta_ms: float
    low: float | None
    high: float | None
    basis: Basis
    assumed: str = field(default="", kw_only=True)
    freedom: float | None = field(default=None, kw_only=True)

    @property
    def sure(self) -> bool:
        """The interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Closed:
    """A closed ledger: reference + Σ delta = scheme, exactly. ms per token."""

    reference_ms: float
    scheme_ms: float
    delta: Line
    lines: tuple[Line, ...]

    def line(self, cause: str) -> Line | None:
        return next((line for line in self.lines if line.cause == cause), None)

    @property
    def unexplained_ms(self) -> float:
        found = self.line(c.UNEXPLAINED)
        return found.delta_ms if found else 0.0


def on_grid(ms: float) -> float:
    """The nearest multiple of 2^-30 ms."""
    return round(ms / GRID) * GRID


def close(reference: Side, scheme: Side) -> Closed:
    """The ledger of two sides. Lines that are 0 on both are left out, but for the corrections.

    ``profiler_disturbance`` is there only where unprofiled calls of the observed processes are known on both sides.
    """
    before, after = (on_grid(location(side.wall, side.statistic) * MS_PER_S) for side in (reference, scheme))
    made = [line_of(name, reference.line(name), scheme.line(name)) for name in _names(reference, scheme)]
    if reference.plain and scheme.plain:
        disturbed = [side.observed(_disturbance(side)) for side in (reference, scheme)]
        known = [on_grid(location(side.samples, "mean") * MS_PER_S) for side in disturbed]
        made.append(_line(c.DISTURBANCE, known[0], known[1], _between_moments(reference, scheme, disturbed)))
    rest = before - sum(line.reference_ms for line in made), after - sum(line.scheme_ms for line in made)
    spread = _between_moments(reference, scheme, [_unexplained(reference), _unexplained(scheme)])
    made.append(_line(c.UNEXPLAINED, rest[0], rest[1], spread))
    wall = difference_between(scheme.timed(scheme.wall), reference.timed(reference.wall), scheme.statistic)
    return Closed(before, after, _line("wall", before, after, wall), tuple(made))


def _names(*sides: Side) -> list[str]:
    present = {name for side in sides for name, samples in side.lines.items() if any(any(part) for part in samples)}
    return [name for name in c.CAUSES if name in present]


def line_of(cause: str, reference: Located, scheme: Located) -> Line:
    """One line, s per token, from the means of both sides."""
    before, after = (on_grid(location(side.samples, "mean") * MS_PER_S) for side in (reference, scheme))
    return _line(cause, before, after, difference_between(scheme, reference, "mean"))


def share_of(side: Side, cause: str) -> Estimate | None:
    """What a line takes of the side's wall time; None where it takes nothing."""
    line, wall = side.line(cause), side.timed(side.wall)
    if cause not in side.lines or location(line.samples, "mean") <= 0:
        return None
    return product([(level_of(line, "mean"), 1.0), (level_of(wall, side.statistic), -1.0)])


def _line(cause: str, reference: float, scheme: float, spread: Estimate) -> Line:
    """A line with the interval of ``spread`` moved onto the exact difference, which rounding does not put outside."""
    delta = scheme - reference
    shift = delta - spread.value * MS_PER_S
    low = None if spread.low is None else min(spread.low * MS_PER_S + shift, delta)
    high = None if spread.high is None else max(spread.high * MS_PER_S + shift, delta)
    return Line(
        cause, reference, scheme, delta, low, high, spread.basis, assumed=spread.assumed, freedom=spread.freedom
    )  # fmt: skip


def _between_moments(reference: Side, scheme: Side, left: Sequence[Located]) -> Estimate:
    """The difference of what is left, on either side, of a figure less another of the same processes at another time.
    How moments differ is assumed relative to the whole figures; steps of a trace are set against themselves."""
    levels = [location(side.wall) if side.statistic == "median" else 0.0 for side in (scheme, reference)]
    return difference_between(left[1], left[0], "mean", unit="bursts", levels=(levels[0], levels[1]))


def _disturbance(side: Side) -> Samples:
    """Per observed repeat: its unprofiled step less the sum of its lines."""
    return tuple((float(np.mean(plain)) - total,) for plain, total in zip(side.plain, side.sums(), strict=True))


def _unexplained(side: Side) -> Located:
    """Per repeat: the wall time less what the observed processes say, for the interval: in a sweep those of the same
    block, where it has any; where every repeat was observed its own process; else the mean of those that were."""
    told = [float(np.mean(part)) for part in side.plain] or (side.sums() if side.lines else [0.0])
    mean = float(np.mean(told))
    own = dict(zip(side.line_spots, told, strict=False))
    each = told if len(told) == len(side.wall) else [mean] * len(side.wall)
    less = [own.get(spot, mean) for spot in side.wall_spots] or each
    walls = (location((part,), side.statistic) for part in side.wall)
    return side.timed(tuple((wall - one,) for wall, one in zip(walls, less, strict=True)))
