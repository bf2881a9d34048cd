"""A GPU trace as it would have been: without its observer, or on a slower machine. It is played again and written down.

An observer slows the host down, once per operator, annotated range and call that it records; the GPU's kernels last as
long as without it. So in a host-bound step the idle time between kernels is inflated, and by how much only a replay
tells. What one event costs is measured in the observed process (see the metrics ``…_event_cost``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Record
from bench.record.timeline import Calls, Copies, Kernels, Spans, Timeline

from ..ledger.classes import classes_of
from ..ledger.costs import Ns, StepCosts
from ..ledger.gpu import Work, gpu_rows, streams_of, work_of
from ..ledger.pairs import Models
from ..ledger.read import STEP_RANGE
from ..ledger.rows import GpuRows
from ..observer.costs import EventCosts, recorded_costs
from ..timeline import Analysis
from .program import Program, program_of
from .simulate import Played, Recording, ReplayPlan, play_plan, play_plans, unchanged
from .whatif import Replay

Times = NDArray[np.float64]
AnyTable = TypeVar("AnyTable", Kernels, Copies, Calls, Spans)


class Undisturbed:
    """The steps of one GPU trace, ready to be played as they would have been."""

    def __init__(self, analysis: Analysis, step_range: str, bitsandbytes: str | None = None) -> None:
        self._timeline, self._step_range = analysis.timeline, step_range
        self._work, self._classes = work_of(analysis, step_range), classes_of(analysis, bitsandbytes)
        self.program = program_of(analysis, self._classes, step_range)
        self.unchanged = unchanged(self.program)
        self._operators, self._marks = self._recorded()
        self._waits = np.array([item.waits for item in self.program.items], bool)

    def _recorded(self) -> tuple[Times, Times]:
        """[items] how many operators, and ends of ranges, were recorded in the host's work before each call."""
        timeline, program = self._timeline, self.program
        call = np.array(program.call, np.int64)
        operators, marks = np.zeros(len(call)), np.zeros(len(call))
        for thread in {item.thread for item in program.items}:
            rows = np.array([row for row, item in enumerate(program.items) if item.thread == thread], np.int64)
            begins, ends = timeline.calls.start[call[rows]], timeline.calls.end[call[rows]]
            since = np.concatenate((begins[:1] - program.items[rows[0]].before, ends[:-1]))
            since = np.maximum(since, _block_of(program, begins))  # what was recorded in other steps cost this nothing
            operators[rows] = _ends_in(timeline.operators, thread, since, begins)
            marks[rows] = _marks_in(timeline.ranges, thread, since, begins)
        return operators, marks

    @property
    def busy(self) -> float:
        """ns per step that kernels and copies take, one after the other."""
        return float(self.unchanged.op.sum()) / self.program.steps

    def total(self, costs: EventCosts) -> float:
        """ns that recording all of it cost."""
        calls = len(self.program.items) * costs.call
        return float(self._operators.sum()) * costs.operator + float(self._marks.sum()) * costs.range / 2 + calls

    def plan(self, costs: EventCosts, inside: float = 0.5, base: ReplayPlan | None = None) -> ReplayPlan:
        """The host's work less what recording cost it; ``base``: of another recording than this one. Of a call that
        waits, the share ``inside`` of its own cost is taken to lie after what it waits for, the rest before it: in
        between it would cost nothing."""
        plan, waiting = base or self.unchanged, np.where(self._waits, costs.call, 0.0)
        recorded = self._operators * costs.operator + self._marks * (costs.range / 2) + waiting * (1.0 - inside)
        return replace(
            plan,
            before=np.maximum(plan.before - recorded, 0.0),
            length=np.maximum(plan.length - np.where(self._waits, waiting * inside, costs.call), 0.0),
            after=np.maximum(plan.after - waiting * inside, 0.0),
        )

    def lengths(self, plans: Sequence[ReplayPlan]) -> Times:
        """[plans] ns per step."""
        return np.array([played.span for played in play_plans(self.program, plans)]) / self.program.steps

    def analysis(self, plan: ReplayPlan) -> Analysis:
        """The steps by a plan as a trace of its own: one after the other, with the calls that matter to the GPU."""
        return Analysis(_retimed(self._timeline, self.program, plan))

    def costs(self, plan: ReplayPlan) -> StepCosts:
        """What the steps by a plan cost."""
        return self.rows(plan).costs(self._classes)

    def rows(self, plan: ReplayPlan) -> GpuRows:
        """The steps by a plan, by what a rule looks at. Each piece of work is what it was when it was recorded:
        where a plan leaves the host no time, ranges have lost their length, and launches no longer lie inside them."""
        analysis, asked = self.analysis(plan), np.array(self.program.row, np.int64)
        copy = _work_rows(self._timeline)[asked] >= len(self._timeline.kernels)
        order = _work_rows(analysis.timeline)
        row = np.concatenate((asked[~copy], asked[copy]))[order]
        table = analysis.timeline
        start, end, call = (
            np.concatenate(pair)[order]
            for pair in (
                (table.kernels.start, table.copies.start),
                (table.kernels.end, table.copies.end),
                (analysis.launch, analysis.copy_call),
            )
        )
        work = Work(start, end, call, streams_of(table)[order], self._work.kind[row], self._work.kinds)
        return gpu_rows(analysis, work, self._step_range)

    def recording(self, plan: ReplayPlan, model: Sequence[ReplayPlan] = ()) -> Recording:
        """The steps by a plan, to be replayed. ``model``: other plans that may as well be right."""
        return Recording(self.program, plan, play_plan(self.program, plan).span, model=tuple(model))


