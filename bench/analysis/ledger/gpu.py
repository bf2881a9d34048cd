"""The costs of a GPU trace's steps: busy time by class, idle time by what the host did and by what came next.

A step lasts from the start of its range until its range has ended and its GPU work is done, but never begins before
the earlier step is over; so a host that runs ahead of the GPU does not make steps look short. A moment in which
several kernels run is counted once (overlap.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.codes import encode
from bench.record.timeline import Timeline

from ..timeline import Analysis
from ..timeline.intervals import Cover
from .attention import calls_of
from .classes import Classes
from .costs import Ns, StepCosts, host_windows, step_rows
from .overlap import cut, owned
from .paths import Paths, innermost_of_lanes
from .rows import Columns, GpuRows, Launched
from .starts import way_begins


@dataclass(frozen=True, eq=False)
class Work:
    """All kernels and copies of all devices by start. [n] columns; ``call``: row of the launching call, or -1;
    ``stream``: one number for each stream of each device; ``kind``: index into ``kinds``, all that a rule looks at."""

    start: Ns
    end: Ns
    call: Ns
    stream: Ns
    kind: Ns
    kinds: tuple[Launched, ...]


def work_of(analysis: Analysis, step_range: str) -> Work:
    """The GPU work of a trace. It is found once, and kept with the analysis."""
    key = ("work", step_range)
    if key not in analysis.kept:
        analysis.kept[key] = _work_of(analysis, step_range)
    found: Work = analysis.kept[key]
    return found


def _work_of(analysis: Analysis, step_range: str) -> Work:
    timeline = analysis.timeline
    kernels, copies = timeline.kernels, timeline.copies
    call = np.concatenate((analysis.launch, analysis.copy_call))
    name = np.concatenate((kernels.name.astype(np.int64), np.full(len(copies), -1, np.int64)))
    start = np.concatenate((kernels.start, copies.start))
    end = np.concatenate((kernels.end, copies.end))
    order = np.lexsort((end, start))
    kind, kinds = _Launches(analysis, step_range).kinds(name[order], call[order])
    return Work(start[order], end[order], call[order], streams_of(timeline)[order], kind, kinds)


def streams_of(timeline: Timeline) -> Ns:
    """[kernels, then copies] one number for each stream of each device."""
    tables = timeline.kernels, timeline.copies
    return np.concatenate([(table.device.astype(np.int64) << 32) + table.stream for table in tables])


class _Launches:
    """What is around each launch. What has one name and is launched on one path of names is of one kind."""

    def __init__(self, analysis: Analysis, step_range: str) -> None:
        self._timeline = analysis.timeline
        self._operators, self._ranges = analysis.calling, analysis.nesting
        self._paths = Paths(analysis.timeline, self._operators), Paths(analysis.timeline, self._ranges, step_range)

    def kinds(self, name: Ns, call: Ns) -> tuple[Ns, tuple[Launched, ...]]:
        """[n] the kind of each item, and all kinds. ``name``: -1 for a copy."""
        rows = (name, *self._enclosing_rows(call))
        operators, ranges = (paths.codes() for paths in self._paths)
        alike = _combined([encode(name)[1], operators[rows[1]], *(ranges[row] for row in rows[2:])])
        # Kinds are numbered as they turn up in order of name and rows, so that the order of equals never changes.
        first = _first_of_each(alike, rows)
        known: dict[Launched, int] = {}
        kind = np.empty(len(first), np.int64)
        for place in np.lexsort([row[first] for row in reversed(rows)]).tolist():
            one = self._launched(*(int(row[first[place]]) for row in rows))
            kind[place] = known.setdefault(one, len(known))
        return kind[alike], tuple(known)

    def _enclosing_rows(self, call: Ns) -> list[Ns]:
        """[n] for the operators, and for each lane of ranges, the innermost row around each call, or -1."""
        calls = self._timeline.calls
        known = np.maximum(call, 0)
        empty = np.zeros(len(call), np.int64)
        where = (
            (calls.thread[known].astype(np.int64), calls.start[known], calls.end[known])
            if len(calls)
            else (empty, empty, empty)
        )
        around = [self._operators.innermost(*where), *innermost_of_lanes(self._ranges, *where)]
        return [np.where(call >= 0, rows, -1) for rows in around]

    def _launched(self, name: int, operator: int, *lanes: int) -> Launched:
        ranges = tuple(text for row in lanes for text in self._paths[1].of(row))
        return Launched(None if name < 0 else self._timeline.strings[name], self._paths[0].of(operator), ranges)


def _combined(codes: Sequence[Ns]) -> Ns:
    """[n] one dense code per combination of codes."""
    found = codes[0]
    for code in codes[1:]:
        found = encode(found * (int(code.max(initial=0)) + 1) + code)[1]
    return found


def _first_of_each(kind: Ns, rows: Sequence[Ns]) -> Ns:
    """[kinds] of the items of each kind the one that comes first in order of ``rows``, columns of [n]."""
    best = np.arange(len(kind))
    for row in rows:
        least = np.full(int(kind.max(initial=-1)) + 1, np.iinfo(np.int64).max)
        np.minimum.at(least, kind[best], row[best])
        best = best[row[best] == least[kind[best]]]
    first = np.empty(int(kind.max(initial=-1)) + 1, np.int64)
    first[kind[best]] = best
    return first


# Follows the name of a step that is not explained, but whose work may reach into the next one's time.
LEFT_OUT = " (left out)"


def named_windows(analysis: Analysis, step_range: str) -> tuple[Ns, Ns]:
    """(start, end) of each step called ``step_range``, disjoint and ascending: the host's range, and as long as its GPU
    work runs. Kept with the analysis. Raises RecordError where there are none."""
    key = ("windows", step_range)
    if key not in analysis.kept:
        analysis.kept[key] = _named_windows(analysis, step_range)
    found: tuple[Ns, Ns] = analysis.kept[key]
    return found


def _named_windows(analysis: Analysis, step_range: str) -> tuple[Ns, Ns]:
    rows = step_rows(analysis.timeline, step_range)
    around = with_left_out(analysis.timeline, rows)
    start, end = windows_of(analysis, around)
    mine = np.isin(around, rows) if len(around) > len(rows) else slice(None)
    return start[mine], end[mine]


def with_left_out(timeline: Timeline, rows: Ns) -> Ns:
    """The steps and those left out among them, by start."""
    skipped = [place for place, text in enumerate(timeline.strings) if text.endswith(LEFT_OUT)]
    if not skipped:
        return rows
    every = np.union1d(rows, np.flatnonzero(np.isin(timeline.ranges.name, skipped)))
    return every[np.argsort(timeline.ranges.start[every], kind="stable")]


def windows_of(analysis: Analysis, rows: Ns) -> tuple[Ns, Ns]:
    """The same of the steps in these rows alone, which are given by start."""
    start, end = host_windows(analysis.timeline, rows)
    work = analysis.asked
    first, last = np.searchsorted(work.called, start), np.searchsorted(work.called, end)
    some = last > first
    # From each first to its last; what is between two steps is in the odd places.
    edges = np.stack((first[some], last[some]), axis=1).ravel()
    done = np.maximum.reduceat(np.append(work.done, 0), edges)[::2] if len(edges) else work.done[:0]
    end = end.copy()
    end[some] = np.maximum(end[some], done)
    end = np.maximum.accumulate(end)
    start = np.maximum(start, np.concatenate((start[:1], end[:-1])))
    return start, np.maximum(end, start)


def gpu_costs(analysis: Analysis, classes: Classes, step_range: str) -> StepCosts:
    """The costs of the steps called ``step_range``, which are kept. Raises RecordError where there are none."""
    key = ("costs", classes.rules, step_range)
    if key not in analysis.kept:
        analysis.kept[key] = gpu_rows(analysis, work_of(analysis, step_range), step_range).costs(classes)
    found: StepCosts = analysis.kept[key]
    return found


def gpu_rows(analysis: Analysis, work: Work, step_range: str) -> GpuRows:
    """The steps by what a rule looks at. Raises RecordError where there are none."""
    start, end = named_windows(analysis, step_range)
    row, begin, stop = owned(work.start, work.end, work.stream, work.kind, work.kinds)
    piece, step, begin, stop = cut(Cover(begin, stop), start, end)
    busy = _by_kind(work.kind[row][piece], step, stop - begin, len(start))
    begun = analysis.timeline.ranges.start[step_rows(analysis.timeline, step_range)]
    stalls, gaps, attention = _idle(analysis, work, start, end, begun)
    inside = (work.start < end[-1]) & (work.end > start[0])
    lengths = np.zeros(len(work.kinds), np.int64)
    np.add.at(lengths, work.kind[inside], (work.end - work.start)[inside])
    return GpuRows(work.kinds, end - start, busy, stalls, gaps, attention, lengths)


def _idle(analysis: Analysis, work: Work, start: Ns, end: Ns, host: Ns) -> tuple[Columns, Columns, Ns]:
    """Idle time by the kind of work that ended it, that in which the host waited and that in which it did not, and of
    the latter [steps] ns inside the attention call. ``host``: [steps] when each began on the host."""
    busy = Cover.union(work.start, work.end)
    first, last = int(start[0]), int(end[-1])
    _, step, begin, stop = cut(busy.gaps(first, last), start, end)
    following = np.searchsorted(work.start, stop, side="left")
    at = np.minimum(following, len(work.start) - 1)
    # What lasts to the end of a step leads to nothing in it: the next step's first work is no cause of that.
    known = (following < len(work.start)) & (work.start[at] == stop) & (stop < last)
    kind = np.where(known, work.kind[at], len(work.kinds))
    # And at the start of a step the host prepares it first, whatever it asks for then.
    opens = np.flatnonzero(known & (begin == start[step]))
    leads = _way(analysis, work.call[at[opens]], host[step[opens]], begin[opens], stop[opens])
    step, begin, stop = (np.concatenate((one, one[opens])) for one in (step, begin, stop))
    kind = np.concatenate((kind, np.full(len(opens), len(work.kinds) + 1, np.int64)))
    stop[len(stop) - len(opens) :] = leads
    begin[opens] = leads
    stalled = analysis.waiting.within(begin, stop)
    attention, calls = np.zeros(len(start), np.int64), calls_of(analysis.timeline)
    inside = calls.within(begin, stop) - calls.both(analysis.waiting).within(begin, stop)
    np.add.at(attention, step, inside)
    rest = (stop - begin) - stalled
    return _by_kind(kind, step, stalled, len(start)), _by_kind(kind, step, rest, len(start)), attention


def _way(analysis: Analysis, call: Ns, host: Ns, begin: Ns, stop: Ns) -> Ns:
    """[n] from when idle times lead to the work that ends them; where nothing says who asked for it, not at all."""
    leads = stop.copy()
    asked = np.flatnonzero(call >= 0)
    leads[asked] = np.clip(way_begins(analysis, call[asked], host[asked]), begin[asked], stop[asked])
    return leads


def _by_kind(kind: Ns, step: Ns, ns: Ns, steps: int) -> Columns:
    """Kind → [steps] ns, of the kinds that have any, ascending."""
    some = ns > 0
    known, place = encode(kind[some])
    columns = np.zeros(len(known) * steps, np.int64)
    np.add.at(columns, place * steps + step[some], ns[some])
    return dict(zip(known.tolist(), columns.reshape(-1, steps), strict=True))
