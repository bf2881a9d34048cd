"""Plays a program again, changed or not: when each call returns and each kernel ends.

Many plans of one program are played at once, because what waits for what is the same in all of them, and so are the
runs of calls and of work that numpy plays as a whole (see runs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c

from ..statistics.spread import Spread
from .change import Change
from .program import Item, Program
from .runs import HostRun, Rows, WorkRun

Ns = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Moments × plans that are held at once: 32 MB.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Played:
    """ns on the program's clock. [items] and [ops] columns; what was removed has the time at which it would have been.
    ``span``: until the host and the GPU are done. ``notes``: what was assumed."""

    item_start: Ns
    item_end: Ns
    op_start: Ns
    op_end: Ns
    span: float
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class ReplayPlan:
    """What each call and each piece of work costs in a replay; may be changed before it is played.

    [items]: the host's work ``before`` each, its own ``length``, what comes ``after`` waiting, whether it ``waits`` at
    all, whether it is ``dropped``, and the item whose graph launches its work (-1: it does so itself). [ops]: lengths,
    and whether dropped. ``tail`` scales the host's time after its last call.
    """

    before: Ns
    length: Ns
    after: Ns
    waits: Flags
    dropped: Flags
    graph_head: NDArray[np.int64]
    op: Ns
    op_dropped: Flags
    tail: float = 1.0
    notes: tuple[str, ...] = ()


def unchanged(program: Program) -> ReplayPlan:
    """The program as it was recorded."""
    items, ops = program.items, program.ops
    return ReplayPlan(
        before=np.array([item.before for item in items], np.float64),
        length=np.array([_length(item) for item in items], np.float64),
        after=np.array([item.after for item in items], np.float64),
        waits=np.array([item.waits for item in items], bool),
        dropped=np.zeros(len(items), bool),
        graph_head=np.full(len(items), -1, np.int64),
        op=np.array([op.end - op.start for op in ops], np.float64),
        op_dropped=np.zeros(len(ops), bool),
    )


@dataclass(frozen=True, eq=False)
class Recording:
    """A program with the plan by which it is played unchanged: as recorded, or without its observer. ``span``: ns, of
    what it stands for. ``processes`` and ``model``: the plan again, each time one standard deviation away in what
    another process would do, or in what recording cost."""

    program: Program
    plan: ReplayPlan
    span: float
    processes: tuple[ReplayPlan, ...] = ()
    model: tuple[ReplayPlan, ...] = ()

    def spread(self, spread: Spread) -> Recording:
        """With processes that differ so much, where these are not known already."""
        if self.processes:
            return self
        found = [slower(self.plan, host=1.0 + spread.host)] * bool(spread.host)
        found += [slower(self.plan, gpu=1.0 + spread.gpu)] * bool(spread.gpu)
        return replace(self, processes=tuple(found))


def as_recorded(program: Program) -> Recording:
    """The program as it was recorded. It stands for all steps of its trace, also where it holds some of them."""
    sample = program.sample
    span = program.span if sample.complete else sample.wall[1] * program.steps
    return Recording(program, unchanged(program), span)


def slower(plan: ReplayPlan, *, host: float = 1.0, gpu: float = 1.0) -> ReplayPlan:
    """The same plan with all of the host's work, or all of the GPU's, times a factor. Waiting is not work."""
    return ReplayPlan(
        plan.before * host, plan.length * host, plan.after * host, plan.waits.copy(), plan.dropped.copy(),
        plan.graph_head.copy(), plan.op * gpu, plan.op_dropped.copy(), plan.tail * host, plan.notes,
    )  # fmt: skip


def play_plan(program: Program, plan: ReplayPlan) -> Played:
    """The program as planned."""
    return next(play_plans(program, (plan,)))


def play_plans(program: Program, plans: Iterable[ReplayPlan]) -> Iterator[Played]:
    """The program by each plan, some at a time, because each takes a megabyte: make them as they are asked for where
    there are hundreds. The plans must agree in their graphs."""
    for some in _at_once(program, plans):
        yield from _Player(program, some).played()


def spans_of(program: Program, plans: Iterable[ReplayPlan]) -> list[float]:
    """How long the program takes by each plan, ns; plans as of ``play_plans``."""
    return [span for some in _at_once(program, plans) for span in _Player(program, some).spans()]


def _at_once(program: Program, plans: Iterable[ReplayPlan]) -> Iterator[list[ReplayPlan]]:
    moments = max(2 * (len(program.items) + len(program.ops)), 1)
    size, left = max(_AT_ONCE // moments, 1), iter(plans)
    while some := list(islice(left, size)):
        yield some


def changed(program: Program, base: ReplayPlan, change: Change) -> ReplayPlan:
    """The plan ``base`` after ``change``."""
    plan = slower(base)
    host, sync = change.of(c.HOST_GAP), change.of(c.SYNC_STALL)
    for row, op in enumerate(program.ops):
        plan.op[row] *= change.of(op.cause)
        # The copy that hands a step's token over is not one that could be left out.
        hands_over = op.item >= 0 and program.items[op.item].last_wait
        plan.op_dropped[row] = change.removes(op.cause) and not hands_over
    for row, item in enumerate(program.items):
        inner = item.waits and not item.last_wait
        plan.before[row] *= host
        plan.length[row] *= sync if inner else 1.0 if item.waits else host
        plan.after[row] *= sync if inner else 1.0
        plan.waits[row] = item.waits and not (inner and change.removes(c.SYNC_STALL))
        plan.dropped[row] = _drops(item, change, plan.op_dropped)
        if plan.dropped[row]:
            plan.op_dropped[item.ops] = True
    plan.tail *= host
    if change.cuda_graph:
        _capture(program, plan)
    return plan


def _length(item: Item) -> float:
    """A call that waited lasts at least as long as it needs after its work is done."""
    return min(item.length, item.after) if item.waits and item.awaits >= 0 else item.length


def _drops(item: Item, change: Change, op_dropped: Flags) -> bool:
    """A call goes with the work that it is for; a synchronisation when its cause, or all synchronising, is removed."""
    if item.work and change.removes(item.work):
        return True
    if item.ops:
        return bool(op_dropped[item.ops].all())
    return item.waits and change.removes(c.SYNC_STALL) and not item.last_wait


def _capture(program: Program, plan: ReplayPlan) -> None:
    """Make each step's launches one graph launch."""
    heads: dict[int, int] = {}
    inner_waits = 0
    for row, item in enumerate(program.items):
        if item.last_wait:
            continue
        head = heads.setdefault(item.step, row)
        plan.graph_head[row] = head
        inner_waits += item.waits
        if row != head:
            plan.before[row] = plan.length[row] = plan.after[row] = 0.0
        plan.waits[row] = False
    plan.notes = (
        "each step's launches are one graph launch, which costs what the step's first launch cost; between its kernels "
        "lies as much as between others, or half as much more or less",
    )
    if inner_waits:
        plan.notes += (
            f"{inner_waits} synchronising calls inside the steps were left out: with them the step cannot be captured",
        )


