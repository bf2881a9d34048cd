"""Unions of intervals against sets of nanoseconds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.timeline.intervals import Cover

moments = st.integers(-5, 40)
intervals = st.lists(st.tuples(moments, st.integers(0, 9)), max_size=8)


def cover(rows) -> Cover:
    starts = np.array([start for start, _ in rows], np.int64)
    return Cover.union(starts, starts + np.array([width for _, width in rows], np.int64))


def members(rows) -> set[int]:
    return {ns for start, width in rows for ns in range(start, start + width)}


def covered(found: Cover) -> set[int]:
    return {ns for start, end in zip(found.start, found.end, strict=True) for ns in range(start, end)}


@settings(deadline=None)
@given(intervals)
def test_union_is_the_set_in_as_few_intervals_as_possible(rows):
    found = cover(rows)
    assert covered(found) == members(rows)
    assert found.total == len(members(rows))
    assert (found.start[1:] > found.end[:-1]).all()


@settings(deadline=None)
@given(intervals, st.lists(moments, max_size=5))
def test_upto_counts_what_lies_before(rows, times):
    found = cover(rows).upto(np.array(times, np.int64))
    assert found.tolist() == [sum(ns < time for ns in members(rows)) for time in times]


@settings(deadline=None)
@given(intervals, intervals)
def test_both_is_the_intersection(one, other):
    found = cover(one).both(cover(other))
    assert covered(found) == members(one) & members(other)
    assert (found.start < found.end).all()


@settings(deadline=None)
@given(intervals, moments, st.integers(0, 30))
def test_gaps_are_the_rest_of_the_window(rows, start, width):
    found = cover(rows).gaps(start, start + width)
    assert covered(found) == set(range(start, start + width)) - members(rows)


@settings(deadline=None)
@given(intervals, st.lists(moments, max_size=9))
def test_a_nanosecond_is_held_where_it_is_in_the_set(rows, times):
    found = cover(rows).holds(np.array(times, np.int64))
    assert found.tolist() == [time in members(rows) for time in times]
