"""Which call asked for which kernel, also where ids are not unique: by hand, and against a loop over all calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_timeline import Slow, build

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.gpus import joined_by_time
from bench.record.timeline import COPY, LAUNCH, SYNC

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


def naive(timeline, work):
    """[work] the rows of which one must be found; empty for none. In turn where each group of calls can have as much
    and had begun, else those of the last group that had begun, else, where that leaves one idle before one that has
    several, none."""
    found = [[] for _ in range(len(work))]
    for number, process in {(n, p) for n, p in zip(work.correlation.tolist(), work.process.tolist(), strict=True)}:
        mine = [w for w in range(len(work)) if (work.correlation[w], work.process[w]) == (number, process)]
        mine.sort(key=lambda w: work.start[w])
        known = sorted(groups(timeline, number, process)) if number >= 0 else []
        if len(known) < 2:
            for w in mine:
                found[w] = [min(known[0][1])] if known else []
            continue
        each, rest = divmod(len(mine), len(known))
        turns = [turn // each for turn in range(len(mine))] if each else []
        if not rest and all(known[turn][0] <= work.start[w] for turn, w in zip(turns, mine, strict=True)):
            places = turns
        else:
            places = [sum(begin <= work.start[w] for begin, _ in known) - 1 for w in mine]
            got = [places.count(turn) for turn in range(len(known))]
            if any(0 in got[:turn] and got[turn] > 1 for turn in range(len(known))):
                continue
        for w, place in zip(mine, places, strict=True):
            alike = [min(rows) for begin, rows in known if begin == known[place][0]]
            found[w] = alike if place >= 0 else []
    return found


@settings(deadline=None)
@given(st.lists(_calls, max_size=10, unique_by=lambda call: call[0]), st.lists(_kernels, max_size=8))
def test_joins_agree_with_a_loop(calls, kernels):
    analysis = joined(calls, kernels, kernels)
    assert analysis.copy_call.tolist() == analysis.launch.tolist()
    timeline, expected = analysis.timeline, naive(analysis.timeline, analysis.timeline.kernels)
    for found, rows in zip(analysis.launch.tolist(), expected, strict=True):
        assert found in rows if rows else found == -1
    shared = analysis.calls_by_id.shared(timeline.kernels)
    for (_, number, process), several in zip(kernels, shared, strict=True):
        assert several == (number >= 0 and len(groups(timeline, number, process)) > 1)


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


AHEAD = [(10, 2, 0, 1), (20, 2, 0, 1), (30, 2, 0, 1), (40, 2, 0, 1)]


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_host_that_is_several_rounds_of_ids_ahead(nodes):
    """The GPU begins when the last call has been made, and works in the order of the calls."""
    starts = range(50, 50 + 4 * nodes)
    analysis = joined(AHEAD, [(start, 1, 0) for start in starts], [(start, 1, 0) for start in starts])
    expected = [call for call in range(4) for _ in range(nodes)]
    assert analysis.launch.tolist() == expected and analysis.copy_call.tolist() == expected
    assert f"{4 * nodes} of {4 * nodes} kernels have a correlation id" in joined_by_time(analysis)


def test_work_that_may_be_of_any_of_several_calls_is_of_none():
    analysis = joined(AHEAD, [(start, 1, 0) for start in (50, 51, 52)])
    assert analysis.launch.tolist() == [-1] * 3
    assert joined_by_time(analysis).endswith("of 3 the times do not tell, and they are joined to none")


def test_the_last_calls_may_have_no_work_yet():
    assert joined(AHEAD, [(15, 1, 0), (16, 1, 0), (25, 1, 0)]).launch.tolist() == [0, 0, 1]


def test_calls_that_ask_for_no_such_work_have_none_of_it():
    """The same id is of a copy in one round, and of a launch or of waiting in others."""
    kinds = [COPY, LAUNCH, SYNC, LAUNCH]
    calls = [(*call[:1], call[0] + 2, *call[2:], kind) for call, kind in zip(AHEAD, kinds, strict=True)]
    work = [(start, start + 1, 0, 7, 0, 1, 4) for start in (50, 51)]
    analysis = Analysis(build(calls, [], work, [(50, 51, 0, 7, 0, 1, 1)]))
    assert analysis.launch.tolist() == [1, 3] and analysis.copy_call.tolist() == [0]


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
