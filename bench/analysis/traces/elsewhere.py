"""Waiting for work that a trace does not show: launched before it began, by another process, or not recorded.

A host that is inside a synchronising call while nothing of its own is pending (launched and not begun) or has just
ended waits for something else. That is no cost of what the trace shows, and removing its synchronisation saves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.record.schema import Finding

from ..ledger.costs import step_rows
from ..ledger.gpu import AskedWork, step_windows
from ..timeline import Analysis
from ..timeline.intervals import Cover

if TYPE_CHECKING:
    from .pair import Trace

# A call returns so soon after the work that it waits for has ended.
_RETURNS_NS = 50_000
# Less than this share of a step is not worth a word.
_LEAST = 0.01


def elsewhere_ns(analysis: Analysis, step_range: str) -> tuple[float, float]:
    """(ns per step of waiting for work that is not in the trace, ns of a step). Raises RecordError where there are no
    such steps."""
    timeline, asked = analysis.timeline, AskedWork.of(analysis)
    start, end = step_windows(timeline, step_rows(timeline, step_range), asked)
    launched = asked.begin
    if len(timeline.calls):
        launched = np.where(asked.call >= 0, timeline.calls.start[np.maximum(asked.call, 0)], asked.begin)
    known = Cover.union(np.minimum(launched, asked.begin), asked.end + _RETURNS_NS)
    lone = analysis.waiting.within(start, end) - analysis.waiting.both(known).within(start, end)
    return float(lone.mean()), float((end - start).mean())


def stalled_elsewhere(traces: Sequence[Trace]) -> list[Finding]:
    """A finding for each trace that waits so."""
    made = []
    for name, trace in zip(("reference", "candidate"), traces, strict=True):
        if not trace.analysis.devices:
            continue
        lone, step = elsewhere_ns(trace.analysis, trace.step_range)
        if lone > _LEAST * step:
            message = (
                f"{lone * 1e-6:.3g} ms per step of the {name}'s sync_stall wait for work that its trace does not show"
            )
            evidence = "the host is in a synchronising call, and nothing that it launched is pending or has just ended"
            remedy = "record from before the work is launched, every process of the job, and all streams and devices"
            made.append(Finding("waits-elsewhere", "warning", message, evidence, remedy))
    return made
