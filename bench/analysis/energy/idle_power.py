"""What a machine with nothing to do draws *while the work runs*, from idle windows before and after it.

A card that was busy a moment ago cools, and its idle power falls: idle measured before the work alone is then too high
for the work, and what is net of it too low. So idle is measured on both sides, and the power at each work window is
read off a line through the idle windows by least squares: a straight one while there is no change beyond the noise;
else a parabola where two windows a side show how it bends. Work that warms the board bends it as well: where idle power
follows the board's temperature with one time constant, its slope jumps up where the work begins and down by the same
amount where it ends, so that the bend between is the difference of the slopes outside, as it is on a card that cools.

What is left is an error, in W, of two kinds. *Noise* of the windows themselves is drawn anew in each process. What a
line cannot know is alike in every process, because the card does the same in each: so processes do not show it, and it
is *assumed* (as in ``assumed``, with FREEDOM degrees of freedom). For a parabola it is nothing where both sides move
the way that the whole does, as those of a card do that goes on cooling; elsewhere, as where the work warms the board,
REST of what the bend makes of a straight line, with that sign, so that a bend which is mere noise averages out over
processes. For a straight line that stands for a bent one it is CURVE of the change from before to after. With no idle
window after the work it is DRIFT of the power, or the trend that was seen before the work.

REST: beside what its bend puts right a parabola misses nothing of a card that cools, and a third to a half as much
again of one that the work warms with a time constant of three times the work's length to three quarters of it; with
FREEDOM degrees of freedom 95 % of what is assumed reach 0.86. CURVE: an exponential decay is 0.07 of its change below
the chord after 0.6 time constants, 0.23 after 2; 95 % of what is assumed reach 0.22. DRIFT: the eleven idle windows of
the committed H100 run, taken moments after different work, have a standard deviation of 1.6 %; a card that cools by 6
of 120 W drifts by 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Finding, Record

from ..once import once
from ..statistics.assumed import FREEDOM, quantile
from .sources import SOURCES, EnergySource
from .work_windows import IdleWindow, WorkWindow, idle_windows, work_windows

REST, CURVE, DRIFT = 0.2, 0.05, 0.03
# Idle windows on each side that show a bend.
_BEND = 2
# Of an idle window's power, where too few windows show it; counted as FREEDOM windows that were seen.
QUIET = 0.002
# Standard deviations of its noise that a change must have to be one.
_CHANGE = 2.0
# A trend of idle power worth telling.
TREND = 0.02

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Idle:
    """``powers``: W at each work window. ``noise`` and ``assumed``: standard deviations of their mean, W (see above);
    what is assumed has a sign where one is known. ``before`` and ``after``: mean power on each side, W; None where it
    was not measured."""

    powers: tuple[float, ...]
    noise: float
    assumed: float
    before: float | None
    after: float | None

    @property
    def power(self) -> float:
        """W, the mean over the work windows."""
        return math.fsum(self.powers) / len(self.powers)


@dataclass(frozen=True)
class _RestLine:
    powers: Floats
    noise: float
    noise_of_change: float
    assumed: float = 0.0


@once
def idle_of(record: Record, source: EnergySource) -> Idle | None:
    """At the record's work windows; None where no idle window or no work window was measured."""
    idle, work = idle_windows(record, source), work_windows(record, source)
    if not idle or not work:
        return None
    before, after = (_mean([window for window in idle if window.after is side]) for side in (False, True))
    line = _best(idle, work, before, after)
    return Idle(tuple(line.powers.tolist()), line.noise, line.assumed, before, after)


def _best(
    idle: Sequence[IdleWindow], work: Sequence[WorkWindow], before: float | None, after: float | None
) -> _RestLine:
    if before is None or after is None:
        return replace(_line(idle, work, 0), assumed=_drift(idle))
    change, straight = after - before, _line(idle, work, 1)
    if abs(change) <= _CHANGE * straight.noise_of_change:
        return straight
    sides = [[window.power for window in idle if window.after is side] for side in (False, True)]
    if min(map(len, sides)) < _BEND:
        return replace(straight, assumed=CURVE * change)
    bent = _line(idle, work, 2)
    if all((side[-1] - side[0]) * change > 0 for side in sides):
        return bent  # as a card that cools, or one that drifts
    return replace(bent, assumed=REST * float(np.mean(bent.powers - straight.powers)))


