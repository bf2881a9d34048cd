"""A trace as a program that can be played again: the host's calls in order, and the GPU work that they ask for.

Read from a trace are, per call, the host's work before it and its own length; per kernel or copy its length, its place
in its stream and what it waited for: its launch, the work before it in its stream, or work of another stream that had
just ended. Synchronising calls, and copies that outlast their own copy, wait for work. Idea: Daydream (Zhu et al.,
USENIX ATC 2020), where the dependencies of a trace are replayed after a change to its tasks.

Times between the steps are cut out first, so that a trace whose steps are apart replays as one sequence of steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c
from bench.record.timeline import BLOCKING_COPY, COPY, LAUNCH, SYNC

from ..ledger.classes import Classes
from ..ledger.costs import Ns, host_windows, step_rows
from ..ledger.gpu import gpu_costs, named_windows, work_of
from ..ledger.paths import Paths
from ..ledger.starts import way_begins
from ..timeline import Analysis
from ..timeline.intervals import Cover
from .depending import await_work, depend, is_copy, leave_gaps, mark_last_waits, serve_by_range
from .runs import Run, runs_of
from .sample import StepSample, sample_of

_FINDS_OUTLIERS = re.compile(r"int8_(vectorwise|double)_quant").search
_NONE = -1


@dataclass(slots=True)
class Item:
    """A host call that matters to the GPU. ns: ``before`` is the host's work since its previous call, ``length`` its
    own. ``outside``: the share of ``before`` that does not lead to it: it lies in earlier steps, or is the way into its
    own step, whatever is called first there. ``awaits``: the row of the work that it waits for, or -1; ``after`` is
    from that work's end to its return. ``work``: the cause that it serves; ``range``: the innermost annotated range
    around it, less the step's own; ``ops``: rows of the work that it asks for; ``step``: index. ``last_wait``: nothing
    is launched after it in its step."""

    thread: int
    start: int
    end: int
    before: int
    waits: bool
    step: int
    work: str
    range: str
    ops: list[int] = field(default_factory=list)
    awaits: int = _NONE
    after: int = 0
    last_wait: bool = False
    outside: float = 0.0

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(slots=True)
class Op:
    """A kernel or copy. ``item``: row of its call, or -1 where that is before the steps. It starts ``latency`` after
    its call began, ``gap`` after ``follows`` (the work before it in its stream, or -1) ended, and ``handover`` after
    ``handed_by`` (of another stream, or -1) ended, whichever is last."""

    start: int
    end: int
    cause: str
    range: str
    item: int
    stream: int
    latency: int = 0
    follows: int = _NONE
    gap: int = 0
    handed_by: int = _NONE
    handover: int = 0


@dataclass(frozen=True, eq=False)
class HostColumns:
    """[items] what a replay looks at of the calls: as in Item."""

    thread: Ns
    outside: NDArray[np.float64]

    @classmethod
    def of(cls, items: Sequence[Item]) -> HostColumns:
        return cls(np.array([item.thread for item in items], np.int64), np.array([item.outside for item in items]))


@dataclass(frozen=True, eq=False)
class WorkColumns:
    """[ops] what a replay looks at of the work: as in Op. ``start``: where a replay puts work that no call asks for;
    -inf where such follows other work, which it then goes with."""

    item: Ns
    start: NDArray[np.float64]
    latency: NDArray[np.float64]
    gap: NDArray[np.float64]
    handed_by: Ns
    handover: NDArray[np.float64]

    @classmethod
    def of(cls, ops: Sequence[Op]) -> WorkColumns:
        start, latency, gap, handover = (
            np.array([(_starts(op), op.latency, op.gap, op.handover) for op in ops], np.float64).reshape(-1, 4).T.copy()
        )
        item, handed_by = np.array([(op.item, op.handed_by) for op in ops], np.int64).reshape(-1, 2).T.copy()
        return cls(item, start, latency, gap, handed_by, handover)


def _starts(op: Op) -> float:
    return -math.inf if op.item < 0 <= op.follows else op.start


@dataclass
class Program:
    """``items`` and ``ops`` by start; ``call`` and ``row``: which call and which row of the trace's work each is.
    ``tail``: thread of the steps → its time after its last call. ``span`` ns over ``steps`` steps. ``usual_gap`` is
    between two kernels that follow each other at once. ``inside``: the steps on the trace's clock, and ``edges`` where
    their ranges begin and end on it. ``sample``: which steps of the trace they are; ``blocks``: [start, end] of the
    host's time in each block of steps that follow each other, on the trace's clock."""

    items: list[Item]
    ops: list[Op]
    tail: dict[int, int]
    steps: int
    span: int
    usual_gap: int
    inside: Cover
    edges: Ns
    sample: StepSample
    blocks: Cover
    call: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)

    @cached_property
    def runs(self) -> list[Run]:
        """What numpy plays as a whole, in an order in which it can be played."""
        return runs_of(self.items, self.ops)

    @cached_property
    def host(self) -> HostColumns:
        """The calls as columns."""
        return HostColumns.of(self.items)

    @cached_property
    def work(self) -> WorkColumns:
        """The work as columns."""
        return WorkColumns.of(self.ops)

    def rows_of(self, thread: int) -> Ns:
        """The rows of a thread's items."""
        return np.flatnonzero(self.host.thread == thread)

    def with_gaps(self, usual: int) -> Program:
        """The same program with ``usual`` gaps where it has none of its own (see leave_gaps)."""
        ops = [replace(op) for op in self.ops]
        leave_gaps(ops, usual)
        return replace(self, ops=ops)


