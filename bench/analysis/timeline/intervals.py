"""Sets of time: unions of intervals that count each nanosecond once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct

Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cover:
    """A set of time as disjoint half-open intervals [start, end), ascending and not touching. int64 ns."""

    start: Times
    end: Times

    @classmethod
    def union(cls, start: Times, end: Times) -> Cover:
        """The time inside at least one of the intervals, which may overlap and be in any order. O(n log n)."""
        solid = end > start
        start, end = start[solid], end[solid]
        if not len(start):
            return cls(np.empty(0, np.int64), np.empty(0, np.int64))
        if (start[1:] < start[:-1]).any():
            order = np.argsort(start, kind="stable")
            start, end = start[order], end[order]
        reach = np.maximum.accumulate(end)
        first = np.concatenate(([True], start[1:] > reach[:-1]))
        last = np.concatenate((first[1:], [True]))
        return cls(start[first], reach[last])

    @cached_property
    def before(self) -> Times:
        """[n + 1] ns covered before each interval; the last value is the total."""
        return np.concatenate((np.zeros(1, np.int64), np.cumsum(self.end - self.start)))

    @property
    def total(self) -> int:
        """ns covered."""
        return int(self.before[-1])

    def upto(self, time: Times) -> Times:
        """ns covered before each of ``time``."""
        begun = np.searchsorted(self.start, time, side="right")
        if not len(self.start):
            return np.zeros_like(time)
        # The last interval that has begun may not be over: take off the part after ``time``.
        over = np.maximum(self.end[np.maximum(begun - 1, 0)] - time, 0)
        return self.before[begun] - np.where(begun > 0, over, 0)

    def within(self, start: Times, end: Times) -> Times:
        """ns covered inside each window [start, end)."""
        return self.upto(end) - self.upto(start)

    def gaps(self, start: int, end: int) -> Cover:
        """The time of the window [start, end) that is not covered."""
        edges_start = np.clip(np.concatenate(([start], self.end)), start, end)
        edges_end = np.clip(np.concatenate((self.start, [end])), start, end)
        return Cover.union(edges_start.astype(np.int64), edges_end.astype(np.int64))

    def both(self, other: Cover) -> Cover:
        """The time that is in both sets. Each interval of it starts (ends) where one of theirs does."""
        starts = np.concatenate((self.start[other.holds(self.start)], other.start[self.holds(other.start)]))
        ends = np.concatenate((self.end[other.holds(self.end - 1)], other.end[self.holds(other.end - 1)]))
        return Cover(distinct(starts), distinct(ends))

    def holds(self, time: Times) -> NDArray[np.bool_]:
        """Whether each nanosecond [time, time + 1) is covered."""
        if not len(self.start):
            return np.zeros(len(time), bool)
        begun = np.searchsorted(self.start, time, side="right")
        held: NDArray[np.bool_] = (begun > 0) & (self.end[np.maximum(begun - 1, 0)] > time)
        return held
