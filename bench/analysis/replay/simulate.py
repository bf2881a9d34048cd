"""Plays a program again, changed or not: when each call returns and each kernel ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c

from .change import Change
from .program import Item, Op, Program

_BEGIN, _OP, _END = range(3)
Ns = NDArray[np.float64]


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


@dataclass
class Plan:
    """What each call and each piece of work costs in a replay; may be changed before it is played.

    Per item: the host's work ``before`` it, its own ``length``, what comes ``after`` waiting, whether it ``waits`` at
    all, whether it is ``dropped``, and the item whose graph launches its work (-1: it does so itself). Per op: its
    length and whether it is dropped. ``tail`` scales the host's time after its last call.
    """

    before: list[float]
    length: list[float]
    after: list[float]
    waits: list[bool]
    dropped: list[bool]
    graph_head: list[int]
    op: list[float]
    op_dropped: list[bool]
    tail: float = 1.0
    notes: tuple[str, ...] = ()


def unchanged(program: Program) -> Plan:
    """The program as it was recorded."""
    items, ops = program.items, program.ops
    return Plan(
        before=[float(item.before) for item in items],
        length=[float(_length(item)) for item in items],
        after=[float(item.after) for item in items],
        waits=[item.waits for item in items],
        dropped=[False] * len(items),
        graph_head=[-1] * len(items),
        op=[float(op.end - op.start) for op in ops],
        op_dropped=[False] * len(ops),
    )


def play(program: Program, change: Change) -> Played:
    """The program after ``change``."""
    return play_plan(program, _changed(program, change))


def play_plan(program: Program, plan: Plan) -> Played:
    """The program as planned."""
    return _Player(program, plan).run()


def _changed(program: Program, change: Change) -> Plan:
    plan = unchanged(program)
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
            for op_row in item.ops:
                plan.op_dropped[op_row] = True
    plan.tail = host
    if change.cuda_graph:
        _capture(program, plan)
    return plan


def _length(item: Item) -> float:
    """A call that waited lasts at least as long as it needs after its work is done."""
    return min(item.length, item.after) if item.waits and item.awaits >= 0 else item.length


def _drops(item: Item, change: Change, op_dropped: list[bool]) -> bool:
    """A call goes with the work that it is for; a synchronisation when its cause, or all synchronising, is removed."""
    if item.work and change.removes(item.work):
        return True
    if item.ops:
        return all(op_dropped[row] for row in item.ops)
    return item.waits and change.removes(c.SYNC_STALL) and not item.last_wait


def _capture(program: Program, plan: Plan) -> None:
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


class _Player:
    def __init__(self, program: Program, plan: Plan) -> None:
        self._program, self._plan = program, plan
        items, ops = program.items, program.ops
        self._item_start, self._item_end = np.zeros(len(items)), np.zeros(len(items))
        self._op_start, self._op_end = np.zeros(len(ops)), np.zeros(len(ops))
        self._host: dict[int, float] = {}
        self._running: dict[int, int | None] = {}

    def run(self) -> Played:
        for _, what, row in self._order():
            (self._begin, self._work, self._finish)[what](row)
        tails = [self._host[thread] + tail * self._plan.tail for thread, tail in self._program.tail.items()]
        span = float(max([*tails, self._op_end.max(initial=0.0)], default=0.0))
        return Played(self._item_start, self._item_end, self._op_start, self._op_end, span, self._plan.notes)

    def _order(self) -> list[tuple[int, int, int]]:
        """Everything in the order in which it happened, so that what is waited for comes first."""
        items, ops = self._program.items, self._program.ops
        order = [(item.start, _BEGIN, row) for row, item in enumerate(items)]
        order += [(item.end, _END, row) for row, item in enumerate(items)]
        order += [
            (max(op.start, items[op.item].start) if op.item >= 0 else op.start, _OP, row) for row, op in enumerate(ops)
        ]
        return sorted(order)

    def _begin(self, row: int) -> None:
        item = self._program.items[row]
        # A call may begin the moment that the one before it returns.
        before_it = self._running.get(item.thread)
        if before_it is not None:
            self._finish(before_it)
        self._running[item.thread] = row
        before = 0.0 if self._plan.dropped[row] else self._plan.before[row]
        self._item_start[row] = self._host.get(item.thread, 0.0) + before

    def _finish(self, row: int) -> None:
        item, plan = self._program.items[row], self._plan
        if self._running.get(item.thread) != row:
            return
        self._running[item.thread] = None
        end = self._item_start[row]
        if not plan.dropped[row]:
            end += plan.length[row]
            if plan.waits[row] and item.awaits >= 0:
                end = max(end, self._op_end[self._kept(item.awaits)] + plan.after[row])
        self._item_end[row] = self._host[item.thread] = end

    def _kept(self, row: int) -> int:
        """The work itself, or where it was removed the last before it in its stream that was not."""
        ops = self._program.ops
        while self._plan.op_dropped[row] and ops[row].follows >= 0:
            row = ops[row].follows
        return row

    def _work(self, row: int) -> None:
        op = self._program.ops[row]
        start = self._ready(op)
        self._op_start[row] = start
        self._op_end[row] = start if self._plan.op_dropped[row] else start + self._plan.op[row]
        if self._plan.op_dropped[row] and op.follows >= 0:
            # A removed kernel holds nobody up: its stream is where the work before it left it.
            self._op_end[row] = self._op_end[op.follows]

    def _ready(self, op: Op) -> float:
        start = 0.0 if op.item >= 0 else float(op.start)
        if op.item >= 0:
            head = self._plan.graph_head[op.item]
            latency = op.latency if head < 0 or head == op.item else 0
            start = self._item_start[op.item if head < 0 else head] + latency
        if op.follows >= 0:
            start = max(start, self._op_end[op.follows] + self._gap(op))
        if op.handed_by >= 0:
            start = max(start, self._op_end[op.handed_by] + op.handover)
        return float(start)

    def _gap(self, op: Op) -> int:
        in_graph = op.item >= 0 and self._plan.graph_head[op.item] >= 0
        return max(op.gap, self._program.usual_gap) if in_graph else op.gap
