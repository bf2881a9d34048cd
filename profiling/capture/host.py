"""py-spy's samples of the decode loop: Python's own work alone, or everything with native frames and waiting."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from bench.record.errors import MachineError, MeasurementError
from bench.record.schema import Metric, metric
from profiling.readers.py_spy import Samples, read_samples

from .. import commands
from ..availability import py_spy_refusal
from ..host import DECODE_LOOP, HostShares, flamegraph_svg, host_shares
from .job import Job, Observation
from .process import require_success, run_tool, tool_version

_SLOWER = {"python": 1, "everything": 4}  # unwinding native frames halts the program for longer
# The target's function that decodes after the warm-up.
MEASURED = r"^_keep_decoding$"
# The first forward of a call is not a decode step.
PREFILL = r"(^|\.)_prefill$"


def observe(job: Job, look: Literal["python", "everything"]) -> Observation:
    """One capture. Raises MachineError where tracing is refused, another BitledgerError where nothing came."""
    raw, drawn = job.file("samples.txt"), job.file("flamegraph.svg")
    rate = max(1, job.settings.rate // _SLOWER[look])
    command = commands.py_spy(job.loop(), str(raw), look, rate=rate)
    finished = run_tool(command, job.log, job.settings.limit_s)
    refused = py_spy_refusal(finished.text)
    if refused and (finished.code or not raw.exists()):
        raise MachineError(str(refused))
    require_success(finished)
    facts = job.told_facts()
    if not raw.exists():
        raise MeasurementError("py-spy ended well but wrote no samples: decode for longer with --seconds")
    samples = read_samples(raw)
    loop = decode_only(samples)
    drawn.write_text(flamegraph_svg(loop.folded(), f"{job.case.scheme}: the decode loop, {look}"), encoding="utf-8")
    setup = {
        **facts,
        "command": job.shown(command.argv),
        "tool": "py-spy",
        "tool_version": tool_version("py-spy"),
        "look": look,
        "rate_hz": rate,
        "behind_s": lag_seconds(finished.text),
        "loop": DECODE_LOOP,
        "without": PREFILL,
    }
    shares = host_shares(loop, None)
    files = ((_packed(raw), "folded stacks of py-spy, gzipped"), (drawn, f"flamegraph of the decode loop ({look})"))
    return Observation(setup, _counts(shares, float(samples.weights.sum())), files)


def _packed(raw: Path) -> Path:
    """The stacks gzipped, which are some twentieth of their size; the plain file goes."""
    packed = raw.with_name(f"{raw.name}.gz")
    packed.write_bytes(gzip.compress(raw.read_bytes(), mtime=0))
    raw.unlink()
    return packed


def decode_only(samples: Samples) -> Samples:
    """The samples inside the decode loop, the warm-up's and the prefill's left out. Raises RecordError for none."""
    inside = samples.inside(MEASURED).inside(DECODE_LOOP)
    prefill = {index for index, frame in enumerate(inside.frames) if re.search(PREFILL, frame.function)}
    kept = [place for place, stack in enumerate(inside.stacks) if not prefill & set(stack)]
    chosen = replace(inside, stacks=tuple(inside.stacks[place] for place in kept), weights=inside.weights[kept])
    return chosen if kept else inside


def _counts(shares: HostShares, total: float) -> tuple[Metric, ...]:
    """Whole samples by class, and how many were elsewhere."""
    counts = {f"host_samples_{name}": share * shares.inside for name, share in shares.shares.items()}
    counts["host_samples_under_bitsandbytes"] = shares.under_bitsandbytes * shares.inside
    counts["host_samples_elsewhere"] = total - shares.inside
    return tuple(metric(name, float(np.rint(value))) for name, value in counts.items())


def lag_seconds(output: str) -> float:
    """By how many seconds py-spy lagged at worst, by its own account: the shares are then less sure."""
    return max((float(told) for told in re.findall(r"([\d.]+)s behind in sampling", output)), default=0.0)


def python(job: Job) -> Observation:
    """Only threads that hold the interpreter's lock."""
    return observe(job, "python")


def everything(job: Job) -> Observation:
    """Native frames and waiting threads too."""
    return observe(job, "everything")
