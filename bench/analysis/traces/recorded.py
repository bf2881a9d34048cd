"""The run that a trace comes from, and what two traces say without the unprofiled times of a step.

A profiler makes the host slower, by how much the trace does not tell. It leaves the GPU's kernels as they are, and it
never makes a step shorter. So what the GPU works can be compared; idle time cannot. And the real step lies between what
it cannot do without and what was recorded. On a GPU that is the work of its busiest stream, because one stream does one
thing after the other; on a CPU the recorded step less the most that recording its operators and ranges can have cost.
Only where these bounds of both traces lie apart, by more than two processes are assumed to differ, is there an answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.record import causes as c
from bench.record.codes import distinct, encode
from bench.record.errors import RecordError
from bench.record.metrics import MS_PER_NS, S_PER_NS
from bench.record.schema import Record
from bench.record.store import RECORDS, load

from ..ledger.costs import Ns, StepCosts, step_rows
from ..ledger.gpu import named_windows, streams_of
from ..observer.costs import Events, events_of, idle_bounds
from ..observer.fitted import ObserverModel
from ..statistics.spread import ASSUMED, Part, Spread, apart, half_width
from ..statistics.verdict import Verdict
from ..timeline import Analysis
from ..timeline.intervals import Cover

# artifacts/NAME/trace.json.gz is three below the run folder.
_LEVELS = 5


@dataclass(frozen=True)
class Origin:
    """``record`` names the trace; ``records`` are all of its run's."""

    folder: Path
    record: Record
    records: tuple[Record, ...]

    @property
    def timed(self) -> tuple[Record, ...]:
        """The unprofiled calls of the same Case."""
        return tuple(
            record
            for record in self.records
            if record.instrument == "generation" and record.status == "ok" and record.case == self.record.case
        )


@dataclass(frozen=True)
class TraceOrigin:
    """``origin``: None where the trace belongs to no run. ``note``: why, where it lies in a run folder."""

    origin: Origin | None = None
    note: str = ""


def origin_of(path: Path) -> TraceOrigin:
    """Looks for a run folder around the trace, and in its records for this very file."""
    file = path.resolve()
    for folder in list(file.parents)[:_LEVELS]:
        if (folder / RECORDS).exists() or (folder / f"{RECORDS}.gz").exists():
            return _in_run(file, folder)
    return TraceOrigin()


def _in_run(file: Path, folder: Path) -> TraceOrigin:
    try:
        records = load(folder).records
    except RecordError as error:
        return TraceOrigin(note=f"its run's times are not used: {error}")
    inside = file.relative_to(folder).as_posix()
    named = [(record, item) for record in records for item in record.artifacts if item.path == inside]
    if not named:
        return TraceOrigin(note=f"no record of {folder.name} names it, so that run's times are not used")
    record, artifact = named[-1]
    if hashlib.sha256(file.read_bytes()).hexdigest() != artifact.sha256:
        return TraceOrigin(note=f"it is not the file that {folder.name} recorded, so that run's times are not used")
    return TraceOrigin(Origin(folder, record, records))


# Some times what the committed runs show (1.4 µs per operator, 20 µs per end of a range with its hooks), since other
# traces hold shapes and allocations too.
MOST_COST = ObserverModel(operator=10e-6, range_end=50e-6)


@dataclass(frozen=True)
class RecordedLine:
    """One line as recorded, ms per step. ``low`` and ``high``: what the real difference lies between, None where that
    cannot be told. ``inflated``: the profiler's own cost is in it."""

    cause: str
    reference_ms: float
    scheme_ms: float
    low: float | None
    high: float | None
    inflated: bool

    @property
    def delta_ms(self) -> float:
        """As recorded."""
        return self.scheme_ms - self.reference_ms

    @property
    def sure(self) -> bool:
        """What the real difference lies between excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Recorded:
    """Of the reference and the scheme: ``wall_ms``, what a recorded step took, and ``floor_ms``, what a real one takes
    at least. ``low`` and ``high`` bound the ratio of the real times (``high`` None: no bound); ``verdict``: None where
    that gives no answer."""

    wall_ms: tuple[float, float]
    floor_ms: tuple[float, float]
    lines: tuple[RecordedLine, ...]
    low: float
    high: float | None
    verdict: Verdict | None


def recorded(
    analyses: tuple[Analysis, Analysis],
    costs: tuple[StepCosts, StepCosts],
    steps: tuple[str, str],
    spread: Spread = ASSUMED,
) -> Recorded:
    """Both traces as recorded. ``steps``: the name of each one's steps."""
    wall = tuple(float(each.wall.mean()) * MS_PER_NS for each in costs)
    floor = tuple(_floor(*each) for each in zip(analyses, costs, steps, strict=True))
    names = [name for name in c.CAUSES if any(name in each.causes and each.causes[name].any() for each in costs)]
    bounded = all(each.steps > 1 for each in costs)
    events = [events_of(*each) for each in zip(analyses, steps, strict=True)] if costs[0].device != "cpu" else []
    lines = tuple(
        _idle(name, costs, events, spread)
        if events and name in c.IDLE
        else _beside(_line(name, analyses, costs, spread, bounded=bounded), analyses, events)
        for name in names
    )
    low, high = floor[1] / wall[0] if wall[0] else 0.0, wall[1] / floor[0] if floor[0] else None
    verdict: Verdict | None = None
    if bounded:
        far = apart(spread)
        verdict = "SLOWER" if low > far else "FASTER" if high is not None and high < 1.0 / far else None
    return Recorded((wall[0], wall[1]), (floor[0], floor[1]), lines, low, high, verdict)


