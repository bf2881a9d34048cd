"""What the calls and the work of a program waited for when they were recorded, found in their times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from bench.record import causes as c

from ..ledger.class_table import LINEAR

if TYPE_CHECKING:
    from .program import Item, Op

# A kernel that starts this soon after work of another stream has ended, and later than its own launch and stream
# explain, waited for that work (an event): real hand-overs take a few microseconds.
HANDOVER_NS = 5_000
_IS_LINEAR = re.compile(LINEAR).search
_LOOK_BACK = 512
_RECENT = 31
_NONE = -1


def depend(ops: list[Op], items: list[Item]) -> int:
    """Find out what each op waited for. Returns the usual gap between kernels that follow each other at once."""
    # What a launch takes at best: the first percentile, for the clocks of host and GPU are joined with an error, which
    # the very least may be.
    launched = [op.start - items[op.item].start for op in ops if op.item >= 0]
    least = int(np.quantile([ns for ns in launched if ns >= 0] or [0], 0.01))
    last: dict[int, int] = {}
    gaps: list[int] = []
    recent: list[int] = []
    for row, op in enumerate(ops):
        op.follows = last.get(op.stream, _NONE)
        ready = items[op.item].start + least if op.item >= 0 else 0
        free = ops[op.follows].end if op.follows >= 0 else 0
        since_launch = op.start - items[op.item].start if op.item >= 0 else op.start
        # Whichever of the two came later is what it waited for; the other one keeps its least, so that it takes over
        # where a plan makes it the later one.
        if op.follows >= 0 and (op.start < free or free > ready):
            op.gap, op.latency = op.start - free, min(least, since_launch)
            gaps.append(op.gap)
        else:
            op.latency = since_launch
        # Late by more than the hardware needs: then an event of another stream held it.
        late = op.start - max(ready, free)
        other = _handed_over(ops, recent, op) if late > HANDOVER_NS else _NONE
        if other >= 0:
            op.handed_by, op.handover = other, op.start - ops[other].end
            op.gap, op.latency = min(op.gap, 0), min(least, since_launch)
        last[op.stream] = row
        recent = [*recent[-_RECENT:], row]
    at_once = [gap for gap in gaps if 0 <= gap <= HANDOVER_NS]
    usual = int(np.median(at_once)) if at_once else 0
    leave_gaps(ops, usual)
    return usual


def leave_gaps(ops: list[Op], usual: int) -> None:
    """Work that waited for its launch would still not start the moment that its stream is free."""
    for op in ops:
        if op.follows >= 0 and op.gap == 0:
            op.gap = max(min(usual, op.start - ops[op.follows].end), 0)


def _handed_over(ops: list[Op], recent: list[int], op: Op) -> int:
    """The latest work of another stream that ended just before ``op`` started, or -1."""
    found = [r for r in recent if ops[r].stream != op.stream and 0 <= op.start - ops[r].end <= HANDOVER_NS]
    return max(found, key=lambda r: ops[r].end, default=_NONE)


def await_work(items: list[Item], ops: list[Op]) -> None:
    """Find out what each waiting call waited for: of the work asked for before, what ended last before it returned."""
    by_launch = sorted((items[op.item].start, row) for row, op in enumerate(ops) if op.item >= 0)
    starts, rows = (np.array(column, np.int64) for column in zip(*by_launch, strict=True)) if by_launch else ((), ())
    ends = np.array([ops[row].end for _, row in by_launch], np.int64)
    for item in items:
        if not item.waits and item.ops and is_copy(item, ops):
            item.waits = item.end >= max(ops[row].end for row in item.ops)
        if not item.waits:
            continue
        upto = int(np.searchsorted(starts, item.start, side="right"))
        # Streams are in order: what was asked for long before has ended long before.
        asked = slice(max(upto - _LOOK_BACK, 0), upto)
        ended = np.where(ends[asked] <= item.end, ends[asked], _NONE)
        latest = [int(rows[asked][ended.argmax()])] if ended.max(initial=_NONE) >= 0 else []
        done = latest + [row for row in item.ops if ops[row].end <= item.end]
        if done:
            item.awaits = max(done, key=lambda row: ops[row].end)
            item.after = item.end - max(ops[item.awaits].end, item.start)


def is_copy(item: Item, ops: list[Op]) -> bool:
    """Whether all that a call asks for are copies."""
    return all(ops[row].cause == c.MEMCPY for row in item.ops)


def serve_by_range(items: list[Item], ops: list[Op]) -> None:
    """Without operators: in a Linear that looks for outliers, waiting and copying can only be part of that."""
    looking = {op.range for op in ops if op.cause == c.OUTLIERS and _IS_LINEAR(op.range)}
    for item in items:
        if item.range in looking and (item.waits or (item.ops and is_copy(item, ops))):
            item.work = c.OUTLIERS


def mark_last_waits(items: list[Item]) -> None:
    """The waiting call of a step after which nothing more is launched in it."""
    seen: set[int] = set()
    for item in reversed(items):
        if item.step in seen:
            continue
        if item.waits:
            item.last_wait = True
        elif item.ops:
            seen.add(item.step)
