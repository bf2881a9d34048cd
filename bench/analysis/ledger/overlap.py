"""Whose a moment is in which several streams work: a step's time is counted once, and only what is exposed costs time.

In one stream it is the kernel's that began first. Of several streams computing comes before exchange between GPUs, and
that before copies, because these are made to hide behind it; then the stream that works longer in all comes first. So
whose it is does not hang on which of two began a microsecond earlier, which changes from trace to trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bench.record.codes import encode

from ..timeline.intervals import Cover
from .class_table import EXCHANGE
from .costs import Ns
from .rows import Launched

# Streams that are told apart, by how long they work; the rest is taken together.
_MOST_STREAMS = 32
_COMPUTING, _EXCHANGING, _COPYING = range(3)


def owned(start: Ns, end: Ns, stream: Ns, kind: Ns, kinds: Sequence[Launched]) -> tuple[Ns, Ns, Ns]:
    """(row, begin, stop) of pieces of the time in which work runs, ascending and disjoint, each with the work that has
    it. The work is given by start."""
    if not len(start):
        return start, start, start
    every = np.arange(len(start))
    if (start[1:] >= end[:-1]).all():
        return _ascending([(every, start, end)])
    tier = np.array([_tier(each) for each in kinds], np.int64)[kind]
    found, taken = [], Cover.union(start[:0], end[:0])
    for rows in _groups(tier, stream, end - start):
        row, begin, stop = _in_turn(rows, start, end)
        row, begin, stop = _less(taken, row, begin, stop)
        found.append((row, begin, stop))
        taken = Cover.union(np.concatenate((taken.start, begin)), np.concatenate((taken.end, stop)))
    return _ascending(found)


def _tier(launched: Launched) -> int:
    if launched.name is None:
        return _COPYING
    return _EXCHANGING if re.search(EXCHANGE, launched.name) else _COMPUTING


def _groups(tier: Ns, stream: Ns, length: Ns) -> list[Ns]:
    """The rows of each stream and tier, those that come first first."""
    streams, place = encode(stream)
    total = np.zeros(len(streams), np.int64)
    np.add.at(total, place, np.where(tier == _COMPUTING, length, 0))
    turn = np.empty(len(streams), np.int64)
    turn[np.lexsort((streams, -total))] = np.minimum(np.arange(len(streams)), _MOST_STREAMS - 1)
    key = tier * _MOST_STREAMS + turn[place]
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def _in_turn(rows: Ns, start: Ns, end: Ns) -> tuple[Ns, Ns, Ns]:
    """Work of one stream without the time in which earlier work of it still runs."""
    begin, stop = start[rows], end[rows]
    reach = np.maximum.accumulate(stop)
    begin = np.maximum(begin, np.concatenate((begin[:1], reach[:-1])))
    solid = stop > begin
    return rows[solid], begin[solid], stop[solid]


def _less(taken: Cover, row: Ns, begin: Ns, stop: Ns) -> tuple[Ns, Ns, Ns]:
    """The pieces without the time that is taken."""
    if not len(row) or not len(taken.start):
        return row, begin, stop
    free = taken.gaps(int(begin[0]), int(stop[-1]))
    piece, _, begin, stop = cut(Cover(begin, stop), free.start, free.end)
    return row[piece], begin, stop


def _ascending(parts: Sequence[tuple[Ns, Ns, Ns]]) -> tuple[Ns, Ns, Ns]:
    row, begin, stop = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(begin, kind="stable")
    order = order[(stop > begin)[order]]
    return row[order], begin[order], stop[order]


def cut(gaps: Cover, start: Ns, end: Ns) -> tuple[Ns, Ns, Ns, Ns]:
    """(gap, window, begin, stop) of intervals cut at the edges of windows that do not overlap; what is between windows
    is left out."""
    first = np.searchsorted(end, gaps.start, side="right")
    last = np.searchsorted(start, gaps.end, side="left")
    count = np.maximum(last - first, 0)
    gap = np.repeat(np.arange(len(gaps.start)), count)
    step = np.repeat(first, count) + (np.arange(len(gap)) - np.repeat(np.cumsum(count) - count, count))
    begin, stop = np.maximum(gaps.start[gap], start[step]), np.minimum(gaps.end[gap], end[step])
    solid = stop > begin
    return gap[solid], step[solid], begin[solid], stop[solid]
