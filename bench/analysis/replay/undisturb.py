"""A trace without its observer: played again with the host's work less what recording cost it.

An observer slows the host down, once per operator, annotated range and call that it records; the GPU's kernels last as
long as without it. So in a host-bound step the idle time between kernels is inflated, and by how much only a replay
tells. What one event costs is measured in the observed process (see the metrics ``…_event_cost``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.record.timeline import Calls, Copies, Kernels, Spans, Timeline

from ..ledger.classes import Classes
from ..ledger.costs import EventCosts, Ns
from ..timeline import Analysis
from .program import Program, program_of
from .simulate import Plan, Played, play_plan, unchanged

AnyTable = TypeVar("AnyTable", Kernels, Copies, Calls, Spans)


class Undisturbed:
    """The steps of one GPU trace, ready to be played without their observer at any cost of its events."""

    def __init__(self, analysis: Analysis, step_range: str, bitsandbytes: str | None = None) -> None:
        self._timeline = analysis.timeline
        self._program = program_of(analysis, Classes(bitsandbytes), step_range)

    def at(self, costs: EventCosts) -> Analysis:
        """The steps as they would have been, as a trace of its own.

        It holds the steps only, one after the other, with the calls that matter to the GPU.
        """
        played = play_plan(self._program, _cheaper(self._timeline, self._program, costs))
        return Analysis(_retimed(self._timeline, self._program, played))


def _cheaper(timeline: Timeline, program: Program, costs: EventCosts) -> Plan:
    plan = unchanged(program)
    calls = timeline.calls
    own = np.array(program.call, np.int64)
    for thread in {item.thread for item in program.items}:
        rows = [row for row, item in enumerate(program.items) if item.thread == thread]
        begins, ends = calls.start[own[rows]], calls.end[own[rows]]
        since = np.concatenate((begins[:1] - program.items[rows[0]].before, ends[:-1]))
        recorded = _ends_in(timeline.operators, thread, since, begins) * costs.operator
        recorded += _marks_in(timeline.ranges, thread, since, begins) * costs.range / 2
        for place, row in enumerate(rows):
            plan.before[row] = max(plan.before[row] - float(recorded[place]), 0.0)
            plan.length[row] = max(plan.length[row] - costs.call, 0.0)
    return plan


def _ends_in(spans: Spans, thread: int, start: Ns, end: Ns) -> Ns:
    times = np.sort(spans.end[spans.thread == thread])
    return np.searchsorted(times, end) - np.searchsorted(times, start)


def _marks_in(spans: Spans, thread: int, start: Ns, end: Ns) -> Ns:
    mine = spans.thread == thread
    times = np.sort(np.concatenate((spans.start[mine], spans.end[mine])))
    return np.searchsorted(times, end) - np.searchsorted(times, start)


def _retimed(timeline: Timeline, program: Program, played: Played) -> Timeline:
    """The trace with the played times. Ranges and operators move with the calls around them."""
    call, row = np.array(program.call, np.int64), np.array(program.row, np.int64)
    item_start, item_end = np.rint(played.item_start).astype(np.int64), np.rint(played.item_end).astype(np.int64)
    op_start, op_end = np.rint(played.op_start).astype(np.int64), np.rint(played.op_end).astype(np.int64)
    work = _work_rows(timeline)[row] if len(row) else row
    kernel, copy = work < len(timeline.kernels), work >= len(timeline.kernels)
    moved = {
        thread: _Moved(timeline, program, played, thread, call) for thread in {item.thread for item in program.items}
    }
    return replace(
        timeline,
        kernels=_taken(timeline.kernels, work[kernel], op_start[kernel], op_end[kernel]),
        copies=_taken(timeline.copies, work[copy] - len(timeline.kernels), op_start[copy], op_end[copy]),
        calls=_taken(timeline.calls, call, item_start, np.maximum(item_end, item_start)),
        ranges=_spans(timeline.ranges, moved),
        operators=_spans(timeline.operators, moved),
        frames=Spans.empty(),
    )


def _work_rows(timeline: Timeline) -> Ns:
    """[work] the row of each piece of work, by start, in the kernels followed by the copies."""
    start = np.concatenate((timeline.kernels.start, timeline.copies.start))
    end = np.concatenate((timeline.kernels.end, timeline.copies.end))
    return np.lexsort((end, start))


def _taken(table: AnyTable, rows: Ns, start: Ns, end: Ns) -> AnyTable:
    columns = {name: getattr(table, name)[rows] for name in table.__dataclass_fields__}
    return type(table).build(**{**columns, "start": start, "end": end})


class _Moved:
    """Old host times of one thread → new ones, straight between the edges of its calls."""

    def __init__(self, timeline: Timeline, program: Program, played: Played, thread: int, call: Ns) -> None:
        rows = [row for row, item in enumerate(program.items) if item.thread == thread]
        calls = timeline.calls
        old, new = [], []
        for row in rows:
            old += [int(calls.start[call[row]]), int(calls.end[call[row]])]
            new += [float(played.item_start[row]), float(played.item_end[row])]
        first, last = rows[0], rows[-1]
        head, tail = program.items[first].before, program.tail.get(thread, 0)
        before = float(played.item_start[first])
        self.old = np.array([old[0] - head, *old, old[-1] + tail], np.float64)
        self.new = np.array([min(0.0, before), *new, float(played.item_end[last]) + tail], np.float64)

    def __call__(self, times: Ns) -> Ns:
        return np.rint(np.interp(times, self.old, self.new)).astype(np.int64)

    def inside(self, start: Ns, end: Ns) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (end > self.old[0]) & (start < self.old[-1])
        return inside


def _spans(spans: Spans, moved: dict[int, _Moved]) -> Spans:
    start, end = spans.start.copy(), spans.end.copy()
    kept = np.zeros(len(spans), bool)
    for thread, move in moved.items():
        mine = (spans.thread == thread) & move.inside(spans.start, spans.end)
        start[mine], end[mine] = move(spans.start[mine]), move(spans.end[mine])
        kept |= mine
    rows = np.flatnonzero(kept)
    return _taken(spans, rows, start[rows], np.maximum(end, start)[rows])
