"""What a reader of a summary must know beside its sums."""

from __future__ import annotations

import numpy as np

from bench.analysis.timeline import Analysis
from bench.analysis.timeline.gpus import joined_by_time, not_joined
from bench.record.codes import distinct
from bench.record.timeline import whole_graphs


def notes_of(analysis: Analysis) -> list[str]:
    """For a trace with GPU work: what the reader noted, what no range counts, what was recorded as a whole."""
    notes = list(analysis.timeline.notes)
    if len(analysis.timeline.ranges):
        lone = not_joined(analysis)
        notes += [f"{lone}: no range counts them"] if lone else []
    shared = joined_by_time(analysis)
    notes += [shared] if shared else []
    notes += _twice(analysis)
    elsewhere = _of_other_threads(analysis)
    if elsewhere:
        notes.append(
            f"{elsewhere} kernels were launched from threads without a range while a range of another thread was open "
            "(a backward pass does so): they are not counted in ranges"
        )
    if analysis.timeline.source == "nsys" and whole_graphs(analysis.timeline).any():
        notes.append("CUDA graphs were recorded as a whole: record with --cuda-graph-trace=node to see their kernels")
    return notes


def _twice(analysis: Analysis) -> list[str]:
    """A note where kernels stand in the trace twice. Where kernels take no longer than the GPU is busy, none can."""
    kernels = analysis.timeline.kernels
    if (kernels.end - kernels.start).sum() <= analysis.breakdown().busy:
        return []
    columns = kernels.correlation, kernels.end, kernels.name, kernels.stream, kernels.device, kernels.start
    order = np.lexsort(columns)
    same = np.all([column[order][1:] == column[order][:-1] for column in columns], axis=0)
    same &= (kernels.correlation >= 0)[order][1:] & (kernels.end > kernels.start)[order][1:]
    count = int(np.count_nonzero(same))
    if not count:
        return []
    return [f"{count} kernels stand in it once more, with the same launch and times: sums count them again"]


def _of_other_threads(analysis: Analysis) -> int:
    """How many kernels were launched by threads that have no range, while one was open in their process."""
    timeline, calls, ranges = analysis.timeline, analysis.timeline.calls, analysis.timeline.ranges
    if not len(ranges) or not len(calls):
        return 0
    ranged = np.bincount(ranges.thread, minlength=len(timeline.threads)) > 0
    if ranged.all():
        return 0
    call = analysis.launch[analysis.launch >= 0]
    lone = call[~ranged[calls.thread[call]]]
    process = timeline.threads.process
    found = 0
    for own in distinct(process[ranges.thread]).tolist() if len(lone) else ():
        mine = calls.start[lone[process[calls.thread[lone]] == own]]
        opened, closed = (np.sort(time[process[ranges.thread] == own]) for time in (ranges.start, ranges.end))
        found += int((np.searchsorted(opened, mine, "right") > np.searchsorted(closed, mine, "right")).sum())
    return found