class _Player:
    """Plans that were played side by side. Columns are [plans, items] and [plans, ops]; those of the host are [plans,
    2 · items]: of each call its beginning, then its end."""

    def __init__(self, program: Program, plans: Sequence[ReplayPlan]) -> None:
        self._program, self._plans = program, plans
        dropped, waits = _stacked([plan.dropped for plan in plans]), _stacked([plan.waits for plan in plans])
        self._host_ns = np.empty((len(plans), 2 * len(program.items)))
        self._host_ns[:, ::2] = _stacked([plan.before for plan in plans])
        self._host_ns[:, 1::2] = _stacked([plan.length for plan in plans])
        if dropped.any():
            # What a step before took does not lead to a call, and stays where that goes.
            self._host_ns[:, ::2] *= np.where(dropped, program.host.outside, 1.0)
            self._host_ns[:, 1::2][dropped] = 0.0
        # What does not wait is never held up: then the end of the work that it would wait for is long past.
        self._after = np.where(waits & ~dropped, _stacked([plan.after for plan in plans]), -np.inf)
        self._op = _stacked([plan.op for plan in plans])
        self._dropped = _stacked([plan.op_dropped for plan in plans])
        self._drops = np.logical_or.reduce(self._dropped, axis=0)
        self._work = _Work.of(program, plans[0].graph_head)
        self._times = np.zeros_like(self._host_ns)
        self._item_start, self._item_end = self._times[:, ::2], self._times[:, 1::2]
        self._op_start, self._op_end = (np.zeros((len(plans), len(program.ops))) for _ in range(2))
        self._host: dict[int, Ns] = {}
        self._play()

    def _play(self) -> None:
        for run in self._program.runs:
            if isinstance(run, WorkRun):
                self._of_stream(run)
            elif isinstance(run, HostRun):
                self._of_thread(run)
            else:
                self._wait(run.row)

    def played(self) -> list[Played]:
        """The plans, one after the other."""
        return [self._played(place, span) for place, span in enumerate(self.spans())]

    def _played(self, place: int, span: float) -> Played:
        start, end, op_start, op_end = (
            each[place] for each in (self._item_start, self._item_end, self._op_start, self._op_end)
        )
        return Played(start, end, op_start, op_end, span, self._plans[place].notes)

    def spans(self) -> list[float]:
        """How long each plan takes, ns."""
        return [self._span(place) for place in range(len(self._plans))]

    def _span(self, place: int) -> float:
        host = {thread: float(moment[place]) for thread, moment in self._host.items()}
        tail = self._plans[place].tail
        tails = [host.get(thread, 0.0) + ns * tail for thread, ns in self._program.tail.items()]
        return max([*tails, float(self._op_end[place].max(initial=0.0))])

    def _of_thread(self, run: HostRun) -> None:
        """Call by call: the host's work before it, and its own length."""
        if isinstance(run.rows, slice):
            columns: Rows | slice = slice(2 * run.rows.start, 2 * run.rows.stop)
        else:
            columns = np.stack((2 * run.rows, 2 * run.rows + 1), axis=1).ravel()
        time = self._host_ns[:, columns]
        if run.thread in self._host:
            time[:, 0] += self._host[run.thread]
        self._times[:, columns] = time = np.add.accumulate(time, axis=1)
        self._host[run.thread] = time[:, -1]

    def _wait(self, row: int) -> None:
        item = self._program.items[row]
        end = np.maximum(self._item_end[:, row], self._op_end[:, item.awaits] + self._after[:, row])
        self._item_end[:, row] = self._host[item.thread] = end

    def _of_stream(self, run: WorkRun) -> None:
        """Work starts when it is asked for, or a gap after the work before it has ended, whichever is later. A removed
        kernel holds nobody up: its stream is where the work before it left it."""
        rows, gap = run.rows, self._work.gap[run.rows]
        ready, length = self._ready(rows), self._op[:, rows]
        before_it = np.full(len(ready), -np.inf) if run.follows < 0 else self._op_end[:, run.follows]
        dropped = self._dropped[:, rows] if self._drops[rows].any() else None
        previous = self._previous(ready, length, gap, before_it, dropped)
        start = np.maximum(ready, previous + gap)
        end = start + length
        if dropped is not None:
            end = np.where(dropped, np.where(np.isneginf(previous), start, previous), end)
        self._op_start[:, rows], self._op_end[:, rows] = start, end

    def _previous(self, ready: Ns, length: Ns, gap: Ns, before_it: Ns, dropped: Flags | None) -> Ns:
        """[plans, run] when the work before each has ended, ``before_it`` for the first.

        By the longest path: with L the summed gaps and lengths up to an op, it ends at L + max(ready + length - L) over
        itself and all before it, where what precedes the run is ready at ``before_it`` with L = 0.
        """
        previous = np.empty_like(ready)
        previous[:, 0] = before_it
        if ready.shape[1] == 1:
            return previous
        alone, chained = (ready + length)[:, :-1], (gap + length)[:, :-1]
        if dropped is not None:
            first = dropped[:, 0] & np.isneginf(before_it)
            alone = np.where(dropped[:, :-1], -np.inf, alone)
            alone[first, 0] = ready[first, 0]
            chained = np.where(dropped[:, :-1], 0.0, chained)
        summed = np.add.accumulate(chained, axis=1)
        alone = alone - summed
        np.maximum(alone[:, 0], before_it, out=alone[:, 0])
        np.add(np.maximum.accumulate(alone, axis=1), summed, out=previous[:, 1:])
        return previous

    def _ready(self, rows: Rows | slice) -> Ns:
        """[plans, run] when each was asked for, and what another stream hands over is there."""
        work, asked = self._work, self._work.launch[rows]
        launched = np.flatnonzero(asked >= 0)
        if len(launched) == len(asked):
            ready = self._item_start[:, _as_slice(asked)] + work.latency[rows]
        else:
            ready = np.repeat(work.start[None, rows], len(self._plans), axis=0)
            ready[:, launched] = self._item_start[:, asked[launched]] + work.latency[rows][launched]
        other = work.handed_by[rows]
        if (handed := np.flatnonzero(other >= 0)).size:
            there = self._op_end[:, other[handed]] + work.handover[rows][handed]
            ready[:, handed] = np.maximum(ready[:, handed], there)
        return ready


