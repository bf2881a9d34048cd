"""Random timelines keep the identities, and agree with an analysis that loops over everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_timeline import STRINGS, Slow, build, moments, timelines

from bench.analysis.timeline import Analysis, Breakdown
from bench.record.timeline import BLOCKING_COPY, COPY, LAUNCH, MEMSET, SYNC


@settings(deadline=None)
@given(timelines())
def test_kernels_find_their_call_and_innermost_range(timeline):
    analysis, slow = Analysis(timeline), Slow(timeline)
    launch = slow.launch(timeline.kernels)
    assert analysis.launch.tolist() == launch
    assert analysis.copy_call.tolist() == slow.launch(timeline.copies)
    for kernel, call in enumerate(launch):
        around, found = slow.around(call), int(analysis.range[kernel])
        assert (found >= 0) == bool(around)
        if around:
            assert found in around
            assert timeline.ranges.start[found] == max(timeline.ranges.start[row] for row in around)


@settings(deadline=None)
@given(timelines())
def test_breakdown_of_the_whole_trace(timeline):
    analysis, slow, expected = Analysis(timeline), Slow(timeline), Breakdown()
    for device in (0, 1):
        busy = slow.busy(device)
        if busy:
            expected += Breakdown(*slow.breakdown(device, min(busy), max(busy) + 1))
    found = analysis.breakdown()
    assert found == expected
    assert found.busy + found.idle == found.span
    assert found.idle == found.sync_stall + found.host_gap + found.tail
    assert found.tail == 0


@settings(deadline=None)
@given(timelines(), moments, moments)
def test_breakdown_of_a_window(timeline, one, other):
    window, slow = (min(one, other), max(one, other)), Slow(timeline)
    analysis, expected = Analysis(timeline), Breakdown()
    for device in analysis.devices:
        expected += Breakdown(*slow.breakdown(device, *window))
    found = analysis.breakdown(window)
    assert found == expected
    assert found.idle == found.sync_stall + found.host_gap + found.tail


@settings(deadline=None)
@given(timelines(), st.sampled_from(("decode_step", "layer", "absent")))
def test_steps(timeline, name):
    analysis, slow = Analysis(timeline), Slow(timeline)
    steps, ranges, calls = analysis.steps(name), timeline.ranges, timeline.calls
    rows = [i for i in range(len(ranges)) if STRINGS[ranges.name[i]] == name]
    assert sorted(steps.row.tolist()) == rows
    assert (np.diff(ranges.start[steps.row]) >= 0).all()
    launch = slow.launch(timeline.kernels)
    for at, row in enumerate(steps.row.tolist()):
        time = steps.time.at(at)
        parts = [slow.breakdown(d, int(ranges.start[row]), int(ranges.end[row])) for d in analysis.devices]
        assert time == sum((Breakdown(*part) for part in parts), Breakdown())
    # A call belongs to one step even where steps lie in each other, so only the sums are the loop's.
    inside = [i for i in range(len(calls)) if set(slow.around(i)) & set(rows)]
    assert steps.launches.sum() == sum(calls.kind[i] == LAUNCH for i in inside)
    assert steps.syncs.sum() == sum(calls.kind[i] == SYNC for i in inside)
    assert steps.copies.sum() == sum(calls.kind[i] in (COPY, BLOCKING_COPY) for i in inside)
    assert steps.kernels.sum() == sum(i in inside for i in launch)


@settings(deadline=None)
@given(timelines())
def test_latencies_add_up(timeline):
    late = Analysis(timeline).latencies
    known, kernels = late.known, timeline.kernels
    assert (late.total[known] == late.launch[known] + (kernels.end - kernels.start)[known]).all()
    assert (late.queue[known] >= 0).all()
    early = known & (late.launch <= late.api)
    assert (late.queue[early] == 0).all()


@settings(deadline=None)
@given(timelines())
def test_counts_of_syncs_and_copies(timeline):
    analysis = Analysis(timeline)
    assert analysis.syncs == list(timeline.calls.kind).count(SYNC)
    assert analysis.copies == len(timeline.copies) - list(timeline.copies.kind).count(MEMSET)


def one_step(sync_thread: int = 0):
    """A step [0, 50] launches a kernel at 10, which runs 20–30, and waits 25–45; another kernel runs 35–40."""
    calls = [(10, 12, 0, 1, LAUNCH), (14, 16, 0, 2, LAUNCH), (25, 45, sync_thread, 3, SYNC)]
    kernels = [(20, 30, 0, 7, 0, 1, 4), (35, 40, 0, 7, 0, 2, 4)]
    return Analysis(build(calls, [(0, 50, 0, 1, 0, 0)], kernels, []))


def test_one_step_by_hand():
    analysis = one_step()
    assert analysis.breakdown() == Breakdown(span=20, busy=15, sync_stall=5, host_gap=0, tail=0)
    steps = analysis.steps()
    assert steps.time.at(0) == Breakdown(span=50, busy=15, sync_stall=5, host_gap=20, tail=10)
    assert (steps.launches[0], steps.syncs[0], steps.kernels[0]) == (2, 1, 2)
    assert analysis.latencies.queue.tolist() == [8, 19]


def test_a_thread_that_launches_nothing_may_wait_without_stalling_the_gpu():
    assert one_step(sync_thread=1).breakdown().sync_stall == 0


def test_a_trace_without_gpu_work_has_no_gpu_time():
    analysis = Analysis(build([], [(0, 5, 0, 1, 0, 0)], [], []))
    assert analysis.devices == []
    assert analysis.breakdown() == Breakdown()
    assert analysis.steps().launches.tolist() == [0]


@pytest.mark.parametrize("scale", [1, 10**12])
def test_days_of_trace_do_not_overflow(scale):
    ranges = [(0, 50 * scale, 0, 1, 0, 0), (10 * scale, 40 * scale, 0, 2, 0, 0)]
    calls = [(20 * scale, 30 * scale, 0, 1, LAUNCH)]
    analysis = Analysis(build(calls, ranges, [(31 * scale, 33 * scale, 0, 7, 0, 1, 4)], []))
    assert analysis.range.tolist() == [1]
    assert analysis.breakdown().busy == 2 * scale
