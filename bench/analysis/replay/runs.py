"""A program cut into runs: calls of one thread, or work of one stream, that wait for nothing but each other.

Within a run all ends follow from sums and running maxima, so numpy plays it as a whole. A run ends where the host waits
for the GPU, and where one stream waits for another: there everything before is played first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .program import Item, Op

_BEGIN, _OP, _END = range(3)
_NONE = -1

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HostRun:
    """``rows`` of items that a thread begins one after the other."""

    thread: int
    rows: Rows | slice


@dataclass(frozen=True, eq=False)
class WorkRun:
    """``rows`` of ops of one stream, each of which follows the one before it; the first follows the op ``follows``, or
    -1."""

    rows: Rows | slice
    follows: int


@dataclass(frozen=True)
class Wait:
    """The item ``row`` returns when the op that it awaits has ended."""

    row: int


Run = HostRun | WorkRun | Wait


def runs_of(items: Sequence[Item], ops: Sequence[Op]) -> list[Run]:
    """Of a program, in an order in which everything that a run waits for is played before it."""
    return list(_Cutter(items, ops).runs())


@dataclass
class _Cutter:
    items: Sequence[Item]
    ops: Sequence[Op]
    calls: dict[int, list[int]] = field(default_factory=dict)
    work: dict[int, list[int]] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)

    def runs(self) -> Iterator[Run]:
        ops = self.ops
        self.met = [False] * len(ops)  # in a run, or waiting to be in the next
        self.played = [False] * len(ops)
        for what, row in _order(self.items, ops):
            if what == _OP:
                other = ops[row].handed_by
                if other >= 0 and self.met[other] and not self.played[other]:
                    yield from self._cut()
                self.work.setdefault(ops[row].stream, []).append(row)
                self.met[row] = True
            elif what == _BEGIN:
                yield from self._begin(row)
            elif self.running.get(self.items[row].thread) == row:
                yield from self._finish(row)
        yield from self._cut()

    def _begin(self, row: int) -> Iterator[Run]:
        thread = self.items[row].thread
        # A call may begin the moment that the one before it returns.
        before_it = self.running.get(thread, _NONE)
        if before_it >= 0:
            yield from self._finish(before_it)
        self.running[thread] = row
        self.calls.setdefault(thread, []).append(row)

    def _finish(self, row: int) -> Iterator[Run]:
        item = self.items[row]
        self.running[item.thread] = _NONE
        if item.awaits >= 0 and self.met[item.awaits]:
            yield from self._cut()
            yield Wait(row)

    def _cut(self) -> Iterator[Run]:
        """All that was met, calls first: work waits for its launch."""
        for thread, rows in self.calls.items():
            yield HostRun(thread, _compact(rows))
        for rows in self.work.values():
            yield from self._of_stream(rows)
            for row in rows:
                self.played[row] = True
        self.calls, self.work = {}, {}

    def _of_stream(self, rows: list[int]) -> Iterator[WorkRun]:
        """One run, unless clocks that disagree put work before what it follows."""
        ops, begin = self.ops, 0
        for place in range(1, len(rows) + 1):
            if place == len(rows) or ops[rows[place]].follows != rows[place - 1]:
                first = ops[rows[begin]].follows
                yield WorkRun(_compact(rows[begin:place]), first if first >= 0 and self.met[first] else _NONE)
                begin = place


def _compact(rows: list[int]) -> Rows | slice:
    """As a slice where they follow each other, because that needs no copy."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1)
    return np.array(rows, np.int64)


def _order(items: Sequence[Item], ops: Sequence[Op]) -> list[tuple[int, int]]:
    """Everything in the order in which it happened, so that what is waited for comes first."""
    began, ended = [item.start for item in items], [item.end for item in items]
    due = [max(op.start, began[op.item]) if op.item >= 0 else op.start for op in ops]
    time = np.array([*began, *ended, *due], np.int64)
    what = np.repeat((_BEGIN, _END, _OP), (len(items), len(items), len(ops)))
    row = np.concatenate((np.arange(len(items)), np.arange(len(items)), np.arange(len(ops))))
    order = np.lexsort((row, what, time))
    return list(zip(what[order].tolist(), row[order].tolist(), strict=True))
