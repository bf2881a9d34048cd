"""A GPU trace as it would have been: without its observer, or on a slower machine. It is played again and written down.

An observer slows the host down, once per operator, annotated range and call that it records; the GPU's kernels last as
long as without it. So in a host-bound step the idle time between kernels is inflated, and by how much only a replay
tells. What one event costs is measured in the observed process (see the metrics ``…_event_cost``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from bench.record.codes import distinct
from bench.record.schema import Record
from bench.record.timeline import Spans

from ..ledger.classes import classes_of
from ..ledger.costs import Ns, StepCosts
from ..ledger.gpu import Work, gpu_rows, streams_of, work_of
from ..ledger.pairs import Models
from ..ledger.read import STEP_RANGE
from ..ledger.rows import GpuRows
from ..observer.costs import EventCosts, recorded_costs
from ..timeline import Analysis
from .program import Program, program_of
from .retimed import Retiming, Times, work_rows
from .simulate import Recording, ReplayPlan, play_plan, spans_of, unchanged
from .whatif import Replay


class Undisturbed:
    """The steps of one GPU trace, ready to be played as they would have been."""

    def __init__(self, analysis: Analysis, step_range: str, bitsandbytes: str | None = None) -> None:
        self._timeline, self._step_range = analysis.timeline, step_range
        self._work, self._classes = work_of(analysis, step_range), classes_of(analysis, bitsandbytes)
        self.program = program_of(analysis, self._classes, step_range)
        self.unchanged = unchanged(self.program)
        self._operators, self._marks = self._recorded()
        self._waits = self.unchanged.waits

    def _recorded(self) -> tuple[Times, Times]:
        """[items] how many operators, and ends of ranges, were recorded in the host's work before each call."""
        timeline, program = self._timeline, self.program
        call = np.array(program.call, np.int64)
        operators, marks = np.zeros(len(call)), np.zeros(len(call))
        for thread in distinct(program.host.thread).tolist():
            rows = program.rows_of(thread)
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
        return np.array(spans_of(self.program, plans)) / self.program.steps

    @cached_property
    def _retimed(self) -> Retiming:
        return Retiming(self._timeline, self.program)

    def analysis(self, plan: ReplayPlan) -> Analysis:
        """The steps by a plan as a trace of its own: one after the other, with the calls that matter to the GPU."""
        return Analysis(self._retimed(plan))

    def costs(self, plan: ReplayPlan) -> StepCosts:
        """What the steps by a plan cost."""
        return self.rows(plan).costs(self._classes)

    def rows(self, plan: ReplayPlan) -> GpuRows:
        """The steps by a plan, by what a rule looks at. Each piece of work is what it was when it was recorded:
        where a plan leaves the host no time, ranges have lost their length, and launches no longer lie inside them."""
        analysis, asked = self.analysis(plan), np.array(self.program.row, np.int64)
        copy = self._retimed.work >= len(self._timeline.kernels)
        order = work_rows(analysis.timeline)
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