def _drift(idle: Sequence[IdleWindow]) -> float:
    """W that the power may be off in the work, where idle was measured on one side of it."""
    return max(DRIFT * (_mean(idle) or 0.0), abs(idle[-1].power - idle[0].power))


def _mean(idle: Sequence[IdleWindow]) -> float | None:
    seconds = math.fsum(window.seconds for window in idle)
    return math.fsum(window.joules for window in idle) / seconds if idle else None


def _line(idle: Sequence[IdleWindow], work: Sequence[WorkWindow], order: int) -> _RestLine:
    """The polynomial of ``order`` through the idle windows, each weighing as much as it is long."""
    scale = max(abs(window.middle) for window in idle) or 1.0
    weights = np.sqrt([window.seconds for window in idle])
    columns = np.vander([window.middle / scale for window in idle], order + 1) * weights[:, None]
    powers = np.array([window.power for window in idle])
    fitted = np.linalg.lstsq(columns, powers * weights, rcond=None)[0]
    at = np.vander([window.middle / scale for window in work], order + 1)
    left = columns @ fitted - powers * weights
    quiet = (QUIET * float(powers.mean())) ** 2 * float(np.mean(weights**2))
    variance = (float(left @ left) + FREEDOM * quiet) / (len(idle) - order - 1 + FREEDOM)
    middle = at.mean(axis=0)
    spread = float(middle @ np.linalg.pinv(columns.T @ columns) @ middle)
    sides = [math.fsum(window.seconds for window in idle if window.after is side) for side in (False, True)]
    apart = math.fsum(1.0 / seconds for seconds in sides if seconds)
    return _RestLine(at @ fitted, math.sqrt(variance * spread), math.sqrt(variance * apart))


def half_width(noise: float, assumed: float) -> float:
    """Half the interval that an idle power's two errors make, in their unit: each counts as known with FREEDOM degrees
    of freedom."""
    return quantile(FREEDOM) * math.hypot(noise, assumed)


def trend(record: Record, source: EnergySource) -> Finding | None:
    """That idle power moved by more than TREND, before the work or across it; None where it did not."""
    idle = idle_windows(record, source)
    if len(idle) < 2:
        return None
    first, last = _ends(idle)
    if abs(last - first) <= TREND * first:
        return None
    across = any(window.after for window in idle) and not all(window.after for window in idle)
    where = "from before the work to after it" if across else "while it was measured, before the work"
    done = (
        "the power at each window is read off a line through them" if across else "what it did in the work is assumed"
    )
    return Finding(
        "idle-drift",
        "info" if across else "warning",
        f"the idle power of the {source.counter.upper()} {'fell' if last < first else 'rose'} {where}; {done}",
        f"{first:.1f} W, then {last:.1f} W",
        "" if across else "measure idle after the work too: runs of today do",
    )


def trends(records: Sequence[Record]) -> tuple[Finding, ...]:
    """Of all energy records, each counter's once: with the largest change, and how many records it is of."""
    found: dict[str, list[tuple[float, Finding]]] = {}
    for record in records:
        for source in SOURCES:
            fitted = trend(record, source) if record.instrument == source.instrument else None
            if fitted is not None:
                first, last = _ends(idle_windows(record, source))
                found.setdefault(fitted.message, []).append((abs(last - first), fitted))
    return tuple(_most(items) for items in found.values())


def _most(items: Sequence[tuple[float, Finding]]) -> Finding:
    told = max(items, key=lambda item: item[0])[1]
    return told if len(items) == 1 else replace(told, evidence=f"{told.evidence} (of {len(items)} records the most)")


def _ends(idle: Sequence[IdleWindow]) -> tuple[float, float]:
    before = _mean([window for window in idle if not window.after])
    after = _mean([window for window in idle if window.after])
    return (before, after) if before and after else (idle[0].power, idle[-1].power)
