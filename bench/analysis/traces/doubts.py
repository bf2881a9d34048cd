"""What makes the lines of two traces unsure.

Waiting for work that a trace does not show: launched before it began, by another process, or not recorded. A host that
is inside a synchronising call while nothing of its own is pending (launched and not begun) or has just ended waits for
something else. That is no cost of what the trace shows, and removing its synchronisation saves nothing.

Steps that do not hold as much of the model: a range around a whole call of generate holds many passes. Kernels that
both traces have, norms or the choice of a token, run as often in a step of the one as of the other, whatever the
weights are. Where most of them run so many times more often, a step of that trace is another thing.

Work of a GPU that was not recorded, as with the CPU's activities alone, or on Apple's GPUs: operators take the time of
asking for it.

CUDA graphs that were recorded as a whole: which kernels run in them is not known.

Work that is lost: launches without a kernel, as where the tool's buffers were full, and kernels without a length. What
is missing looks as if it were fast.

Steps of several sizes that nothing in their names tells: how many of each a trace holds is in all its means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from bench.record import causes as c
from bench.record.codes import distinct, encode
from bench.record.schema import Finding
from bench.record.timeline import LAUNCH, Timeline, whole_graphs

from ..ledger.costs import StepCosts, step_rows
from ..ledger.gpu import named_windows
from ..timeline import Analysis
from ..timeline.intervals import Cover
from ..timeline.joins import with_work
from .unusual import groups_of

if TYPE_CHECKING:
    from .pair import Trace

# A call returns so soon after the work that it waits for has ended.
_RETURNS_NS = 50_000
# Less than this share of a step is not worth a word.
_LEAST = 0.01


def elsewhere_ns(analysis: Analysis, step_range: str) -> tuple[float, float]:
    """(ns per step of waiting for work that is not in the trace, ns of a step). Raises RecordError where there are no
    such steps."""
    timeline, asked = analysis.timeline, analysis.asked
    start, end = named_windows(analysis, step_range)
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


# Operators that have no variant for a CPU.
_OF_A_GPU = re.compile(
    r"_(flash|efficient)_attention_forward$|^aten::(_?cudnn|miopen|_?mps)_|_(for_mps|cudnn_attention)\b"
)
GPU_UNSEEN = "gpu-unseen"


def gpu_unseen(traces: Sequence[Trace]) -> list[Finding]:
    """A finding where a trace without GPU work is of a program that used a GPU."""
    told = {
        name: ran
        for name, trace in zip(("reference", "candidate"), traces, strict=True)
        if not trace.analysis.devices and (ran := _asks_a_gpu(trace.analysis.timeline))
    }
    if not told:
        return []
    message = (
        f"a GPU worked, and its work is not in the trace of the {' and the '.join(told)}: operators only ask for it"
    )
    evidence = f"{' and '.join(dict.fromkeys(told.values()))} runs on GPUs alone"
    remedy = "record the GPU too: with torch.profiler's CUDA (or XPU) activity, or nsys; on Apple none can"
    return [Finding(GPU_UNSEEN, "warning", message, evidence, remedy)]


def _asks_a_gpu(timeline: Timeline) -> str:
    """An operator or a call of a trace that only a GPU has; "" where there is none."""
    launches = timeline.calls.name[timeline.calls.kind == LAUNCH]
    if len(launches):
        return timeline.strings[int(launches[0])]
    names = (timeline.strings[number] for number in distinct(timeline.operators.name).tolist())
    return next(filter(_OF_A_GPU.search, names), "")


# Less of the GPU's work than this is not worth a word.
_LEAST_WORK = 0.02
WHOLE_GRAPHS = "whole-graphs"


def graphs_recorded_whole(analyses: Sequence[Analysis]) -> list[Finding]:
    """A finding where much of one trace's work is in graphs that are one block each, and not so of the other's."""
    shares = [_whole_share(analysis) for analysis in analyses]
    if abs(shares[0] - shares[1]) <= _LEAST_WORK:
        return []
    told = " and ".join(
        f"{share:.0%} of the {name}'s" for name, share in zip(("reference", "candidate"), shares, strict=True)
    )
    message = f"graphs were recorded as a whole, so that all of their work is called other: {told}"
    evidence = "nsys records the kernels of a graph only where it is told to"
    remedy = "record both with --cuda-graph-trace=node"
    return [Finding(WHOLE_GRAPHS, "warning", message, evidence, remedy)]


def _whole_share(analysis: Analysis) -> float:
    """Of the time of all kernels that of whole graphs."""
    kernels = analysis.timeline.kernels
    length = kernels.end - kernels.start
    return float(length[whole_graphs(analysis.timeline)].sum() / max(length.sum(), 1))


# So much of the work of the steps may be lost.
_LOST = 0.02
LOST = "lost-work"


def work_lost(traces: Sequence[Trace]) -> list[Finding]:
    """A finding for each trace whose steps lack work that was asked for."""
    made = []
    for name, trace in zip(("reference", "candidate"), traces, strict=True):
        if not trace.analysis.devices:
            continue
        told = lost_text(trace.analysis, trace.step_range)
        if told:
            message = f"the {name}'s trace lacks a part of its GPU work, so that its lines are too small: {told}"
            evidence = f"more than {_LOST:.0%} of what its steps ask for"
            remedy = "record again, fewer steps at a time"
            made.append(Finding(LOST, "warning", message, evidence, remedy))
    return made


def lost_text(analysis: Analysis, step_range: str) -> str:
    """What of the GPU work that the steps ask for is not in the trace; "" where hardly any is missing. Raises
    RecordError where there are no such steps."""
    timeline = analysis.timeline
    steps = step_rows(timeline, step_range)
    inside = Cover.union(timeline.ranges.start[steps], timeline.ranges.end[steps])
    calls, kernels = timeline.calls, timeline.kernels
    launches = (calls.kind == LAUNCH) & inside.holds(calls.start)
    lone = launches & ~with_work(timeline)
    called = np.maximum(analysis.launch, 0)
    mine = (analysis.launch >= 0) & launches[called] if len(calls) else inside.holds(kernels.start)
    empty = mine & (kernels.end == kernels.start)
    strays = (analysis.launch < 0) & inside.holds(kernels.start)  # they may be what these launches asked for
    lost = int(lone.sum()) - int(strays.sum())
    told = []
    if lost > _LOST * launches.sum():
        told.append(f"{lost} of {int(launches.sum())} launches have no kernel in it")
    if empty.sum() > _LOST * mine.sum():
        told.append(f"{int(empty.sum())} of {int(mine.sum())} kernels take no time in it")
    return " and ".join(told)


# Shares of a size that differ by less than this are alike.
_ALIKE = 0.02
MIXED = "mixed-steps"


def mixed(costs: Sequence[StepCosts]) -> list[Finding]:
    """A finding where the GPU works much longer at some steps than at others, and at more of them in one trace."""
    if any(each.device == "cpu" for each in costs):
        return []
    computing = [name for name in c.BUSY if name not in (c.MEMCPY, c.COMMUNICATION)]
    groups = [groups_of(np.sum([each.causes[name] for name in computing], axis=0)) for each in costs]
    apart = [float((group > 0).mean()) for group in groups]
    if abs(apart[0] - apart[1]) <= _ALIKE:
        return []
    told = " and ".join(
        f"at {int((group > 0).sum())} of {len(group)} of the {name}"
        for name, group in zip(("reference", "candidate"), groups, strict=True)
    )
    message = f"steps of several sizes are taken together: the GPU works much longer {told}"
    evidence = "no times lie between those of the one and of the other, as where prompts are in some steps"
    remedy = "choose steps of one size with --step-range, or record where no prompts come in"
    return [Finding(MIXED, "warning", message, evidence, remedy)]


# So many kernels must be in both, this share of them must agree, and that is agreement.
_LEAST_NAMES, _SHARE, _AGREE = 3, 0.6, 0.15
_UNLIKE = 1.15


def passes(analyses: tuple[Analysis, Analysis], steps: tuple[str, str]) -> float | None:
    """How many times as often the kernels of both run in a step of the candidate; None where that is about once, or
    where too few are in both or agree. Raises RecordError where there are no such steps."""
    one, other = (kernels_per_step(*each) for each in zip(analyses, steps, strict=True))
    ratios = [other[name] / one[name] for name in one if name in other]
    if len(ratios) < _LEAST_NAMES:
        return None
    usual = float(median(ratios))
    near = min(_AGREE, abs(usual - 1.0) / 2)  # what runs as often in both agrees with no factor
    agreeing = sum(abs(ratio / usual - 1.0) <= near for ratio in ratios)
    if agreeing < _SHARE * len(ratios) or 1 / _UNLIKE < usual < _UNLIKE:
        return None
    return usual


def kernels_per_step(analysis: Analysis, step_range: str) -> dict[str, float]:
    """How often each kernel runs in a step. Raises RecordError where there are no such steps."""
    timeline = analysis.timeline
    start, end = named_windows(analysis, step_range)
    inside = Cover.union(start, end).holds(timeline.kernels.start)
    names, place = encode(timeline.kernels.name[inside])
    counts = np.bincount(place, minlength=len(names)) / len(start)
    return {timeline.strings[name]: count for name, count in zip(names.tolist(), counts.tolist(), strict=True)}
