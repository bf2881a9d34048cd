"""The one accounting of a difference: its causes, each with a work part and a host part, that add up to it exactly.

They are the ledger's lines grouped once more. Work that one of the arms alone does takes along the idle time that
leads to it: without that work nobody would have waited there. What is left of an idle line is the cause of that name.
Corrections are causes too, so that nothing is left out. Chart, list, headline, tables and JSON all read these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.record import causes as c
from bench.record.metrics import MS_PER_S

from ..statistics import Samples, location
from ..statistics.pairing import difference_between
from ..statistics.several import Interval, off_among
from .closure import Closed, Line, Side, on_grid

# An arm that takes less than this share of the other's time for a kind of work does not do that work.
_ABSENT = 0.01
# A cause under this share of all that moved is no reason of its own.
SMALL = 0.01


@dataclass(frozen=True)
class Cause(Line):
    """One cause, ms per token; ``delta_ms``, its size, is exactly ``work_ms`` + ``host_ms``.

    ``work_ms``: the time for which the GPU (on a CPU: the operators) is busy with it. ``host_ms``: the idle time that
    leads to it; for an idle line, what is left of that. Both are None for a correction, which is neither.
    ``by_chance``: its interval excludes 0, but among so many causes one does that where nothing differs.
    """

    work_ms: float | None
    host_ms: float | None
    by_chance: bool = field(default=False, kw_only=True)

    @property
    def sure(self) -> bool:
        """The interval excludes 0, and not by chance."""
        return super().sure and not self.by_chance


def account(reference: Side, scheme: Side, closed: Closed) -> tuple[Cause, ...]:
    """The causes of ``closed``, which closes these two sides, in order; those that are nothing are left out.

    First those that push the way that the difference goes, the largest first, then those against it; after them what is
    too small to be a reason, in the same order.
    """
    alone = [line.cause for line in closed.lines if line.cause in c.BUSY and _one_sided(line)]
    made = [_cause(name, (reference, scheme), closed, alone) for name in c.CAUSES]
    made += [Cause(**vars(line), work_ms=None, host_ms=None) for line in closed.lines if line.cause in c.CORRECTIONS]
    sign = -1.0 if closed.delta.delta_ms < 0 else 1.0
    found = _together([cause for cause in made if cause.reference_ms != cause.scheme_ms or cause.work_ms])
    least = SMALL * sum(abs(cause.delta_ms) for cause in found)
    return tuple(
        sorted(found, key=lambda one: (abs(one.delta_ms) < least, one.delta_ms * sign <= 0, -abs(one.delta_ms)))
    )


def _together(causes: Sequence[Cause]) -> list[Cause]:
    """All causes of one difference taken together."""
    told = off_among([Interval(one.delta_ms, one.low, one.high, one.freedom, bool(one.assumed)) for one in causes])
    return [replace(cause, by_chance=cause.sure and not sure) for cause, sure in zip(causes, told, strict=True)]


def _one_sided(line: Line) -> bool:
    return min(line.reference_ms, line.scheme_ms) < _ABSENT * max(line.reference_ms, line.scheme_ms)


def _cause(name: str, sides: tuple[Side, Side], closed: Closed, alone: Sequence[str]) -> Cause:
    line = closed.line(name)
    own = (line.reference_ms, line.scheme_ms) if line else (0.0, 0.0)
    keys, sign = _moved(name, alone)
    before, after = (
        ms + sign * sum(on_grid(location(side.leads(*key), "mean") * MS_PER_S) for key in keys)
        for ms, side in zip(own, sides, strict=True)
    )
    delta, work = after - before, own[1] - own[0] if name in c.BUSY else 0.0
    reference, scheme = (side.observed(_samples(side, name, keys, sign)) for side in sides)
    spread = difference_between(scheme, reference, "mean")
    shift = delta - spread.value * MS_PER_S
    low, high = (None if bound is None else bound * MS_PER_S + shift for bound in (spread.low, spread.high))
    return Cause(
        name, before, after, delta, low, high, spread.basis, work, delta - work, assumed=spread.assumed,
        freedom=spread.freedom,
    )  # fmt: skip


def cause_samples(side: Side, name: str, closed: Closed) -> Samples:
    """Per observed repeat the steps of one cause, s per token, in the accounting of ``closed``."""
    alone = [line.cause for line in closed.lines if line.cause in c.BUSY and _one_sided(line)]
    return _samples(side, name, *_moved(name, alone))


def _moved(name: str, alone: Sequence[str]) -> tuple[list[tuple[str, str]], float]:
    """Which idle time, by (idle cause, work), a cause takes over (+1) or gives away (-1)."""
    if name in c.IDLE:
        return [(name, work) for work in alone], -1.0
    return [(idle, name) for idle in c.IDLE] if name in alone else [], 1.0


def _samples(side: Side, name: str, keys: Sequence[tuple[str, str]], sign: float) -> Samples:
    """Per observed repeat the steps of a line with what it takes over, for the interval."""
    columns = [side.leads(*key) for key in keys]
    return tuple(
        tuple(np.asarray(part) + sign * sum((np.asarray(column[place]) for column in columns), np.zeros(len(part))))
        for place, part in enumerate(side.cause(name))
    )
