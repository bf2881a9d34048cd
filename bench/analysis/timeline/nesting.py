"""Which span lies inside which: depths, parents and innermost spans, without a stack and without a loop over rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct, order_of
from bench.record.timeline import Spans

Rows = NDArray[np.int64]
Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ordered:
    """Times of several groups, sorted by (group, time), with a rank query that cannot overflow. ``only``: the group of
    all, where there is one: then its times are all that is looked at."""

    times: Times
    keys: Times
    only: int | None = None

    @classmethod
    def of(cls, group: Rows, time: Times) -> Ordered:
        """Sort ``time`` within ``group``; both [n]."""
        times = np.sort(time)
        if len(group) and (group == group[0]).all():
            return cls(times, times, int(group[0]))
        keys = cls._key(times, group, time)
        keys.sort()
        return cls(times, keys)

    @staticmethod
    def _key(times: Times, group: Rows, time: Times) -> Times:
        # A rank instead of the time itself: group × time would overflow for long traces with many threads.
        return group * (len(times) + 1) + np.searchsorted(times, time, side="right")

    def upto(self, group: Rows, time: Times) -> Rows:
        """How many entries are in an earlier group, or in this group and not later than ``time``."""
        if self.only is not None:
            found = np.searchsorted(self.times, time, side="right")
            found[group != self.only] = 0
            found[group > self.only] = len(self.times)
            return found
        return np.searchsorted(self.keys, self._key(self.times, group, time), side="right")


@dataclass(frozen=True, eq=False)
class Nesting:
    """The forest of some spans. All arrays are [n] by row of the spans except ``order``.

    ``parent`` is the innermost span of the same thread and lane that holds the row, or -1; ``depth`` counts the
    spans around it. A span without duration holds nothing. Of equal spans the earlier row is the outer one.
    """

    spans: Spans
    group: Rows
    depth: Rows
    parent: Rows
    order: Rows
    starts: Ordered

    def innermost(self, thread: Rows, start: Times, end: Times) -> Rows:
        """[m] the innermost span of any lane around each interval of a thread (latest start, then deepest), or -1."""
        best = np.full(len(thread), -1, np.int64)
        for lane in self.lanes():
            best = self._inner_of(best, self.innermost_in(lane, thread, start, end))
        return best

    def _inner_of(self, one: Rows, other: Rows) -> Rows:
        if not len(self.spans):
            return one
        later = self.spans.start[other] - self.spans.start[one]
        shorter = self.spans.end[one] - self.spans.end[other]
        inner = (later > 0) | ((later == 0) & (shorter > 0))
        return np.where((other >= 0) & ((one < 0) | inner), other, one)

    def lanes(self) -> list[int]:
        """The lanes that hold spans."""
        return [int(lane) for lane in distinct(self.spans.lane)]

    def innermost_in(self, lane: int, thread: Rows, start: Times, end: Times) -> Rows:
        """[m] the innermost span of one lane around each interval, or -1.

        The last span that began is the answer or lies inside it, because spans of a lane nest; so walk outwards.
        """
        if not len(self.order):
            return np.full(len(thread), -1, np.int64)
        group = _group(thread, lane, self.spans)
        at = self.starts.upto(group, start) - 1
        found = np.where(at >= 0, self.order[at], -1)
        found[(found >= 0) & (self.group[found] != group)] = -1
        return self._outwards(found, end)

    def _outwards(self, found: Rows, end: Times) -> Rows:
        short = np.flatnonzero((found >= 0) & (self.spans.end[found] < end))
        while len(short):
            found[short] = self.parent[found[short]]
            short = short[(found[short] >= 0) & (self.spans.end[found[short]] < end[short])]
        return found

    def levels(self, inner: Rows) -> Iterator[tuple[Rows, Rows]]:
        """Pairs (item, span): each item with its innermost span and all spans around that, one depth at a time.

        ``inner`` is [m], of one lane. Within one yield every item occurs at most once.
        """
        items = np.flatnonzero(inner >= 0)
        spans = inner[items]
        for depth in range(int(self.depth[spans].max(initial=-1)), -1, -1):
            here = self.depth[spans] == depth
            yield items[here], spans[here]
            spans = np.where(here, self.parent[spans], spans)
            items, spans = items[spans >= 0], spans[spans >= 0]

    def nearest(self, inner: Rows, wanted: NDArray[np.bool_]) -> Rows:
        """[m] the innermost span around each item whose row is ``wanted`` ([n] bool), or -1."""
        found = inner.copy()
        wrong = np.flatnonzero(found >= 0)
        while len(wrong):
            wrong = wrong[~wanted[found[wrong]]]
            found[wrong] = self.parent[found[wrong]]
            wrong = wrong[found[wrong] >= 0]
        return found

    def inside_same(self, key: Rows) -> NDArray[np.bool_]:
        """[n] whether a span lies, at any depth, in another span of the same ``key`` ([n])."""
        found = np.zeros(len(self.parent), bool)
        rows, around = np.flatnonzero(self.parent >= 0), self.parent[self.parent >= 0]
        while len(rows):
            found[rows] |= key[rows] == key[around]
            around = self.parent[around]
            open_ = (around >= 0) & ~found[rows]
            rows, around = rows[open_], around[open_]
        return found


def _group(thread: NDArray[np.integer], lane: NDArray[np.integer] | int, spans: Spans) -> Rows:
    width = int(spans.lane.max(initial=0)) + 1
    group: Rows = (thread.astype(np.int64) * width + lane).astype(np.int64, copy=False)
    return group


def nest(spans: Spans) -> Nesting:
    """The forest of ``spans``; O(n log n), vectorised. Crossing spans of one lane get the parent that holds them."""
    group = _group(spans.thread, spans.lane, spans)
    solid = np.flatnonzero(spans.end > spans.start)
    order = solid[_outer_first(group[solid], spans.start[solid], spans.end[solid])]
    depth, parent = np.zeros(len(spans), np.int64), np.full(len(spans), -1, np.int64)
    depth[order], parent[order] = _forest(group[order], spans.start[order], spans.end[order], order)
    forest = Nesting(spans, group, depth, parent, order, Ordered.of(group[order], spans.start[order]))
    return _with_empty_spans(forest)


def _outer_first(group: Rows, start: Times, end: Times) -> Rows:
    """The order by (group, start, -end); readers often give it, and a check costs a tenth of the sort."""
    same, at_once = group[1:] == group[:-1], start[1:] == start[:-1]
    inner = (start[1:] > start[:-1]) | (at_once & (end[1:] <= end[:-1]))
    if ((group[1:] > group[:-1]) | (same & inner)).all():
        return np.arange(len(group))
    return np.lexsort((-end, start, group))


def _forest(group: Rows, start: Times, end: Times, rows: Rows) -> tuple[Rows, Rows]:
    """Depth and parent (as a row) of solid spans sorted by (group, start, -end)."""
    position = np.arange(len(start))
    # Spans begun so far less spans ended so far; those of earlier groups cancel out.
    depth = position - Ordered.of(group, end).upto(group, start)
    # The parent is the last earlier span that is one level up.
    by_depth = order_of(depth)
    keys = depth[by_depth] * len(start) + by_depth
    before = np.searchsorted(keys, (depth - 1) * len(start) + position) - 1
    parent = np.where((depth > 0) & (before >= 0), by_depth[before], -1)
    if _repair(parent, group, end):
        depth = _depths(parent)
    return depth, np.where(parent >= 0, rows[parent], -1)


def _repair(parent: Rows, group: Rows, end: Times) -> bool:
    """Move each parent outwards until it holds its child; whether any had to move (the spans cross)."""

    def wrong(rows: Rows) -> Rows:
        at = parent[rows]
        outside: Rows = rows[(at >= 0) & ((end[at] < end[rows]) | (group[at] != group[rows]))]
        return outside

    bad = wrong(np.arange(len(parent)))
    crossed = bool(len(bad))
    while len(bad):
        parent[bad] = parent[parent[bad]]
        bad = wrong(bad)
    return crossed


def _depths(parent: Rows) -> Rows:
    depth = np.zeros(len(parent), np.int64)
    rows, at = np.flatnonzero(parent >= 0), parent[parent >= 0]
    while len(rows):
        depth[rows] += 1
        at = parent[at]
        rows, at = rows[at >= 0], at[at >= 0]
    return depth


def _with_empty_spans(forest: Nesting) -> Nesting:
    spans = forest.spans
    empty = np.flatnonzero(spans.end == spans.start)
    for lane in distinct(spans.lane[empty]):
        rows = empty[spans.lane[empty] == lane]
        holder = forest.innermost_in(int(lane), spans.thread[rows], spans.start[rows], spans.end[rows])
        forest.parent[rows] = holder
        forest.depth[rows] = np.where(holder >= 0, forest.depth[holder] + 1, 0)
    return forest