def program_of(analysis: Analysis, classes: Classes, step_range: str) -> Program:
    """The steps of a GPU trace as a program; of a long trace some of them (see sample). Raises RecordError where there
    are none."""
    return _ProgramBuilder(analysis, classes, step_range).program()


class _ProgramBuilder:
    """Makes the program. Times are inside the steps: 0 is the start of the first."""

    def __init__(self, analysis: Analysis, classes: Classes, step_range: str) -> None:
        self._analysis, self._step_range = analysis, step_range
        self._work = work = work_of(analysis, step_range)
        self._causes = [kind.cause(classes) for kind in work.kinds]
        rows = step_rows(analysis.timeline, step_range)
        # Of all steps, because one that is not taken may hold up one that is.
        windows, host = named_windows(analysis, step_range), host_windows(analysis.timeline, rows)
        self._sample = sample_of(gpu_costs(analysis, classes, step_range), len(work.start), windows[1], host[0])
        at = self._sample.rows
        self._rows, self._windows, self._host = rows[at], (windows[0][at], windows[1][at]), (host[0][at], host[1][at])
        self._inside = Cover.union(*self._windows)
        self._call_of: list[int] = []
        self._row_of: list[int] = []

    def program(self) -> Program:
        items, item_of_call = self._items()
        ops = self._ops(item_of_call)
        for row, op in enumerate(ops):
            if op.item >= 0:
                items[op.item].ops.append(row)
        # In this order: what a call waited for is found among work that knows its launch and its stream.
        usual_gap = depend(ops, items)
        await_work(items, ops)
        mark_last_waits(items)
        for item in items:
            if not (item.waits or (item.ops and is_copy(item, ops))):
                item.work = ""  # launches are what their kernels are
        if not len(self._analysis.timeline.operators):
            serve_by_range(items, ops)
        span, edges = int(self._inside.total), np.sort(np.concatenate(self._host))
        return Program(
            items, ops, self._tails(items), len(self._rows), span, usual_gap, self._inside, edges, self._sample,
            self._blocks(), self._call_of, self._row_of,
        )  # fmt: skip

    def _blocks(self) -> Cover:
        first = self._sample.begins
        start, end = self._host[0][np.concatenate(([0], first))], self._host[1][np.concatenate((first - 1, [-1]))]
        return Cover(start, end)

    def _tails(self, items: list[Item]) -> dict[int, int]:
        """The host's time from its last call to the end of the last step, on the threads that run the steps; where
        nothing is called in them, all of it."""
        last = {item.thread: item.end for item in items}
        ends = int(self._inside.upto(self._host[1][-1:])[0])
        own = set(self._analysis.timeline.ranges.thread[self._rows].tolist())
        if not last:
            return dict.fromkeys(own, ends)
        # Where other threads launch everything (a backward pass), theirs is the host's time.
        return {t: max(ends - end, 0) for t, end in last.items() if t in own or not own & set(last)}

    def _step_of_call(self, time: Ns) -> Ns:
        """[n] the step that each call belongs to: the last that began before it; -1 for calls outside the steps."""
        step = np.searchsorted(self._host[0], time, side="right") - 1
        known = (step >= 0) & (time < self._windows[1][-1])
        own = time < self._host[1][np.maximum(step, 0)]
        return np.where(known & (own | (_step_of(self._windows, time) >= 0)), step, -1)

    def _items(self) -> tuple[list[Item], dict[int, int]]:
        """The calls that launch, copy or wait inside the steps, outermost ones only; and which item each call is."""
        calls = self._analysis.timeline.calls
        matters = np.isin(calls.kind, (LAUNCH, SYNC, COPY, BLOCKING_COPY))
        matters[self._work.call[self._work.call >= 0]] = True
        step = self._step_of_call(calls.start)
        rows = np.flatnonzero(matters & (step >= 0))
        rows = rows[np.lexsort((-calls.end[rows], calls.start[rows]))]
        start, end = self._inside.upto(calls.start[rows]), self._inside.upto(calls.end[rows])
        begun = self._inside.upto(self._led_from(rows, step[rows]))
        serves, ranges = self._serves(rows), self._ranges(rows)
        waiting = np.isin(calls.kind[rows], (SYNC, BLOCKING_COPY)).tolist()
        known = (rows, calls.thread[rows], start, np.maximum(end, start), end, step[rows], begun)
        columns = zip(*(column.tolist() for column in known), waiting, serves, ranges, strict=True)
        items: list[Item] = []
        item_of: dict[int, int] = {}
        open_at: dict[int, int] = {}
        for row, thread, begin, stop, ended, number, first, waits, serving, around in columns:
            outer = open_at.get(thread, _NONE)
            since = items[outer].end if outer >= 0 else 0
            if outer >= 0 and ended <= since and begin < since:
                item_of[row] = outer  # the driver's call inside the runtime's
                continue
            item_of[row] = open_at[thread] = len(items)
            self._call_of.append(row)
            before = max(begin - since, 0)
            made = Item(thread, begin, stop, before, waits, number, serving, around)
            made.outside = min(max(first - since, 0) / before, 1.0) if before else 0.0
            items.append(made)
        return items, item_of

    def _led_from(self, rows: Ns, step: Ns) -> Ns:
        """[n] when the step of each call begins on the host; of a step's first call when the host is on its way to
        it. ``rows``: by start."""
        led = self._host[0][step]
        thread = self._analysis.timeline.calls.thread[rows].astype(np.int64)
        _, first = np.unique(thread * len(self._rows) + step, return_index=True)
        led[first] = np.maximum(way_begins(self._analysis, rows[first], led[first]), led[first])
        return led

    def _serves(self, rows: Ns) -> list[str]:
        """What each call serves beyond its own work: waiting and copying to find outliers goes with finding them."""
        nesting = self._analysis.calling
        paths = Paths(self._analysis.timeline, nesting)
        around = self._analysis.innermost(nesting, rows)
        return [c.OUTLIERS if any(map(_FINDS_OUTLIERS, paths.of(int(row)))) else "" for row in around]

    def _ranges(self, rows: Ns) -> list[str]:
        """The innermost annotated range around each call, less the step's own."""
        paths = Paths(self._analysis.timeline, self._analysis.nesting, self._step_range)
        around = self._analysis.innermost(self._analysis.nesting, rows)
        return [(paths.of(int(row)) or ("",))[-1] for row in around]

    def _ops(self, item_of_call: dict[int, int]) -> list[Op]:
        work = self._work
        keys: dict[int, int] = {}
        start, end = self._inside.upto(work.start), self._inside.upto(work.end)
        here = np.flatnonzero((end > start) | (_step_of(self._windows, work.start) >= 0))
        ops = []
        self._row_of = here.tolist()
        inner = [(kind.ranges or ("",))[-1] for kind in work.kinds]
        known = (start, end, work.stream, work.call, work.kind)
        for begin, stop, stream, call, kind in zip(*(column[here].tolist() for column in known), strict=True):
            key = keys.setdefault(stream, len(keys))
            ops.append(Op(begin, stop, self._causes[kind], inner[kind], item_of_call.get(call, _NONE), key))
        return ops


def _step_of(windows: tuple[Ns, Ns], time: Ns) -> Ns:
    at = np.searchsorted(windows[0], time, side="right") - 1
    return np.where((at >= 0) & (time < windows[1][np.maximum(at, 0)]), at, -1)
