"""A GPU trace written down with the times of a replay: its steps one after the other, with all that lies in them.

Which rows of the trace are in the steps, and between which known moments each of them lies, is the same in every plan:
it is found once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.record.timeline import Calls, Copies, Kernels, Spans, Timeline

from ..ledger.costs import Ns
from .program import Program
from .simulate import Played, ReplayPlan, play_plan

Times = NDArray[np.float64]
AnyTable = TypeVar("AnyTable", Kernels, Copies, Calls, Spans)


class Retiming:
    """``work``: [ops] the row of each in the trace's kernels followed by its copies."""

    def __init__(self, timeline: Timeline, program: Program) -> None:
        self._timeline, self._program = timeline, program
        call, row = np.array(program.call, np.int64), np.array(program.row, np.int64)
        self.work = work_rows(timeline)[row] if len(row) else row
        self._kernel = self.work < len(timeline.kernels)
        self._kernels = _rows_of(timeline.kernels, self.work[self._kernel])
        self._copies = _rows_of(timeline.copies, self.work[~self._kernel] - len(timeline.kernels))
        self._calls = _rows_of(timeline.calls, call)
        threads = sorted({*program.host.thread.tolist(), *program.tail})
        clocks = {thread: _Clock.of(program, thread, self._calls) for thread in threads}
        self._ranges = _Moving.of(timeline.ranges, program, clocks)
        self._operators = _Moving.of(timeline.operators, program, clocks)
        self._clocks = clocks

    def __call__(self, plan: ReplayPlan) -> Timeline:
        """The trace with the times of a plan. Ranges and operators move with the calls around them."""
        played = play_plan(self._program, plan)
        item_start, item_end, op_start, op_end = (
            np.rint(column).astype(np.int64)
            for column in (played.item_start, played.item_end, played.op_start, played.op_end)
        )
        known = {thread: clock.times(plan, played) for thread, clock in self._clocks.items()}
        kernel, copy = self._kernel, ~self._kernel
        return replace(
            self._timeline,
            kernels=replace(self._kernels, start=op_start[kernel], end=op_end[kernel]),
            copies=replace(self._copies, start=op_start[copy], end=op_end[copy]),
            calls=replace(self._calls, start=item_start, end=np.maximum(item_end, item_start)),
            ranges=self._ranges.at(self._clocks, known),
            operators=self._operators.at(self._clocks, known),
            frames=Spans.empty(),
        )


def work_rows(timeline: Timeline) -> Ns:
    """[work] the row of each piece of work, by start, in the kernels followed by the copies."""
    start = np.concatenate((timeline.kernels.start, timeline.copies.start))
    end = np.concatenate((timeline.kernels.end, timeline.copies.end))
    return np.lexsort((end, start))


def _rows_of(table: AnyTable, rows: Ns) -> AnyTable:
    return type(table)(**{name: getattr(table, name)[rows] for name in table.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class _Clock:
    """One thread's moments that a replay knows: the edges of its calls, and those of the steps, because what lies
    between two steps takes no time in the program. ``old``: on the trace's clock, ascending; ``order``: of the calls'
    edges followed by the steps'. ``places``: of the calls' edges on the program's clock, ``between``: of the steps'.
    ``tail``: ns after the last call."""

    old: Times
    order: Ns
    rows: Ns
    places: Times
    between: Times
    tail: float

    @classmethod
    def of(cls, program: Program, thread: int, calls: Calls) -> _Clock:
        rows, edges = program.rows_of(thread), program.edges
        at_edges = program.inside.upto(edges).astype(np.float64)
        if not len(rows):
            return cls(edges.astype(np.float64), np.arange(len(edges)), rows, at_edges[:0], at_edges, 0.0)
        head, tail = program.items[rows[0]].before, program.tail.get(thread, 0)
        old = _with_ends(_pairs(calls.start[rows], calls.end[rows]), head, tail)
        mine = [program.items[row] for row in rows.tolist()]
        places = _with_ends(_pairs([item.start for item in mine], [item.end for item in mine]), head, tail)
        inner = (edges > old[0]) & (edges < old[-1])
        times = np.concatenate((old, edges[inner]))
        order = np.argsort(times, kind="stable")
        return cls(times[order], order, rows, places, at_edges[inner], tail)

    def inside(self, start: Ns, end: Ns) -> NDArray[np.bool_]:
        """Whether spans lie, at least in part, in the time that is known."""
        inside: NDArray[np.bool_] = (end > self.old[0]) & (start < self.old[-1])
        return inside

    def times(self, plan: ReplayPlan, played: Played) -> Times:
        """When the known moments are by a plan, in order."""
        if not len(self.rows):
            return self.between * plan.tail
        new = _pairs(played.item_start[self.rows], played.item_end[self.rows])
        known = np.concatenate(([new[0] - plan.before[self.rows[0]]], new, [new[-1] + self.tail * plan.tail]))
        every = np.concatenate((known, np.interp(self.between, self.places, known)))
        return np.maximum.accumulate(every[self.order])


def _pairs(start: Sequence[int] | NDArray[np.generic], end: Sequence[int] | NDArray[np.generic]) -> Times:
    """Each start with its end."""
    return np.stack([start, end], axis=1).ravel().astype(np.float64)


def _with_ends(times: Times, head: float, tail: float) -> Times:
    return np.concatenate(([times[0] - head], times, [times[-1] + tail]))


@dataclass(frozen=True, eq=False)
class _Moving:
    """The ``spans`` that lie in the steps, at least in part; and by thread their rows."""

    spans: Spans
    rows: Mapping[int, Ns]

    @classmethod
    def of(cls, spans: Spans, program: Program, clocks: Mapping[int, _Clock]) -> _Moving:
        kept = np.zeros(len(spans), bool)
        for thread, clock in clocks.items():
            kept |= (spans.thread == thread) & clock.inside(spans.start, spans.end)
        kept &= _in_steps(program, spans)
        found = spans.where(kept)
        return cls(found, {thread: np.flatnonzero(found.thread == thread) for thread in clocks})

    def at(self, clocks: Mapping[int, _Clock], known: Mapping[int, Times]) -> Spans:
        """The spans where the ``known`` moments are at these times: straight between them."""
        start, end = self.spans.start.copy(), self.spans.end.copy()
        for thread, rows in self.rows.items():
            for column in (start, end):
                moved = np.interp(column[rows], clocks[thread].old, known[thread])
                column[rows] = np.rint(moved).astype(np.int64)
        return replace(self.spans, start=start, end=np.maximum(end, start))


def _in_steps(program: Program, spans: Spans) -> NDArray[np.bool_]:
    """[n] whether they lie in steps that are played, at least in part; all of them where no steps were left out."""
    if program.sample.complete:
        return np.ones(len(spans), bool)
    blocks = program.blocks
    held: NDArray[np.bool_] = (blocks.within(spans.start, spans.end) > 0) | blocks.holds(spans.start)
    return held