@dataclass(frozen=True, eq=False)
class _Work:
    """[ops] columns. ``launch``: the item that asks for it, or -1; ``gap``: -inf where nothing is followed."""

    launch: Rows
    latency: Ns
    start: Ns
    gap: Ns
    handed_by: Rows
    handover: Ns

    @classmethod
    def of(cls, program: Program, graph_head: Rows) -> _Work:
        work = program.work
        # Inside a graph one launch asks for all, and the GPU goes from kernel to kernel by itself: only the head has a
        # latency, and no gap is shorter than the usual one, since work that waited for its launch was left a gap of 0.
        head = np.where(work.item >= 0, graph_head[work.item], -1) if graph_head.size else work.item
        in_graph = head >= 0
        latency = np.where(in_graph & (head != work.item), 0.0, work.latency)
        gap = np.where(in_graph, np.maximum(work.gap, program.usual_gap), work.gap)
        launch = np.where(in_graph, head, work.item)
        return cls(launch, latency, work.start, gap, work.handed_by, work.handover)


def _as_slice(rows: Rows) -> Rows | slice:
    """Rows that follow each other as a slice, because that needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    follow = last - first == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all())
    return slice(first, last + 1) if follow else rows


def _stacked(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """[plans, n]."""
    return np.stack(columns)
