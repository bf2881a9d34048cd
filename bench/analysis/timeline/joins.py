"""Which call asked for a kernel or a copy: the one of the same process with the same correlation id.

Calls that lie in each other or overlap on one thread are one call here, known by its first row: a call of the runtime
and that of the driver inside it share an id. Where several calls of one process that lie apart have one id (a tool
counts anew, or anew in each step), the work belongs to the last of them that had begun when the work did, and to none
where none had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.timeline import Copies, Kernels, Timeline

Rows = NDArray[np.int64]
Times = NDArray[np.int64]
Which = NDArray[np.bool_]

# CUPTI's ids have 32 bits; what is larger, or negative, joins nothing.
_IDS = 2**40


@dataclass(frozen=True, eq=False)
class CallsById:
    """``key``: process and id of each call, ascending; ``row``: its row. ``again``: the calls whose id another has too
    that lies apart, by key, then by start."""

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
            found[several] = self.again.last_before(wanted[several], work.start[several])
        return found

    def shared(self, work: Kernels | Copies) -> Which:
        """[work] whether several calls that lie apart have its id, so that only the times tell whose it is."""
        return np.isin(_key(work.process, work.correlation), self.again.key)


@dataclass(frozen=True, eq=False)
class _Again:
    key: Times
    start: Times
    row: Rows

    def last_before(self, key: Times, time: Times) -> Rows:
        """[n] the row of the last call with this key that began before or at this time, or -1."""
        calls = len(self.key)
        keys, times = np.concatenate((self.key, key)), np.concatenate((self.start, time))
        order = np.lexsort((np.arange(len(keys)) >= calls, times, keys))
        latest = np.maximum.accumulate(np.where(order < calls, np.arange(len(order)), -1))
        before = order[np.maximum(latest, 0)]
        fits = (latest >= 0) & (keys[before] == keys[order])
        found = np.empty(len(keys), np.int64)
        found[order] = np.where(fits, self.row[np.where(fits, before, 0)], -1)
        return found[calls:]


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
        return CallsById(key, row, _Again(none, none, none))
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
    return _Again(key[order], start[order], row[order])


def _stand_again(ordered: Times) -> Which:
    """[n] whether each value of a column in order stands in it more than once."""
    same = ordered[1:] == ordered[:-1]
    return np.concatenate((same, [False])) | np.concatenate(([False], same))


def _key(process: NDArray[np.signedinteger], correlation: Times) -> Times:
    # Ids are counted per process.
    valid = (correlation >= 0) & (correlation < _IDS)
    return np.where(valid, process.astype(np.int64) * _IDS + correlation, -1)