def _block_of(program: Program, times: Ns) -> Ns:
    """When the block of steps began that each of these times lies in; nothing (the least time) for the first block,
    before which no steps were left out."""
    later = program.blocks.start[1:]
    known = np.concatenate(([np.iinfo(np.int64).min], later))
    return known[np.searchsorted(later, times, side="right")]


def _ends_in(spans: Spans, thread: int, start: Ns, end: Ns) -> Ns:
    times = np.sort(spans.end[spans.thread == thread])
    return np.searchsorted(times, end) - np.searchsorted(times, start)


def _marks_in(spans: Spans, thread: int, start: Ns, end: Ns) -> Ns:
    mine = spans.thread == thread
    times = np.sort(np.concatenate((spans.start[mine], spans.end[mine])))
    return np.searchsorted(times, end) - np.searchsorted(times, start)


def _retimed(timeline: Timeline, program: Program, plan: ReplayPlan) -> Timeline:
    """The trace with the times of a plan. Ranges and operators move with the calls around them."""
    played = play_plan(program, plan)
    call, row = np.array(program.call, np.int64), np.array(program.row, np.int64)
    item_start, item_end = np.rint(played.item_start).astype(np.int64), np.rint(played.item_end).astype(np.int64)
    op_start, op_end = np.rint(played.op_start).astype(np.int64), np.rint(played.op_end).astype(np.int64)
    work = _work_rows(timeline)[row] if len(row) else row
    kernel, copy = work < len(timeline.kernels), work >= len(timeline.kernels)
    threads = {item.thread for item in program.items} | set(program.tail)
    moved = {
        thread: _moved(program, plan, thread, (timeline.calls.start[call], timeline.calls.end[call]), played)
        for thread in threads
    }
    return replace(
        timeline,
        kernels=_table_rows(timeline.kernels, work[kernel], op_start[kernel], op_end[kernel]),
        copies=_table_rows(timeline.copies, work[copy] - len(timeline.kernels), op_start[copy], op_end[copy]),
        calls=_table_rows(timeline.calls, call, item_start, np.maximum(item_end, item_start)),
        ranges=_spans(timeline.ranges, program, moved),
        operators=_spans(timeline.operators, program, moved),
        frames=Spans.empty(),
    )


