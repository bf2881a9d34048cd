"""Nsight Compute's counters of one decode step, with cold caches or with the caches as the program left them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from bench.record.errors import MachineError, MeasurementError
from bench.record.files import SUMMARY
from bench.record.schema import Metric, metric
from profiling.readers.counters import Counters
from profiling.readers.ncu import read_counters
from profiling.readers.ncu_chatter import messages, why_no_table

from .. import commands
from ..availability import NotCollected, ncu_refusal
from ..counters_summary import summarise, summarise_ranges
from ..metrics import metric_names, requested_but_absent
from ..passes import replay_passes
from .job import Job, Observation
from .process import Finished, run_tool, tool_version

# The step is replayed once per pass and a model has hundreds of launches per step: one step is enough.
STEPS = 1
_MOST_ROWS = 20
_L1, _L2 = "l1tex__t_sectors_lookup_{}.sum", "lts__t_sectors_srcunit_tex_lookup_{}.sum"
TOTALS = {
    "l1_hits": _L1.format("hit"),
    "l1_misses": _L1.format("miss"),
    "l2_hits": _L2.format("hit"),
    "l2_misses": _L2.format("miss"),
    "dram_read": "dram__bytes_read.sum",
    "dram_written": "dram__bytes_write.sum",
}


def observe(job: Job, caches: commands.Caches) -> Observation:
    """One capture. Raises MachineError where counters are refused, another BitledgerError where nothing came."""
    asked = metric_names(job.settings.tier, job.chip)
    command = commands.ncu(job.window("nvtx", STEPS), str(job.file("counters")), asked, caches)
    finished = run_tool(command, job.log, job.settings.limit_s)
    report, summary_file = job.file("counters.ncu-rep"), job.file(SUMMARY)
    _check(finished, report)
    facts = job.told_facts()
    counters = _read(job, report)
    summary = summarise(counters) | {"ranges": summarise_ranges(counters, innermost)}
    summary_file.write_text(json.dumps(summary))
    metrics, absent = totals(counters)
    told = {"command": job.shown(command.argv), "tool": "ncu", "tool_version": tool_version("ncu")}
    planned = {"asked": list(asked), "replay_passes_planned": replay_passes(job.settings.tier, job.chip)}
    setup = {**facts, **told, **_modes(command), **planned, **_came_back(counters, summary, asked)}
    setup["warnings"] = list(messages(finished.output, "WARNING"))
    files = ((report, "report of Nsight Compute, for ncu-ui"), (summary_file, "its sums by kernel and by range"))
    return Observation(setup, metrics, files, absent)


def _check(finished: Finished, report: Path) -> None:
    refused = ncu_refusal(finished.text)
    if refused:
        raise MachineError(str(refused))
    if finished.code or finished.timed_out:
        raise MeasurementError(finished.problem())
    if not report.exists():
        raise MeasurementError(why_no_table(list(finished.output)))


def _read(job: Job, report: Path) -> Counters:
    """The report, by the reader package where it is installed, else as the CSV that ncu prints of it."""
    try:
        return read_counters(report)
    except MachineError:
        printed = run_tool(commands.ncu_to_csv(str(report)), job.file("counters.csv"), job.settings.limit_s)
        if printed.code:
            raise MeasurementError(printed.problem()) from None
        return read_counters(job.file("counters.csv"))


def innermost(path: str) -> str:
    """The name of our innermost range around a launch: a Linear's, or that of what holds it.

    ``path`` is "domain:outer/inner", for each domain; libraries (CCCL, cuBLAS) have domains of their own.
    """
    ours = re.search(rf"(?:^| ){commands.DOMAIN}:(\S+)", path)
    return ours[1].rpartition("/")[2] if ours else "no range"


def totals(counters: Counters) -> tuple[tuple[Metric, ...], dict[str, str]]:
    """Sums over all launches as metrics, and why any of them is absent."""
    metrics, absent = [metric("profiled_launches", len(counters))], {}
    duration = counters.duration()
    if not np.isnan(duration).any():
        metrics.append(metric("kernel_time", float(duration.sum())))
    else:
        absent["kernel_time"] = "ncu told no duration for some launches"
    for name, source in TOTALS.items():
        values = counters.values(source)
        if np.isnan(values).any():
            absent[name] = f"ncu gave no {source} for {int(np.isnan(values).sum())} of {len(counters)} launches"
        else:
            metrics.append(metric(name, float(values.sum())))
    return tuple(metrics), absent


def _modes(command: commands.Command) -> dict[str, Any]:
    """The options that decide what the counters mean."""
    wanted = {"--cache-control": "cache_control", "--clock-control": "clock_control", "--replay-mode": "replay_mode"}
    argv = command.argv
    return {name: argv[argv.index(option) + 1] for option, name in wanted.items()}


def _came_back(counters: Counters, summary: dict[str, Any], asked: tuple[str, ...]) -> dict[str, Any]:
    return {
        "came_back": sorted(counters.metrics),
        "absent": list(requested_but_absent(asked, counters)),
        "top": [{**kernel, "longest": None} for kernel in summary["kernels"][:_MOST_ROWS]],
        "reader_warnings": summary["warnings"],
    }


def cold(job: Job) -> Observation:
    """All caches flushed before each pass: each kernel seen alone."""
    return observe(job, "cold")


def warm(job: Job) -> Observation:
    """Caches as the program left them."""
    return observe(job, "warm")


def not_on_cpu(job: Job) -> NotCollected | None:
    """Counters are of GPU kernels."""
    if job.case.device == "cuda":
        return None
    return NotCollected("the Case runs on the CPU, where no GPU kernel is launched", "add --device cuda")
