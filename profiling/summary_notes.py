"""What a reader of a summary must know beside its sums."""

from __future__ import annotations

import numpy as np

from bench.analysis.timeline import Analysis


def notes_of(analysis: Analysis) -> list[str]:
    """For a trace with GPU work: what the reader noted, what no range counts, what was recorded as a whole."""
    notes = list(analysis.timeline.notes)
    elsewhere = _of_other_threads(analysis)
    if elsewhere:
        notes.append(
            f"{elsewhere} kernels were launched from threads without a range while a range of another thread was open "
            "(a backward pass does so): they are not counted in ranges"
        )
    opaque = sum(text.startswith("CUDA graph ") for text in analysis.timeline.strings)
    if opaque and analysis.timeline.source == "nsys":
        notes.append("CUDA graphs were recorded as a whole: record with --cuda-graph-trace=node to see their kernels")
    return notes


def _of_other_threads(analysis: Analysis) -> int:
    """How many kernels no range counts although one was open in their process when they were launched."""
    timeline, call = analysis.timeline, analysis.launch
    ranges = timeline.ranges
    if not len(ranges) or not len(timeline.calls):
        return 0
    lone = call[(call >= 0) & (analysis.range < 0)]
    if not len(lone):
        return 0
    process = timeline.threads.process
    found = 0
    for own in np.unique(process[ranges.thread]).tolist():
        mine = lone[process[timeline.calls.thread[lone]] == own]
        opened = np.sort(ranges.start[process[ranges.thread] == own])
        closed = np.sort(ranges.end[process[ranges.thread] == own])
        time = timeline.calls.start[mine]
        found += int((np.searchsorted(opened, time, "right") > np.searchsorted(closed, time, "right")).sum())
    return found