def _work_rows(timeline: Timeline) -> Ns:
    """[work] the row of each piece of work, by start, in the kernels followed by the copies."""
    start = np.concatenate((timeline.kernels.start, timeline.copies.start))
    end = np.concatenate((timeline.kernels.end, timeline.copies.end))
    return np.lexsort((end, start))


def _table_rows(table: AnyTable, rows: Ns, start: Ns, end: Ns) -> AnyTable:
    columns = {name: getattr(table, name)[rows] for name in table.__dataclass_fields__}
    return type(table).build(**{**columns, "start": start, "end": end})


@dataclass(frozen=True, eq=False)
class _Moved:
    """Old host times of one thread → new ones, straight between the known ones."""

    old: Times
    new: Times

    def __call__(self, times: Ns) -> Ns:
        return np.rint(np.interp(times, self.old, self.new)).astype(np.int64)

    def inside(self, start: Ns, end: Ns) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (end > self.old[0]) & (start < self.old[-1])
        return inside


def _moved(program: Program, plan: ReplayPlan, thread: int, calls: tuple[Ns, Ns], played: Played) -> _Moved:
    """From the edges of its calls, and those of the steps: what lies between two steps takes no time in the program."""
    rows = np.array([row for row, item in enumerate(program.items) if item.thread == thread], np.int64)
    edges = program.edges
    at_edges = program.inside.upto(edges).astype(np.float64)
    if not len(rows):
        return _Moved(edges.astype(np.float64), at_edges * plan.tail)
    old = np.stack([calls[0][rows], calls[1][rows]], axis=1).ravel().astype(np.float64)
    clock = np.array([time for row in rows for time in (program.items[row].start, program.items[row].end)], np.float64)
    new = np.stack([played.item_start[rows], played.item_end[rows]], axis=1).ravel()
    head, tail = program.items[rows[0]].before, program.tail.get(thread, 0)
    clock = np.concatenate(([clock[0] - head], clock, [clock[-1] + tail]))
    known = np.concatenate(([new[0] - plan.before[rows[0]]], new, [new[-1] + tail * plan.tail]))
    old = np.concatenate(([old[0] - head], old, [old[-1] + tail]))
    between = (edges > old[0]) & (edges < old[-1])
    times = np.concatenate((old, edges[between]))
    places = np.concatenate((known, np.interp(at_edges[between], clock, known)))
    order = np.argsort(times, kind="stable")
    return _Moved(times[order], np.maximum.accumulate(places[order]))


def _in_steps(program: Program, spans: Spans) -> NDArray[np.bool_]:
    """[n] whether they lie in steps that are played, at least in part; all of them where no steps were left out."""
    if program.sample.complete:
        return np.ones(len(spans), bool)
    blocks = program.blocks
    held: NDArray[np.bool_] = (blocks.within(spans.start, spans.end) > 0) | blocks.holds(spans.start)
    return held


def _spans(spans: Spans, program: Program, moved: dict[int, _Moved]) -> Spans:
    start, end = spans.start.copy(), spans.end.copy()
    kept = np.zeros(len(spans), bool)
    for thread, move in moved.items():
        mine = (spans.thread == thread) & move.inside(spans.start, spans.end) & _in_steps(program, spans)
        start[mine], end[mine] = move(spans.start[mine]), move(spans.end[mine])
        kept |= mine
    rows = np.flatnonzero(kept)
    return _table_rows(spans, rows, start[rows], np.maximum(end, start)[rows])


def replay_of(record: Record, analysis: Analysis, models: Models) -> Replay:
    """``analysis``: of the trace that ``record`` names; ``models``: of the run's observers on a CPU. Raises RecordError
    where the trace has no steps."""
    bitsandbytes = record.setup["ledger"]["bitsandbytes"]
    if analysis.devices:
        trace = Undisturbed(analysis, STEP_RANGE, bitsandbytes)
        return Replay.of(trace.recording(trace.plan(recorded_costs(record))))
    replay = Replay(analysis, bitsandbytes=bitsandbytes)
    model = models.get((record.instrument, record.case.device))
    return replay.less_observer(model) if model is not None else replay
