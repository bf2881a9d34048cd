"""A timeline's Record: how many launches, waits and copies each decode step has, and where its time went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.ledger.attention import backends
from bench.analysis.ledger.read import STEP_RANGE
from bench.analysis.observer.costs import NO_EVENTS, EventCosts
from bench.analysis.timeline import Analysis
from bench.analysis.timeline.intervals import Cover
from bench.analysis.timeline.tables import operator_sums
from bench.record.metrics import S_PER_NS
from bench.record.schema import Metric, metric
from bench.record.timeline import Timeline

from ..annotate import STEPS
from ..summarize import read_timeline, timeline_summary
from . import ledger

Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]

_MOST_ROWS = 12
_MOST_OPERATORS = 60
GPU_TIMES = ("gpu_busy", "gpu_idle", "sync_stall", "host_busy", "gpu_tail")
CALLS = ("launches", "syncs", "copies", "kernels")
OPERATORS = ("operators", "operators_busy")


def of_file(
    path: Path,
    summary_file: Path,
    costs: EventCosts = NO_EVENTS,
    plain_ns: float | None = None,
    step_range: str = STEP_RANGE,
) -> tuple[dict[str, Any], tuple[Metric, ...], dict[str, str]]:
    """(setup, metrics, not collected) of a trace; its summary is written to ``summary_file``. ``costs``: of the
    observer's events; ``plain_ns``: a step of the same call that was not observed; ``step_range``: what an
    observed step is called. Raises a RecordError."""
    analysis = Analysis(read_timeline(path))
    summary = timeline_summary(analysis)
    summary_file.write_text(json.dumps(summary))
    values = step_values(analysis, step_range)
    setup = {
        "counted_ranges": {item["name"]: item["count"] for item in summary["ranges"]},
        "top": (summary["kernels"] or summary.get("operators", []))[:_MOST_ROWS],
        "top_of": "kernels" if summary["kernels"] else "operators",
        "notes": list(analysis.timeline.notes),
        "attention_backend": attention_backends(analysis.timeline),
        "operators": operator_times(analysis.timeline),
    }
    metrics = tuple(metric(name, found) for name, found in values.items() if len(found))
    for_ledger, lines, without = ledger.of_analysis(
        analysis, setup["counted_ranges"], costs, plain_ns, step_range=step_range
    )
    return setup | for_ledger, (*metrics, *lines), absent(analysis, values) | without


def operator_times(timeline: Timeline) -> dict[str, list[int]]:
    """Operator → [calls, ns of its own], of those called most: to set one arm's window against another's."""
    if not len(timeline.operators):
        return {}
    sums, own = operator_sums(timeline)
    order = np.argsort(-sums.count, kind="stable")[:_MOST_OPERATORS]
    return {timeline.strings[sums.key[row]]: [int(sums.count[row]), int(own[row])] for row in order.tolist()}


def attention_backends(timeline: Timeline) -> dict[str, dict[str, float]]:
    """Step range → backend → attention calls in one of them, the mean; what the trace does not tell is left out."""
    ranges = timeline.ranges
    found: dict[str, dict[str, float]] = {}
    for name in STEPS:
        rows = np.flatnonzero(np.array([text == name for text in timeline.strings], bool)[ranges.name])
        told = [backends(timeline, int(ranges.start[row]), int(ranges.end[row])) for row in rows]
        mean = {one: sum(item.get(one, 0) for item in told) / len(told) for item in told for one in item}
        found |= {name: mean} if mean else {}
    return found


def step_values(analysis: Analysis, step_range: str = STEP_RANGE) -> dict[str, Values]:
    """By metric name: one value per observed step, in order. What the trace does not tell is left out."""
    ranges, steps = analysis.timeline.ranges, analysis.steps(step_range)
    values: dict[str, Values] = {"observed_step_time": (ranges.end[steps.row] - ranges.start[steps.row]) * S_PER_NS}
    if len(analysis.timeline.calls):
        counted = (steps.launches, steps.syncs, steps.copies, steps.kernels)
        values |= {f"{name}_per_step": column for name, column in zip(CALLS, counted, strict=True)}
    if analysis.devices:
        time = steps.time
        found = (time.busy, time.span - time.busy, time.sync_stall, time.host_gap, time.tail)
        values |= {f"{name}_per_step": column * S_PER_NS for name, column in zip(GPU_TIMES, found, strict=True)}
    if len(analysis.timeline.operators):
        values |= _operators(analysis, steps.row)
    return values


def _operators(analysis: Analysis, rows: NDArray[np.int64]) -> dict[str, Values]:
    """How many operators each step called, and how long at least one of them ran on the step's thread."""
    ranges, operators = analysis.timeline.ranges, analysis.timeline.operators
    count, busy = np.zeros(len(rows)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        start, end = ranges.start[row], ranges.end[row]
        inside = (operators.start >= start) & (operators.end <= end) & (operators.thread == ranges.thread[row])
        count[place] = np.count_nonzero(inside)
        busy[place] = Cover.union(operators.start[inside], operators.end[inside]).total * S_PER_NS
    return {"operators_per_step": count, "operators_busy_per_step": busy}


def absent(analysis: Analysis, values: Mapping[str, Values]) -> dict[str, str]:
    """Why each other value is not there."""
    source = analysis.timeline.source
    reasons = {
        **dict.fromkeys(CALLS, "the trace holds no CUDA calls"),
        **dict.fromkeys(GPU_TIMES, "the trace holds no GPU work"),
        **dict.fromkeys(OPERATORS, "nsys sees no operators" if source == "nsys" else "the trace holds no operators"),
    }
    return {
        f"{name}_per_step": reason for name, reason in reasons.items() if not len(values.get(f"{name}_per_step", ()))
    }
