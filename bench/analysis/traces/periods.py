"""From the start of a step to the start of the next: for ranges that leave time between them.

An engine's range is often around the model's forward pass alone, and sampling, scheduling and sending lie between two
of them. Who waits for tokens waits for that too, and it may be the very difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Finding

from ..ledger.costs import Ns, step_rows
from ..ledger.gpu import LEFT_OUT, windows_of, with_left_out
from ..timeline import Analysis
from ..timeline.range_names import with_timeline
from .families import asked_between
from .taken import Taken
from .unusual import worked_before

# Less of a period than this between steps is not worth another reading of what a step is.
_LEAST = 0.02
# More work than this that is asked for between the steps' ranges, as by another thread, is theirs.
_ASKED = 0.1
# A pause that is longer than the step, and than so many usual ones, is no part of it: nobody asked for anything then.
_PAUSE = 3.0
# Time between steps that is longer than a step belongs to them where most of it is alike, up to so many steps' time.
_ALIKE, _MOST_ALIKE, _LONGEST = 0.5, 0.8, 10.0
_FEW = 2
NOT_IN_STEPS = "between-steps"


@dataclass(frozen=True, eq=False)
class Between:
    """ns of the steps (a median), and [n] from the end of each, its GPU work included, to the start of what follows.
    ``asked``: the part of the work that is asked for there."""

    step: float
    gaps: Ns
    asked: float = 0.0

    @property
    def usual(self) -> float:
        """ns between two steps."""
        return float(np.median(self.gaps)) if len(self.gaps) else 0.0

    @property
    def worth(self) -> bool:
        """Whether it is a part of a period to speak of."""
        return self.usual > _LEAST * (self.step + self.usual)

    @property
    def steady(self) -> bool:
        """Whether it belongs to the steps, and not to who asks for them; of one gap that cannot be told."""
        if len(self.gaps) < _FEW:
            return False
        alike = np.abs(self.gaps - self.usual) <= _ALIKE * self.usual
        return self.usual <= self.step or (alike.mean() >= _MOST_ALIKE and self.usual <= _LONGEST * self.step)


@dataclass(frozen=True, eq=False)
class _Followed:
    """[n] the steps of a trace and those left out, by start; ``taken``: whether each is a step; ``gap`` ns to the next,
    one fewer."""

    rows: Ns
    taken: NDArray[np.bool_]
    length: Ns
    gap: Ns
    asked: float

    @classmethod
    def of(cls, analysis: Analysis, step_range: str) -> _Followed:
        mine = step_rows(analysis.timeline, step_range)
        rows = with_left_out(analysis.timeline, mine)
        start, end = windows_of(analysis, rows)
        asked = asked_between(analysis, rows)
        return cls(rows, np.isin(rows, mine), end - start, start[1:] - end[:-1], asked)

    @property
    def between(self) -> Between:
        return Between(float(np.median(self.length[self.taken])), self.gap[self.taken[:-1]], self.asked)


def between(analysis: Analysis, step_range: str) -> Between:
    """Of the steps called so. Raises RecordError where there are none."""
    return _Followed.of(analysis, step_range).between


def with_periods(found: Sequence[Taken], times_ms: Sequence[float | None]) -> list[Taken]:
    """All of them from start to start where the time between their steps belongs to these and tells: where it differs,
    holds much of the work or the rest of a step's parts, or is in a time that the user gives. Else as they are. Traces
    that are compared are read in one way."""
    lie = [between(each.analysis, each.step_range) for each in found]
    told = (
        any(each.parts for each in found)
        or _differ(lie)
        or any(each.asked > _ASKED for each in lie)
        or any(_of_period(*each) for each in zip(lie, times_ms, strict=True))
    )
    if not told or not all(each.parts or one.steady for each, one in zip(found, lie, strict=True)):
        return list(found)
    made = [as_periods(each) for each in found]
    return made if all(each.period for each in made) else list(found)


def _differ(lie: Sequence[Between]) -> bool:
    usual = [each.usual for each in lie]
    return max(usual) - min(usual) > _LEAST * max(each.step for each in lie)


def _of_period(lie: Between, ms: float | None) -> bool:
    """Whether a time is nearer to what lies from start to start than to a step's own."""
    return lie.worth and ms is not None and ms * 1e6 > lie.step + lie.usual / 2


def as_periods(found: Taken) -> Taken:
    """The steps, each to the start of the next. The last one has none, and a step before a long pause has none of its
    own: both are left out. Where nothing is left the steps stay as they are, and ``period`` is not set."""
    timeline, steps = found.analysis.timeline, _Followed.of(found.analysis, found.step_range)
    lie = steps.between
    paused = steps.gap > max(_PAUSE * lie.usual, lie.step)
    lasting = np.concatenate((steps.taken[:-1] & ~paused, [False]))
    kept, dropped = steps.rows[lasting], steps.rows[steps.taken & ~lasting]
    if not len(kept):
        return found
    ranges = timeline.ranges
    end, lane, name = ranges.end.copy(), ranges.lane.copy(), ranges.name.copy()
    end[steps.rows[:-1]] = ranges.start[steps.rows[1:]]
    lane[steps.rows] = int(ranges.lane.max()) + 1  # other ranges may cross the end of a step now
    name[dropped] = len(timeline.strings)
    strings = (*timeline.strings, f"{found.step_range}{LEFT_OUT}")
    made = replace(timeline, strings=strings, ranges=replace(ranges, end=end, lane=lane, name=name))
    if kept[0] == steps.rows[0] and len(kept) > 1 and worked_before(with_timeline(found.analysis, made), kept):
        name[kept[0]], kept = len(timeline.strings), kept[1:]  # what came before it is no part of it
    said = f"{len(kept)} of {len(steps.rows)} steps {found.step_range!r}, each to the start of the next"
    note = f"between two steps lie {_ms(lie.usual)} (median): --steps ranges leaves that out"
    pauses = int((steps.taken[:-1] & paused).sum())
    notes = (note, *((f"{pauses} step{'s' * (pauses > 1)} before a long pause left out",) if pauses else ()))
    analysis = with_timeline(found.analysis, made)
    return replace(found, analysis=analysis, said=said, notes=(*found.notes, *notes), period=True)


def not_in_steps(names: Sequence[str], found: Sequence[tuple[Analysis, str]]) -> list[Finding]:
    """That two traces differ in time between their steps, which is in no line. ``found``: each with its steps' name."""
    lie = [between(*each) for each in found]
    if not _differ(lie):
        return []
    message = "time between the steps is in no line: " + ", ".join(
        f"{_ms(each.usual)} per step of the {name}" for name, each in zip(names, lie, strict=True)
    )
    evidence = "median from the end of a step, and of its GPU work, to the start of the next"
    return [Finding(NOT_IN_STEPS, "warning", message, evidence, "--steps period takes each to the start of the next")]


def _ms(ns: float) -> str:
    return f"{ns * 1e-6:.3g} ms"
