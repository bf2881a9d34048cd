"""Plays a program again, changed or not: when each call returns and each kernel ends.

Many plans of one program are played at once, because what waits for what is the same in all of them: a row of numbers
stands for one moment, with a number per plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c

from ..spread import Spread
from .change import Change
from .program import Item, Op, Program

_BEGIN, _OP, _END = range(3)
Ns = NDArray[np.float64]
Flags = NDArray[np.bool_]
Moment = Any  # ns: an array with a number per plan, or of one plan alone a number
# Moments × plans that are held at once: 64 MB.
_AT_ONCE = 4_000_000


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


def play_plans(program: Program, plans: Sequence[ReplayPlan]) -> Iterator[Played]:
    """The program by each plan, some at a time, because each takes a megabyte; the plans must agree in their graphs."""
    moments = max(2 * (len(program.items) + len(program.ops)), 1)
    size = max(_AT_ONCE // moments, 1)
    order = _order(program)
    for first in range(0, len(plans), size):
        yield from _Player(program, plans[first : first + size]).run(order)


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
    plan.notes = ("each step's launches are one graph launch, which costs what the step's first launch cost",)
    if inner_waits:
        plan.notes += (
            f"{inner_waits} synchronising calls inside the steps were left out: with them the step cannot be captured",
        )


def _order(program: Program) -> list[tuple[int, int]]:
    """Everything in the order in which it happened, so that what is waited for comes first."""
    items, ops = program.items, program.ops
    order = [(item.start, _BEGIN, row) for row, item in enumerate(items)]
    order += [(item.end, _END, row) for row, item in enumerate(items)]
    order += [
        (max(op.start, items[op.item].start) if op.item >= 0 else op.start, _OP, row) for row, op in enumerate(ops)
    ]
    return [(what, row) for _, what, row in sorted(order)]


class _Player:
    """A moment is an array with a number per plan; of one plan alone it is that number, which Python adds up faster."""

    def __init__(self, program: Program, plans: Sequence[ReplayPlan]) -> None:
        self._program, self._plans = program, plans
        self._graph_head: list[int] = plans[0].graph_head.tolist()
        dropped, op_dropped = _stacked([plan.dropped for plan in plans]), _stacked([plan.op_dropped for plan in plans])
        waits = _stacked([plan.waits for plan in plans]) & ~dropped
        self._before = self._rows(np.where(dropped, 0.0, _stacked([plan.before for plan in plans])))
        self._length = self._rows(np.where(dropped, 0.0, _stacked([plan.length for plan in plans])))
        # What does not wait is never held up: then the end of the work that it would wait for is long past.
        self._after = self._rows(np.where(waits, _stacked([plan.after for plan in plans]), -np.inf))
        self._op = self._rows(_stacked([plan.op for plan in plans]))
        self._dropped = list(op_dropped)
        self._drops: list[bool] = np.logical_or.reduce(op_dropped, axis=1).tolist()
        self._waits: list[bool] = np.logical_or.reduce(waits, axis=1).tolist()
        self._maximum: Callable[[Moment, Moment], Moment] = max if len(plans) == 1 else np.maximum
        zero = self._constant(0.0)
        self._item_start, self._item_end = ([zero] * len(program.items) for _ in range(2))
        self._op_start, self._op_end = ([zero] * len(program.ops) for _ in range(2))
        self._host: dict[int, Moment] = {}
        self._running: dict[int, int | None] = {}

    def _rows(self, table: Ns) -> list[Moment]:
        """[n, plans] as one moment per row."""
        return table[:, 0].tolist() if len(self._plans) == 1 else list(table)

    def _constant(self, value: float) -> Moment:
        return value if len(self._plans) == 1 else np.full(len(self._plans), value)

    def run(self, order: Sequence[tuple[int, int]]) -> list[Played]:
        steps = (self._begin, self._work, self._finish)
        for what, row in order:
            steps[what](row)
        columns = [
            np.array(column, np.float64).reshape(len(column), len(self._plans)).T.copy()
            for column in (self._item_start, self._item_end, self._op_start, self._op_end)
        ]
        return [self._played(place, *(column[place] for column in columns)) for place in range(len(self._plans))]

    def _played(self, place: int, item_start: Ns, item_end: Ns, op_start: Ns, op_end: Ns) -> Played:
        plan = self._plans[place]
        host = {thread: float(np.atleast_1d(moment)[place]) for thread, moment in self._host.items()}
        tails = [host.get(thread, 0.0) + tail * plan.tail for thread, tail in self._program.tail.items()]
        span = max([*tails, float(op_end.max(initial=0.0))])
        return Played(item_start, item_end, op_start, op_end, span, plan.notes)

    def _begin(self, row: int) -> None:
        thread = self._program.items[row].thread
        # A call may begin the moment that the one before it returns.
        before_it = self._running.get(thread)
        if before_it is not None:
            self._finish(before_it)
        self._running[thread] = row
        host = self._host.get(thread)
        self._item_start[row] = self._before[row] if host is None else host + self._before[row]

    def _finish(self, row: int) -> None:
        item = self._program.items[row]
        if self._running.get(item.thread) != row:
            return
        self._running[item.thread] = None
        end = self._item_start[row] + self._length[row]
        if self._waits[row] and item.awaits >= 0:
            end = self._maximum(end, self._op_end[item.awaits] + self._after[row])
        self._item_end[row] = self._host[item.thread] = end

    def _work(self, row: int) -> None:
        op = self._program.ops[row]
        start = self._ready(op)
        self._op_start[row] = start
        end = start + self._op[row]
        if self._drops[row]:
            # A removed kernel holds nobody up: its stream is where the work before it left it.
            end = self._end_unless_dropped(row, self._op_end[op.follows] if op.follows >= 0 else start, end)
        self._op_end[row] = end

    def _end_unless_dropped(self, row: int, dropped: Moment, end: Moment) -> Moment:
        """``end``, but for the plans that drop this work."""
        return dropped if len(self._plans) == 1 else np.where(self._dropped[row], dropped, end)

    def _ready(self, op: Op) -> Moment:
        start: Moment
        if op.item >= 0:
            head = self._graph_head[op.item]
            if head < 0:
                start = self._item_start[op.item] + op.latency
            else:
                start = self._item_start[head] + (op.latency if head == op.item else 0)
        else:
            start = self._constant(float(op.start))
        if op.follows >= 0:
            start = self._maximum(start, self._op_end[op.follows] + self._gap(op))
        if op.handed_by >= 0:
            start = self._maximum(start, self._op_end[op.handed_by] + op.handover)
        return start

    def _gap(self, op: Op) -> int:
        in_graph = op.item >= 0 and self._graph_head[op.item] >= 0
        return max(op.gap, self._program.usual_gap) if in_graph else op.gap


def _stacked(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """[n, plans], a row in one piece."""
    return np.ascontiguousarray(np.array(columns).T)
