"""Depths, parents and innermost spans against a search through all spans."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_timeline import timelines

from bench.analysis.timeline.nesting import nest
from bench.record.timeline import Spans


def holds(spans: Spans, outer: int, inner: int) -> bool:
    """Whether one row is around another of its lane. A span without duration holds nothing; equals by row."""
    if outer == inner or spans.end[outer] == spans.start[outer]:
        return False
    if (spans.thread[outer], spans.lane[outer]) != (spans.thread[inner], spans.lane[inner]):
        return False
    one, two = ((int(spans.start[row]), int(spans.end[row])) for row in (outer, inner))
    return one[0] <= two[0] and one[1] >= two[1] and (one != two or outer < inner)


@settings(deadline=None)
@given(timelines())
def test_parents_and_depths(timeline):
    spans = timeline.ranges
    forest = nest(spans)
    for row in range(len(spans)):
        around = [other for other in range(len(spans)) if holds(spans, other, row)]
        # A point where two spans touch lies in both; its ancestors are one chain, the later span's.
        if spans.end[row] > spans.start[row]:
            assert forest.depth[row] == len(around)
        parent = int(forest.parent[row])
        assert (parent >= 0) == bool(around)
        if around:
            assert parent in around
            assert spans.start[parent] == max(spans.start[other] for other in around)
            assert forest.depth[row] == forest.depth[parent] + 1


spans_that_may_cross = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(0, 1), st.integers(0, 1)), max_size=10
)


@settings(deadline=None)
@given(spans_that_may_cross, st.integers(0, 20), st.integers(0, 9))
def test_spans_that_cross_never_break_it(rows, start, width):
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    zero = np.zeros(len(rows), np.int64)
    spans = Spans.build(
        start=columns[0], end=columns[0] + columns[1], thread=columns[2], lane=columns[3], name=zero, domain=zero
    )
    forest = nest(spans)
    for row, parent in enumerate(forest.parent.tolist()):
        assert parent < 0 or holds(spans, parent, row)
        assert forest.depth[row] == (forest.depth[parent] + 1 if parent >= 0 else 0)
    (found,) = forest.innermost(np.array([0]), np.array([start]), np.array([start + width])).tolist()
    if found >= 0:
        assert spans.start[found] <= start and spans.end[found] >= start + width and spans.thread[found] == 0


@settings(deadline=None)
@given(timelines())
def test_inside_same(timeline):
    spans = timeline.ranges
    found = nest(spans).inside_same(spans.name.astype(np.int64))
    for row in range(len(spans)):
        if spans.end[row] > spans.start[row]:
            around = [other for other in range(len(spans)) if holds(spans, other, row)]
            assert found[row] == any(spans.name[other] == spans.name[row] for other in around)