def _floor(analysis: Analysis, costs: StepCosts, step_range: str) -> float:
    if costs.device == "cpu":
        return max(float((costs.wall - _most(analysis, costs)).mean()), 0.0) * MS_PER_NS
    timeline = analysis.timeline
    rows = step_rows(timeline, step_range)
    start, end = named_windows(analysis, step_range)
    own = int(timeline.threads.process[timeline.ranges.thread[rows[0]]])
    begun, ended, process = (
        np.concatenate([getattr(table, column) for table in (timeline.kernels, timeline.copies)])
        for column in ("start", "end", "process")
    )
    streams, place = encode(streams_of(timeline))
    busiest = 0.0
    for stream in range(len(streams)):
        here = (place == stream) & (process == own)  # another process' work holds up no step of this one
        busy = Cover.union(begun[here], ended[here]).within(start, end)
        busiest = max(busiest, float(busy.mean()) * MS_PER_NS)
    return busiest


def _most(analysis: Analysis, costs: StepCosts) -> Ns:
    """[steps] ns that recording can have cost at most in a CPU's step, wherever in it. Recorded Python frames have no
    bound: then it may be all."""
    if len(analysis.timeline.frames):
        return costs.wall
    operators, ends = (np.sum(column, axis=0) for column in zip(*(costs.events[n] for n in costs.causes), strict=True))
    most: Ns = np.rint((operators * MOST_COST.operator + ends * MOST_COST.range_end) / S_PER_NS).astype(np.int64)
    return most


def _line(
    name: str, analyses: tuple[Analysis, Analysis], costs: tuple[StepCosts, StepCosts], spread: Spread, *, bounded: bool
) -> RecordedLine:
    columns = [each.causes.get(name, np.zeros(each.steps, np.int64)) for each in costs]
    before, after = (float(column.mean()) * MS_PER_NS for column in columns)
    if costs[0].device == "cpu":
        most = [float(_most(*each).mean()) * MS_PER_NS for each in zip(analyses, costs, strict=True)]
        least = [max(mean - cost, 0.0) for mean, cost in zip((before, after), most, strict=True)]
        other = half_width((), (spread.host * before, spread.host * after)) or 0.0
        low, high = least[1] - before - other, after - least[0] + other
        return RecordedLine(name, before, after, low if bounded else None, high if bounded else None, inflated=True)
    half = half_width([_part(column) for column in columns], (spread.gpu * before, spread.gpu * after))
    if half is None:
        return RecordedLine(name, before, after, None, None, inflated=False)
    return RecordedLine(name, before, after, after - before - half, after - before + half, inflated=False)


# Runs beside computing where there is room: how much of it a step waits for hangs on idle time, which recording makes.
_ASIDE = (c.MEMCPY, c.COMMUNICATION)


def _beside(line: RecordedLine, analyses: Sequence[Analysis], events: Sequence[Events]) -> RecordedLine:
    """A line less what of it may lie in idle time that recording made, where several streams work."""
    if line.cause not in _ASIDE or not events or line.low is None or line.high is None:
        return line
    before, after = (
        min(ms, _room(analysis, each))
        for ms, analysis, each in zip((line.reference_ms, line.scheme_ms), analyses, events, strict=True)
    )
    return replace(line, low=line.low - after, high=line.high + before)


def _room(analysis: Analysis, events: Events) -> float:
    if len(distinct(streams_of(analysis.timeline))) < 2:
        return 0.0
    return math.inf if events.frames else events.most_ms


def _idle(name: str, costs: Sequence[StepCosts], events: Sequence[Events], spread: Spread) -> RecordedLine:
    before, after = (float(each.causes[name].mean()) * MS_PER_NS for each in costs)
    low, high = idle_bounds(name, costs, events, spread) or (None, None)
    return RecordedLine(name, before, after, low, high, inflated=True)


def _part(column: Ns) -> Part:
    """The variance of a mean step, ms²."""
    if len(column) < 2:
        return 0.0, 0.0
    return float((column * MS_PER_NS).var(ddof=1)) / len(column), len(column) - 1.0
