"""torch.profiler's timeline, taken inside the observed process."""

from __future__ import annotations

from bench.record.errors import MeasurementError

from ..commands import Command
from . import timelines
from .job import Job, Observation
from .process import require_success, run_tool


def observe(job: Job) -> Observation:
    """One capture. Raises a BitledgerError where nothing usable came."""
    trace, summary = job.file("trace.json.gz"), job.file("summary.json")
    command = Command(job.window("record_function", job.settings.steps, ("--kineto", str(trace))))
    require_success(run_tool(command, job.log, job.settings.limit_s))
    facts = job.told_facts()
    setup, metrics, absent = timelines.of_file(trace, summary)
    check_steps(setup["counted_ranges"].get("decode_step", 0), job.settings.steps, "the trace")
    told = {"command": job.shown(command.argv), "tool": "torch.profiler", "tool_version": facts["torch"]}
    files = ((trace, "Chrome trace of torch.profiler, for ui.perfetto.dev"), (summary, "its sums"))
    return Observation({**facts, **told, **setup}, metrics, files, absent)


def check_steps(found: int, wanted: int, where: str) -> None:
    """Raises MeasurementError unless every observed step arrived: a trace may drop events in silence."""
    if found != wanted:
        raise MeasurementError(
            f"{where} holds {found} decode_step ranges of {wanted}: record again, with fewer --steps"
        )
