"""What ranges put on the GPU: by range name (kernels, and the time they cover) and by instance (its projection)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct, distinct_sorted
from bench.record.timeline import Copies, Kernels

from ..timeline import Analysis

Rows = NDArray[np.int64]
Times = NDArray[np.int64]

_NEVER = np.iinfo(np.int64)


def levels(analysis: Analysis, call: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Pairs (item, range) for every range around each item's call, lane by lane and depth by depth."""
    for lane in analysis.nesting.lanes():
        yield from analysis.nesting.levels(analysis.innermost(analysis.nesting, call, lane))


@dataclass(frozen=True, eq=False)
class Projection:
    """[ranges] per range instance. GPU work counts for every range around the call that asked for it.

    ``ops``: how many kernels, copies and memsets. ``first`` and ``last``: the start of the first and the end of the
    last of them; only meaningful where ops > 0.
    """

    ops: Rows
    first: Times
    last: Times


def project(analysis: Analysis) -> Projection:
    """Every range instance projected onto the GPU's time."""
    size = len(analysis.timeline.ranges)
    projection = Projection(np.zeros(size, np.int64), np.full(size, _NEVER.max), np.full(size, _NEVER.min))
    for work, call in (
        (analysis.timeline.kernels, analysis.launch),
        (analysis.timeline.copies, analysis.copy_call),
    ):
        for items, spans in levels(analysis, call):
            _project(projection, work, items, spans)
    return projection


def _project(projection: Projection, work: Kernels | Copies, items: Rows, spans: Rows) -> None:
    projection.ops[:] += np.bincount(spans, minlength=len(projection.ops))
    np.minimum.at(projection.first, spans, work.start[items])
    np.maximum.at(projection.last, spans, work.end[items])


def kernels_by_key(analysis: Analysis, key: Rows, size: int) -> tuple[Rows, Times]:
    """[size] how many kernels, and ns covered by them, for the ranges that share a ``key`` ([ranges], < size).

    A kernel counts once per key, also where ranges of one key lie in each other. Overlapping kernels of one
    device count once; devices add up.
    """
    kernels = analysis.timeline.kernels
    order = np.lexsort((kernels.start, kernels.device))
    start, end, device = kernels.start[order], kernels.end[order], kernels.device[order]
    if _none_overlap(start, end, device) and _in_one_lane(key, analysis.timeline.ranges.lane):
        del order, start, end, device  # as much as a tenth of what a long trace takes in all
        return _summed_by_key(analysis, key, size)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    packed = [key[spans] * len(order) + rank[items] for items, spans in levels(analysis, analysis.launch)]
    pairs = np.concatenate([np.empty(0, np.int64), *packed])
    del packed
    pairs.sort()
    owner, at = np.divmod(distinct_sorted(pairs), max(len(order), 1))
    covered = np.zeros(size, np.int64)
    np.add.at(covered, owner, _new_time(owner, start, end, device, at))
    return np.bincount(owner, minlength=size), covered


def _none_overlap(start: Times, end: Times, device: NDArray[np.int32]) -> bool:
    """Whether no two kernels of a device overlap; rows are sorted by device and start."""
    return not bool(((start[1:] < end[:-1]) & (device[1:] == device[:-1])).any())


def _in_one_lane(key: Rows, lane: NDArray[np.int32]) -> bool:
    """Whether ranges of one key always share a lane, so that those of them that overlap also nest."""
    pairs = distinct(key * (int(lane.max(initial=0)) + 1) + lane)
    return len(pairs) == len(distinct(key))


def _summed_by_key(analysis: Analysis, key: Rows, size: int) -> tuple[Rows, Times]:
    """The short cut for kernels that never overlap: their union is their sum."""
    kernels, outermost = analysis.timeline.kernels, ~analysis.nesting.inside_same(key)
    counts, covered = np.zeros(len(key), np.int64), np.zeros(len(key), np.int64)
    for items, spans in levels(analysis, analysis.launch):
        mine = outermost[spans]
        items, spans = items[mine], spans[mine]
        counts += np.bincount(spans, minlength=len(key))
        np.add.at(covered, spans, kernels.end[items] - kernels.start[items])
    by_key = np.zeros((2, size), np.int64)
    np.add.at(by_key[0], key, counts)
    np.add.at(by_key[1], key, covered)
    return by_key[0], by_key[1]


def _new_time(owner: Rows, start: Times, end: Times, device: NDArray[np.int32], at: Rows) -> Times:
    """[pairs] what each kernel adds to the time that the earlier ones of its owner and device cover.

    Pairs are sorted by owner, device and start.
    """
    if not len(at):
        return np.empty(0, np.int64)
    changes = (owner[1:] != owner[:-1]) | (device[at[1:]] != device[at[:-1]])
    # A running maximum of the ends that starts anew with every part: part × n + rank of the end.
    ends = np.sort(end)
    reach = np.searchsorted(ends, end)[at]
    part = np.concatenate((np.zeros(1, np.int64), np.cumsum(changes))) * len(ends)
    reach += part
    np.maximum.accumulate(reach, out=reach)
    reach -= part
    begun = start[at]
    covered = np.concatenate((begun[:1], np.where(changes, begun[1:], ends[reach[:-1]])))
    fresh: Times = np.maximum(end[at] - np.maximum(begun, covered), 0)
    return fresh
