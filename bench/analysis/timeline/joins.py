"""Which call asked for a kernel or a copy: the one of the same process with the same correlation id.

Calls that lie in each other or overlap on one thread are one call here, known by its first row: a call of the runtime
and that of the driver inside it share an id. Where several calls of one process that lie apart have one id (a tool
counts anew, or anew in each step), the GPU does the work in the order in which it was asked for: where each call can
have as much of it as the others, it goes to them in turn, because a host that is far ahead has made later calls by
then. Else it is of the last call that had begun, unless that leaves calls without work and gives later ones several:
then nothing tells whose it is, and it is joined to none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.timeline import BLOCKING_COPY, COPY, LAUNCH, OTHER, Copies, Kernels, Timeline

Rows = NDArray[np.int64]
Times = NDArray[np.int64]
Which = NDArray[np.bool_]

# CUPTI's ids have 32 bits; what is larger, or negative, joins nothing.
_IDS = 2**40


@dataclass(frozen=True, eq=False)
class CallsById:
    """``key``: process and id of each call, ascending; ``row``: its row. ``again``: the calls whose id another has too
    that lies apart."""

    key: Times
    row: Rows
    again: _Again

    def of(self, work: Kernels | Copies) -> Rows:
        """[work] the row of the call that asked for each, or -1."""
        if not len(self.key):
            return np.full(len(work), -1, np.int64)
        wanted = _key(work.process, work.correlation)
        at = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        found = np.where((self.key[at] == wanted) & (wanted >= 0), self.row[at], -1)
        if len(self.again.key):
            several = np.flatnonzero(np.isin(wanted, self.again.key))
            order = several[np.lexsort((work.start[several], wanted[several]))]
            if len(order):
                asking = self.again.asking(_KERNELS if isinstance(work, Kernels) else _COPIES)
                found[order] = asking.joined(wanted[order], work.start[order])
        return found

    def shared(self, work: Kernels | Copies) -> Which:
        """[work] whether several calls that lie apart have its id, so that only the times tell whose it is."""
        return np.isin(_key(work.process, work.correlation), self.again.key)


@dataclass(frozen=True, eq=False)
class AskedWork:
    """[n] ``call``: row of the call that asked for a piece of GPU work, or -1, and when the work began and ended: all
    kernels, then all copies. Of the work whose call is known, [known] ``called``: when that began, ascending; ``done``:
    when the work ended."""

    call: Rows
    begin: Times
    end: Times
    called: Times
    done: Times

    @classmethod
    def of(cls, timeline: Timeline, call: Rows) -> AskedWork:
        kernels, copies = timeline.kernels, timeline.copies
        begin, end = both(kernels.start, copies.start), both(kernels.end, copies.end)
        known = call >= 0
        called, done = (timeline.calls.start[call], end) if known.all() else (
            timeline.calls.start[call[known]], end[known]
        )  # fmt: skip
        if (called[1:] < called[:-1]).any():
            order = np.argsort(called, kind="stable")
            called, done = called[order], done[order]
        return cls(call, begin, end, called, done)


def both(kernels: Times, copies: Times) -> Times:
    """A column of all kernels, then all copies; where there are no copies, the first one itself."""
    return np.concatenate((kernels, copies)) if len(copies) else kernels


# Calls that ask for kernels, and for copies.
_KERNELS, _COPIES = (LAUNCH, OTHER), (COPY, BLOCKING_COPY)


@dataclass(frozen=True, eq=False)
class _Again:
    """Calls that share their ids, by key, then by start."""

    key: Times
    start: Times
    row: Rows
    kind: NDArray[np.signedinteger]

    def asking(self, kinds: tuple[int, ...]) -> _Again:
        """Those of some kinds; all of a key that has none of these."""
        likely = np.isin(self.kind, kinds)
        kept = likely | ~np.isin(self.key, self.key[likely])
        return _Again(self.key[kept], self.start[kept], self.row[kept], self.kind[kept])

    def joined(self, key: Times, time: Times) -> Rows:
        """[work] the row of the call that asked for it, or -1. The work is given by key, then by time; each of its
        keys is here."""
        opened = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        count = np.diff(np.append(opened, len(key)))
        first = np.searchsorted(self.key, key[opened])
        calls = np.searchsorted(self.key, key[opened], side="right") - first
        rank = np.arange(len(key)) - np.repeat(opened, count)
        turn = np.repeat(first, count) + rank * np.repeat(calls, count) // np.repeat(count, count)
        in_turn = (count % calls == 0) & np.logical_and.reduceat(self.start[turn] <= time, opened)
        found = np.where(np.repeat(in_turn, count), turn, self._last_before(key, time))
        return np.where(found >= 0, self.row[np.maximum(found, 0)], -1)

    def _last_before(self, key: Times, time: Times) -> Rows:
        """[work] the last call with its key that had begun, or -1; -1 too for all of a key of which a call has several
        pieces of work and an earlier one none."""
        calls = len(self.key)
        keys, times = np.concatenate((self.key, key)), np.concatenate((self.start, time))
        order = np.lexsort((np.arange(len(keys)) >= calls, times, keys))
        latest = np.maximum.accumulate(np.where(order < calls, np.arange(len(order)), -1))
        before = order[np.maximum(latest, 0)]
        found = np.empty(len(keys), np.int64)
        found[order] = np.where((latest >= 0) & (keys[before] == keys[order]), before, -1)
        last = found[calls:]
        got = np.bincount(last[last >= 0], minlength=calls)
        idle = np.cumsum(got == 0) - (got == 0)  # before each call
        untold = (got > 1) & (idle > idle[np.searchsorted(self.key, self.key)])
        return np.where(np.isin(key, self.key[untold]), -1, last)


def with_work(timeline: Timeline) -> Which:
    """[calls] whether GPU work in the trace has its id; True too where its id is not known."""
    calls, tables = timeline.calls, (timeline.kernels, timeline.copies)
    work = np.concatenate([_key(table.process, table.correlation) for table in tables])
    return np.isin(_key(timeline.threads.process[calls.thread], calls.correlation), np.append(distinct(work), -1))


def calls_by_id(timeline: Timeline) -> CallsById:
    """The calls of a trace, to look up who asked for what."""
    calls = timeline.calls
    key = _key(timeline.threads.process[calls.thread], calls.correlation)
    row = np.arange(len(key))
    if (key[1:] < key[:-1]).any():
        row = np.argsort(key, kind="stable")
    key = key[row]
    shared = _stand_again(key) & (key >= 0)
    if not shared.any():
        none = np.empty(0, np.int64)
        return CallsById(key, row, _Again(none, none, none, none))
    return CallsById(key, row, _apart(timeline, key[shared], row[shared]))


def _apart(timeline: Timeline, key: Times, row: Rows) -> _Again:
    """Of calls that share their ids those that lie apart from another of the same id."""
    calls = timeline.calls
    order = np.lexsort((calls.start[row], calls.thread[row], key))
    key, row = key[order], row[order]
    start, end, thread = calls.start[row], calls.end[row], calls.thread[row]
    # A running maximum of the ends that starts anew with every key and thread: part × n + rank of the end.
    anew = (key[1:] != key[:-1]) | (thread[1:] != thread[:-1])
    ends = np.sort(end)
    part = np.concatenate(([0], np.cumsum(anew))) * len(ends)
    reach = ends[np.maximum.accumulate(np.searchsorted(ends, end) + part) - part]
    first = np.flatnonzero(np.concatenate(([True], anew | (start[1:] > reach[:-1]))))
    key, start, row = key[first], start[first], np.minimum.reduceat(row, first)
    several = _stand_again(key)
    key, start, row = key[several], start[several], row[several]
    order = np.lexsort((start, key))
    row = row[order]
    return _Again(key[order], start[order], row, calls.kind[row])


def _stand_again(ordered: Times) -> Which:
    """[n] whether each value of a column in order stands in it more than once."""
    same = ordered[1:] == ordered[:-1]
    return np.concatenate((same, [False])) | np.concatenate(([False], same))


def _key(process: NDArray[np.signedinteger], correlation: Times) -> Times:
    # Ids are counted per process.
    valid = (correlation >= 0) & (correlation < _IDS)
    return np.where(valid, process.astype(np.int64) * _IDS + correlation, -1)
