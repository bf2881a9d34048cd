"""Which call asked for which kernel, also where ids are not unique: by hand, and against a loop over all calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_timeline import Slow, build

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.gpus import joined_by_time
from bench.record.timeline import LAUNCH

# Threads 0 and 1 are of process 0, thread 2 is of process 1.
_moments = st.integers(0, 30)
_calls = st.tuples(_moments, st.integers(0, 6), st.integers(0, 2), st.integers(-1, 3))
_kernels = st.tuples(st.integers(-2, 34), st.integers(-1, 4), st.integers(0, 1))


def joined(calls, kernels, copies=()):
    """Calls (start, length, thread, id), kernels and copies (start, id, process)."""
    made = [(start, start + took, thread, number, LAUNCH) for start, took, thread, number in calls]
    work = [(start, start + 1, 0, 7, process, number, 4) for start, number, process in kernels]
    moved = [(start, start + 1, 0, 7, process, number, 1) for start, number, process in copies]
    return Analysis(build(made, [], work, moved))


def groups(timeline, number, process):
    """[(begin, rows)] of the calls that lie apart, of one id and process: those of a thread that overlap are one."""
    calls, found = timeline.calls, []
    for thread in range(len(timeline.threads)):
        if timeline.threads.process[thread] != process:
            continue
        mine = [c for c in range(len(calls)) if calls.thread[c] == thread and calls.correlation[c] == number]
        while mine:
            group, grown = [min(mine, key=lambda c: (calls.start[c], c))], True
            while grown:
                reach = max(calls.end[c] for c in group)
                more = [c for c in mine if c not in group and calls.start[c] <= reach]
                group, grown = group + more, bool(more)
            found.append((min(calls.start[c] for c in group), group))
            mine = [c for c in mine if c not in group]
    return found


def naive(timeline, start, number, process):
    """The rows of which one must be found: those of the last group that had begun; empty for none."""
    if number < 0:
        return []
    found = groups(timeline, number, process)
    if len(found) == 1:
        return [min(found[0][1])]
    begun = [(begin, rows) for begin, rows in found if begin <= start]
    last = max((begin for begin, _ in begun), default=None)
    return [min(rows) for begin, rows in begun if begin == last]


@settings(deadline=None)
@given(st.lists(_calls, max_size=10), st.lists(_kernels, max_size=8))
def test_joins_agree_with_a_loop(calls, kernels):
    analysis = joined(calls, kernels, kernels)
    assert analysis.copy_call.tolist() == analysis.launch.tolist()
    shared = analysis.calls_by_id.shared(analysis.timeline.kernels)
    for (start, number, process), found, several in zip(kernels, analysis.launch.tolist(), shared, strict=True):
        expected = naive(analysis.timeline, start, number, process)
        assert found in expected if expected else found == -1
        assert several == (number >= 0 and len(groups(analysis.timeline, number, process)) > 1)


@settings(deadline=None)
@given(st.permutations(range(8)), st.lists(_kernels, max_size=8))
def test_unique_ids_join_whatever_the_times(ids, kernels):
    analysis = joined([(3 * n, 2, n % 3, number) for n, number in enumerate(ids)], kernels)
    assert analysis.launch.tolist() == Slow(analysis.timeline).launch(analysis.timeline.kernels)
    assert not joined_by_time(analysis)


def test_ids_that_start_anew_in_each_step():
    calls = [(100 * step + 10 * n, 5, 0, n + 1) for step in range(3) for n in range(2)]
    kernels = [(100 * step + 30 + n, n + 1, 0) for step in range(3) for n in range(2)]
    analysis = joined(calls, kernels)
    assert analysis.launch.tolist() == [0, 1, 2, 3, 4, 5]
    assert joined_by_time(analysis).startswith("6 of 6 kernels have a correlation id that several calls have")


@pytest.mark.parametrize("turned", [False, True])
def test_a_call_of_the_driver_inside_one_of_the_runtime_is_the_same_call(turned):
    pair = [(10, 9, 0, 1), (12, 5, 0, 1)]
    analysis = joined(pair[::-1] if turned else pair, [(11, 1, 0), (20, 1, 0), (400, 1, 0)], [(14, 1, 0)])
    assert analysis.launch.tolist() == [0, 0, 0] and analysis.copy_call.tolist() == [0]
    assert not joined_by_time(analysis)


def test_pairs_whose_ids_start_anew():
    calls = [(10, 9, 0, 1), (12, 5, 0, 1), (110, 9, 0, 1), (112, 5, 0, 1)]
    assert joined(calls, [(20, 1, 0), (111, 1, 0), (120, 1, 0)]).launch.tolist() == [0, 2, 2]


def test_the_many_kernels_of_one_launch_are_all_its_own():
    kernels = [(start, 1, 0) for start in range(20, 90, 10)]
    analysis = joined([(10, 3, 0, 1), (15, 3, 0, 2)], kernels)
    assert analysis.launch.tolist() == [0] * 7 and not joined_by_time(analysis)


def test_work_before_every_call_of_its_id_was_asked_for_by_none_of_them():
    assert joined([(10, 2, 0, 1), (50, 2, 0, 1)], [(9, 1, 0), (10, 1, 0)]).launch.tolist() == [-1, 0]


def test_another_process_has_ids_of_its_own():
    analysis = joined([(10, 2, 0, 1), (50, 2, 2, 1)], [(60, 1, 0), (40, 1, 1)])
    assert analysis.launch.tolist() == [0, 1] and not joined_by_time(analysis)


def test_calls_in_any_order_of_the_file():
    rng = np.random.default_rng(7)
    calls = [(100 * step, 5, 0, 1) for step in range(20)]
    order = rng.permutation(20)
    launch = joined([calls[n] for n in order], [(100 * step + 50, 1, 0) for step in range(20)]).launch
    assert order[launch].tolist() == list(range(20))
