"""Steps that are unlike the others of their size: that ask for other work, that warm up, that took very long.

Engines process prompts in steps of the same name as those that make tokens, or in the same step. How many such steps a
trace holds is no property of what is compared.
"""

from __future__ import annotations

from statistics import median

import numpy as np
from numpy.typing import NDArray

from ..ledger.gpu import windows_of
from ..timeline import Analysis
from .families import RangeFamily, gpu_time_inside, work_inside

Rows = NDArray[np.int64]
# A first step that takes so much more or less than the others held something else: warming up, or a GPU that runs
# behind the host had nothing to do yet. What follows it takes so many times as long where it warms up too.
_UNLIKE, _WARMING = 0.05, 2.0
# A step that takes so many times the usual time is worth a word: it moves the means.
_FAR = 5.0
# Steps whose GPU time is so many times that of the next shorter ones, with none between, hold other work than those.
_JUMP = 1.25


def with_usual_work(analysis: Analysis, found: RangeFamily) -> tuple[Rows, list[str]]:
    """The steps that ask for about as much as the others do."""
    work = work_inside(analysis, found)
    usual = float(median(work.tolist()))
    like = (work >= usual / 2) & (work <= usual * 2)
    told = (
        f"{int((~like).sum())} of {len(like)} steps ask for less than half or more than twice the usual amount of "
        "work and are left out"
    )
    return found.rows[like], [] if like.all() else [told]


def with_usual_gpu_time(analysis: Analysis, found: RangeFamily) -> tuple[Rows, list[str]]:
    """The steps at which the GPU works about as long as at most of them; all where that is no majority."""
    times = gpu_time_inside(analysis, found)
    group = groups_of(times)
    counts = np.bincount(group)
    usual = int(np.argmax(counts))
    if len(counts) == 1 or 2 * counts[usual] <= len(times):
        return found.rows, []
    like = group == usual
    most = float(np.median(times[~like]) / np.median(times[like]))
    told = (
        f"at {int((~like).sum())} of {len(like)} steps the GPU works ×{most:.3g} the usual time, as where prompts are "
        "in them: they are left out"
    )
    return found.rows[like], [told]


def groups_of(times: Rows) -> Rows:
    """[n] the number of the group of each time, the shortest first: between two groups no time lies. One group where a
    time is 0, where there are fewer than three, and where the steps become longer once and stay so, as of a GPU that
    slows down."""
    one = np.zeros(len(times), np.int64)
    if len(times) < 3 or not times.all():
        return one
    ordered = np.sort(times)
    number = np.concatenate(([0], np.cumsum(ordered[1:] > _JUMP * ordered[:-1])))
    found: Rows = number[np.searchsorted(ordered, times)]
    once = np.count_nonzero(np.diff(found)) == 1 and found[0] < found[-1]
    return one if once else found


def without_first(analysis: Analysis, rows: Rows, aside: Rows) -> tuple[Rows, list[str]]:
    """The steps less the first, where it took another time than the others do, and less those that warm up after it.
    ``aside``: the steps and those left out among them, by start."""
    times, end = _times(analysis, rows, aside)
    if times is None:
        return rows, []
    if rows[0] == aside[0] and worked_before(analysis, aside):
        return rows[1:], ["the first step is left out: the GPU still works at what was asked for before it"]
    skipped = int(abs(times[0] - 1.0) > _UNLIKE)
    while skipped and skipped < len(rows) // 2 and times[skipped] > _WARMING:
        skipped += 1
    if not skipped:
        return rows, []
    behind = "; the GPU runs behind the host here" if _runs_behind(analysis, rows, end) else ""
    which, took = ("step is", "it") if skipped == 1 else (f"{skipped} steps are", "the first of them")
    return rows[skipped:], [f"the first {which} left out: {took} took ×{times[0]:.2f} the time of the others{behind}"]


def worked_before(analysis: Analysis, rows: Rows) -> bool:
    """Whether in the first of some steps the GPU works for a while at what was asked for before it."""
    timeline, asked = analysis.timeline, analysis.asked
    if not len(timeline.calls):
        return False
    start, end = windows_of(analysis, rows)
    before = (asked.call >= 0) & (timeline.calls.start[np.maximum(asked.call, 0)] < start[0])
    ran = np.minimum(asked.end[before], end[0]) - np.maximum(asked.begin[before], start[0])
    return float(np.maximum(ran, 0).sum()) > _UNLIKE * float(np.median(end - start))


def long_ones(analysis: Analysis, rows: Rows, aside: Rows) -> list[str]:
    """What is said of steps that took very long."""
    times, _ = _times(analysis, rows, aside)
    long = int((times > _FAR).sum()) if times is not None else 0
    if not long or times is None:
        return []
    most = f"×{times.max():.3g} the usual time"
    return [
        f"1 step took {most}: it is in all means"
        if long == 1
        else f"{long} steps took up to {most}: they are in all means"
    ]


def _times(analysis: Analysis, rows: Rows, aside: Rows) -> tuple[NDArray[np.float64] | None, Rows]:
    """[rows] (how many times the usual time each took, None of fewer than three; its end)."""
    start, end = windows_of(analysis, aside)
    mine = np.isin(aside, rows)
    length, end = (end - start)[mine].astype(float), end[mine]
    usual = float(np.median(length[1:])) if len(rows) >= 3 else 0.0
    return length / usual if usual else None, end


def _runs_behind(analysis: Analysis, rows: Rows, end: Rows) -> bool:
    return bool((end > analysis.timeline.ranges.end[rows]).mean() > 0.5)
