"""torch.profiler's timeline, taken inside the observed process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.analysis.ledger.read import STEP_RANGE
from bench.analysis.observer.costs import median_costs
from bench.record.errors import MeasurementError
from bench.record.files import SUMMARY

from ..commands import Command
from ..inside import Seen
from . import timelines
from .job import Job, Observation
from .process import require_success, run_tool


def observe(job: Job) -> Observation:
    """One capture. Raises a BitledgerError where nothing usable came."""
    trace, summary = job.file("trace.json.gz"), job.file(SUMMARY)
    command = Command(job.window("record_function", job.settings.steps, ("--kineto", str(trace))))
    require_success(run_tool(command, job.log, job.settings.limit_s))
    facts = job.told_facts()
    return of_trace(
        job.seen(), trace, summary, facts, {"command": job.shown(command.argv), "tool_version": facts["torch"]}
    )


def of_trace(seen: Seen, trace: Path, summary: Path, facts: Mapping[str, Any], told: Mapping[str, Any]) -> Observation:
    """What a trace and what was timed beside it say. Raises a BitledgerError where the trace is not whole."""
    setup, metrics, absent = timelines.of_file(trace, summary, median_costs(seen.samples), seen.plain_ns, seen.range)
    check_steps(setup["counted_ranges"].get(seen.range, 0), int(seen.facts["steps"]), "the trace", seen.range)
    files = ((trace, "Chrome trace of torch.profiler, for ui.perfetto.dev"), (summary, "its sums"))
    told = {"tool": "torch.profiler", **told}
    return Observation({**facts, **told, **setup}, (*metrics, *seen.metrics()), files, absent)


def check_steps(found: int, wanted: int, where: str, step_range: str = STEP_RANGE) -> None:
    """Raises MeasurementError unless every observed step arrived: a trace may drop events in silence."""
    if found != wanted:
        raise MeasurementError(
            f"{where} holds {found} {step_range} ranges of {wanted}: record again, with fewer --steps"
        )
