"""Steps that are unlike the others of their size: that ask for other work, that warm up, that took very long."""

from __future__ import annotations

from statistics import median

import numpy as np
from numpy.typing import NDArray

from ..ledger.gpu import AskedWork, windows_of
from ..timeline import Analysis
from .families import RangeFamily, work_inside

Rows = NDArray[np.int64]
# A first step that takes so much more or less than the others held something else: warming up, or a GPU that runs
# behind the host had nothing to do yet. What follows it takes so many times as long where it warms up too.
_UNLIKE, _WARMING = 0.05, 2.0
# A step that takes so many times the usual time is worth a word: it moves the means.
_FAR = 5.0


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


def without_first(analysis: Analysis, rows: Rows, aside: Rows) -> tuple[Rows, list[str]]:
    """The steps less the first, where it took another time than the others do, and less those that warm up after it.
    ``aside``: the steps and those left out among them, by start."""
    if len(rows) < 3:
        return rows, []
    start, end = windows_of(analysis.timeline, aside, AskedWork.of(analysis))
    mine = np.isin(aside, rows)
    length, end = (end - start)[mine].astype(float), end[mine]
    usual = float(np.median(length[1:]))
    if not usual:
        return rows, []
    times = length / usual
    skipped = int(abs(times[0] - 1.0) > _UNLIKE)
    while skipped and skipped < len(rows) // 2 and times[skipped] > _WARMING:
        skipped += 1
    told = []
    if skipped:
        behind = "; the GPU runs behind the host here" if _runs_behind(analysis, rows, end) else ""
        which, took = ("step is", "it") if skipped == 1 else (f"{skipped} steps are", "the first of them")
        told = [f"the first {which} left out: {took} took ×{times[0]:.2f} the time of the others{behind}"]
    long = int((times[skipped:] > _FAR).sum())
    if long:
        most = f"×{times[skipped:].max():.3g} the usual time"
        told.append(
            f"1 step took {most}: it is in all means"
            if long == 1
            else f"{long} steps took up to {most}: they are in all means"
        )
    return rows[skipped:], told


def _runs_behind(analysis: Analysis, rows: Rows, end: Rows) -> bool:
    return bool((end > analysis.timeline.ranges.end[rows]).mean() > 0.5)
