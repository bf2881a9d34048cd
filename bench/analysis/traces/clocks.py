"""What leaves the host's time of a trace unsure: clocks of host and GPU that do not agree, and kernels without a call.

A kernel cannot begin before the call that launches it; where its stream has nothing to do it begins some microseconds
after; and a call that waits for work does not return before that ends. A kernel whose call is not in the trace is
taken for one that follows the work before it, with idle time between them as it was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.schema import Finding
from bench.record.timeline import SYNC

from ..ledger.costs import step_rows
from ..ledger.gpu import streams_of
from ..timeline import Analysis
from ..timeline.intervals import Cover

if TYPE_CHECKING:
    from .pair import Trace

# Fewer than this share of the kernels may begin too early, as where a clock was corrected in between.
_FEW = 0.01
# Clocks of recordings agree within this.
_SMALL_NS = 1_000
# A kernel of a stream that was idle for so long waited for nothing but its launch, which takes 4 to 9 µs on real GPUs.
# The least of so many in a row that is longer than this is no launch; so many of them, or of waiting calls, are no
# chance.
_IDLE_NS, _IN_A_ROW, _LATE_NS, _MANY, _LEAST_CALLS = 5_000, 20, 100_000, 0.1, 3
_WAITS_FOR_ALL = re.compile(r"(Device|Ctx)Synchronize")
_WAITS_FOR_STREAM = re.compile(r"(Device|Ctx|Stream)Synchronize|QueueFinish|^clFinish")
CLOCKS = "clocks-apart"
UNCALLED = "kernels-without-calls"
# So many of the kernels in the steps may lack a call.
_UNCALLED = 0.02


def too_early(analysis: Analysis) -> tuple[float, int]:
    """(the share of launched kernels that begin before their call does, the most ns by which one does)."""
    known = analysis.launch >= 0
    if not known.any():
        return 0.0, 0
    ahead = -analysis.latencies.launch[known]
    early = ahead > _SMALL_NS
    return float(early.mean()), int(np.max(ahead, initial=0))


def too_late(analysis: Analysis) -> tuple[float, int]:
    """(of the kernels that wait for nothing but their launch the share that begins long after it, the least ns of
    those)."""
    late = _launches_alone(analysis)
    rows = late[: len(late) // _IN_A_ROW * _IN_A_ROW].reshape(-1, _IN_A_ROW)
    least = rows.min(axis=1) if len(rows) else late[:0]
    far = least[least > _LATE_NS]
    return (len(far) / len(least), int(far.min())) if len(far) else (0.0, 0)


def _launches_alone(analysis: Analysis) -> NDArray[np.int64]:
    """From call to start, ns, by time, of the kernels before which their stream was idle."""
    kernels = analysis.timeline.kernels
    stream = streams_of(analysis.timeline)[: len(kernels)]
    order = np.lexsort((kernels.start, stream))
    begin, end = kernels.start[order], kernels.end[order]
    same = np.diff(stream[order]) == 0
    alone = np.zeros(len(order), bool)
    alone[1:] = same & (begin[1:] - end[:-1] > _IDLE_NS)
    rows = order[alone & (analysis.launch[order] >= 0)]
    found: NDArray[np.int64] = analysis.latencies.launch[rows[np.argsort(kernels.start[rows], kind="stable")]]
    return found


def returned_early(analysis: Analysis) -> tuple[float, int]:
    """(of the calls that wait for all that was asked for the share that returns while some of it runs, the most ns
    before it ends)."""
    timeline, asked = analysis.timeline, analysis.asked
    calls = timeline.calls
    streams = distinct(np.concatenate([table.stream for table in (timeline.kernels, timeline.copies)]))
    waits = (_WAITS_FOR_STREAM if len(streams) == 1 else _WAITS_FOR_ALL).search
    wanted = np.array([waits(text) is not None for text in timeline.strings], bool)
    rows = np.flatnonzero((calls.kind == SYNC) & wanted[calls.name]) if len(calls) else np.empty(0, np.int64)
    known = asked.call >= 0
    if len(rows) < _LEAST_CALLS or not known.any():
        return 0.0, 0
    since = calls.start[asked.call[known]]
    order = np.argsort(since, kind="stable")
    reach = np.maximum.accumulate(asked.end[known][order])
    place = np.searchsorted(since[order], calls.start[rows]) - 1
    over = np.where(place >= 0, reach[np.maximum(place, 0)] - calls.end[rows], 0)
    early = over > _SMALL_NS
    return float(early.mean()), int(over.max(initial=0))


def clocks_apart(traces: Sequence[Trace]) -> list[Finding]:
    """A finding for each trace whose clocks do not agree."""
    made = []
    for name, trace in zip(("reference", "candidate"), traces, strict=True):
        evidence = how_apart(trace.analysis)
        if evidence:
            message = f"the clocks of host and GPU are apart in the {name}'s trace: what is idle time there is unsure"
            made.append(Finding(CLOCKS, "warning", message, evidence, "record again, with a newer version of the tool"))
    return made


def how_apart(analysis: Analysis) -> str:
    """How the clocks of host and GPU do not agree; "" where they do."""
    share, most = too_early(analysis)
    if share > _FEW:
        return f"{share:.0%} of its kernels begin before the call that launches them, by up to {most / 1e3:.3g} µs"
    share, least = too_late(analysis)
    if share > _MANY:
        return (
            f"{share:.0%} of its kernels with nothing before them begin {least / 1e3:.3g} µs or more after the call "
            "that launches them"
        )
    share, most = returned_early(analysis)
    if share > _MANY:
        return f"{share:.0%} of its waiting calls return while the work runs, by up to {most / 1e3:.3g} µs"
    return ""


def without_calls(traces: Sequence[Trace]) -> list[Finding]:
    """A finding for each trace in which kernels of the steps have no call."""
    made = []
    for name, trace in zip(("reference", "candidate"), traces, strict=True):
        lone = uncalled(trace.analysis, trace.step_range)
        if lone:
            message = f"{lone} in the steps of the {name} have no call in its trace: what is idle time there is unsure"
            evidence = "what asked for them was not recorded, so what recording cost cannot be taken off before them"
            remedy = "record again, fewer steps at a time, and every thread and process that launches work"
            made.append(Finding(UNCALLED, "warning", message, evidence, remedy))
    return made


def uncalled(analysis: Analysis, step_range: str) -> str:
    """Such as "30 of 258 kernels", where so many in the steps have no call; else "". Raises RecordError where there are
    no such steps."""
    lone, of = _uncalled(analysis, step_range)
    return f"{lone} of {of} kernels" if lone > _UNCALLED * of else ""


def _uncalled(analysis: Analysis, step_range: str) -> tuple[int, int]:
    """(kernels without a call, all) in the steps, not counting what ran before the first that has one."""
    timeline, joined = analysis.timeline, analysis.launch >= 0
    rows, kernels = step_rows(timeline, step_range), timeline.kernels
    inside = Cover.union(timeline.ranges.start[rows], timeline.ranges.end[rows]).holds(kernels.start)
    if joined.any():
        inside &= kernels.start >= kernels.start[joined].min()
    return int((inside & ~joined).sum()), int(inside.sum())
