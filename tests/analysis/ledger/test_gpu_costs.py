"""Costs of a GPU's steps against the obvious way to find them: one nanosecond at a time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given

from bench.analysis.ledger.classes import Classes
from bench.analysis.ledger.costs import StepCosts
from bench.analysis.ledger.gpu import gpu_costs
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.timeline import LAUNCH, SYNC
from tests.analysis.slow_timeline import STRINGS, Slow, build, timelines

STEP = STRINGS.index("decode_step")


def slow_costs(timeline) -> tuple[list[int], dict[str, list[int]]]:
    """(wall, causes) per step by looping over everything."""
    slow, kernels, copies = Slow(timeline), timeline.kernels, timeline.copies
    rows = sorted((r for r in range(len(timeline.ranges)) if timeline.ranges.name[r] == STEP), key=_start(timeline))
    work = _work(slow, kernels, copies)
    windows = _windows(timeline, rows, work)
    streams = _streams(kernels) + _streams(copies)
    computing = dict.fromkeys(streams, 0)
    for stream, (start, end, cause, _) in zip(streams, work, strict=True):
        computing[stream] += end - start if cause != c.MEMCPY else 0
    turns = [
        (cause == c.MEMCPY, -computing[stream], stream, start, end, place)
        for place, (stream, (start, end, cause, _)) in enumerate(zip(streams, work, strict=True))
    ]
    owner = {}
    for start, end, cause, _ in (work[turn[-1]] for turn in sorted(turns)):
        for ns in range(start, end):
            owner.setdefault(ns, cause)
    waiting = slow.waiting()
    causes = {name: [0] * len(rows) for name in c.CAUSES}
    for place, (start, end) in enumerate(windows):
        for ns in range(start, end):
            causes[owner.get(ns) or (c.SYNC_STALL if ns in waiting else c.HOST_GAP)][place] += 1
    return [end - start for start, end in windows], causes


def _start(timeline):
    return lambda row: (timeline.ranges.start[row], row)


def _work(slow, kernels, copies):
    launches, asked = slow.launch(kernels), slow.launch(copies)
    causes = {"gemm": c.GEMM, "cast": c.CAST}
    found = [
        (int(kernels.start[i]), int(kernels.end[i]), causes[STRINGS[kernels.name[i]]], launches[i])
        for i in range(len(kernels))
    ]
    return found + [(int(copies.start[i]), int(copies.end[i]), c.MEMCPY, asked[i]) for i in range(len(copies))]


def _streams(table) -> list[tuple[int, int]]:
    return list(zip(table.device.tolist(), table.stream.tolist(), strict=True))


def _windows(timeline, rows, work):
    """Each step until its range and its work are over, but not before the earlier one is."""
    calls, ranges = timeline.calls, timeline.ranges
    windows, reached = [], None
    starts = [int(ranges.start[row]) for row in rows]
    for row in rows:
        start, end = int(ranges.start[row]), int(ranges.end[row])
        returned = end
        for _, stop, _, call in work:
            if call < 0:
                continue
            begun = int(calls.start[call])
            mine = max((s for s in starts if s <= begun), default=None)
            if mine == start and begun < returned:
                end = max(end, stop)
        start = start if reached is None else max(start, reached)
        end = max(end, start)
        windows.append((start, end))
        reached = end
    return windows


def costs_of(timeline) -> StepCosts:
    return gpu_costs(Analysis(timeline), Classes(), "decode_step")


def _one_step_after_another(timeline) -> bool:
    rows = [row for row in range(len(timeline.ranges)) if timeline.ranges.name[row] == STEP]
    spans = sorted((int(timeline.ranges.start[row]), int(timeline.ranges.end[row])) for row in rows)
    starts = [start for start, _ in spans]
    return bool(rows) and len(set(starts)) == len(starts) and all(a[1] <= b[0] for a, b in pairwise(spans))


@given(timelines())
def test_costs_agree_with_the_obvious_way(timeline):
    assume(_one_step_after_another(timeline) and (len(timeline.kernels) or len(timeline.copies)))
    found = costs_of(timeline)
    wall, causes = slow_costs(timeline)
    assert found.wall.tolist() == wall
    assert {name: found.causes[name].tolist() for name in c.CAUSES} == causes


@given(timelines())
def test_lines_are_the_wall_and_sources_are_the_lines(timeline):
    assume(_one_step_after_another(timeline) and (len(timeline.kernels) or len(timeline.copies)))
    found = costs_of(timeline)
    assert (np.sum(list(found.causes.values()), axis=0) == found.wall).all()
    for cause in c.IDLE:
        parts = [column for source, column in found.sources.items() if source.cause == cause]
        assert (np.sum([np.zeros_like(found.wall), *parts], axis=0) == found.causes[cause]).all()


def simple(kernels, calls, ranges):
    names = {"decode_step": 1, "q_proj": 3}
    return build(
        [(start, end, 0, place, kind) for place, (start, end, kind) in enumerate(calls)],
        [(start, end, 0, names[name], 11, 0) for start, end, name in ranges],
        [(start, end, 0, stream, 0, launch, 4) for start, end, stream, launch in kernels],
        [],
    )


def test_a_gap_names_what_it_waited_for():
    timeline = simple(
        [(10, 20, 0, 0), (40, 50, 0, 1)],
        [(5, 6, LAUNCH), (35, 38, LAUNCH), (60, 70, SYNC)],
        [(0, 80, "decode_step"), (34, 39, "q_proj")],
    )
    found = costs_of(timeline)
    named = {(s.cause, s.range, s.work): int(v.sum()) for s, v in found.sources.items()}
    assert named[c.HOST_GAP, "q_proj", c.GEMM] == 20
    assert named[c.HOST_GAP, "", c.GEMM] == 10
    assert named[c.SYNC_STALL, "(end of step)", ""] == 10


def test_overlapping_streams_are_not_counted_twice():
    # The second stream's kernel is hidden but for its last 5 ns, which begin when the first has ended.
    timeline = simple([(0, 20, 0, 0), (10, 25, 1, 1)], [(0, 1, LAUNCH), (2, 3, LAUNCH)], [(0, 30, "decode_step")])
    found = costs_of(timeline)
    assert int(found.causes[c.GEMM].sum()) == 25
    assert int(found.wall.sum()) == 30


def test_a_host_that_runs_ahead_does_not_make_steps_look_short():
    timeline = simple(
        [(10, 60, 0, 0), (60, 110, 0, 1)],
        [(1, 2, LAUNCH), (11, 12, LAUNCH)],
        [(0, 10, "decode_step"), (10, 20, "decode_step")],
    )
    assert costs_of(timeline).wall.tolist() == [60, 50]


def test_no_such_range_is_one_clear_error():
    with pytest.raises(RecordError, match=r"no range 'ProfilerStep'.*'decode_step'"):
        gpu_costs(
            Analysis(simple([(0, 5, 0, 0)], [(0, 1, LAUNCH)], [(0, 9, "decode_step")])), Classes(), "ProfilerStep"
        )


def test_overlapping_steps_are_refused():
    with pytest.raises(RecordError, match="overlap"):
        costs_of(simple([(0, 5, 0, 0)], [(0, 1, LAUNCH)], [(0, 9000, "decode_step"), (1000, 8000, "decode_step")]))
