"""A change late in a long trace: do ledger, causes and what-if all find it, and what does that cost?

Two generated traces of each size differ in the length of their gemm kernels, from a third of the steps on. Every
command runs in a fresh process, whose processor time and peak memory are told. benchmarks.performance runs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured import measured, module
from benchmarks.traces import KERNEL_NAMES, KERNELS, LAYERS, Column, Trace, make, write_nsys

SIZES = (10_000, 200_000, 2_000_000)
SHARE, LONGER_NS = 0.35, 20_000
_GEMM = np.array(["_gemm<" in name for name in KERNEL_NAMES])
_STEP = LAYERS * KERNELS

Row = dict[str, Any]


def late(trace: Trace, share: float = SHARE, ns: int = LONGER_NS) -> Trace:
    """The trace with gemm kernels ``ns`` longer, from ``share`` of its steps on; all that follows moves with them."""
    steps = len(trace.call_start) // _STEP
    longer = _GEMM[trace.kernel_name] & (np.arange(steps * _STEP) // _STEP >= share * steps)
    length = (trace.kernel_end - trace.kernel_start + np.where(longer, ns, 0)).reshape(steps, _STEP)
    done = np.cumsum(length, axis=1)
    end = done + np.maximum.accumulate(trace.kernel_start.reshape(steps, _STEP) - (done - length), axis=1)
    extra = np.maximum(end[:, -1] + 3_000 - trace.sync_end, 0)
    before = np.concatenate(([0], np.cumsum(extra)[:-1]))
    return _moved(replace(trace, kernel_start=(end - length).ravel(), kernel_end=end.ravel()), before, before + extra)


def _moved(trace: Trace, before: Column, after: Column) -> Trace:
    """Each step moved by [steps] ns, and what is the end of a step by those after it."""
    each = np.repeat(before, _STEP)
    of = np.searchsorted(trace.range_start[trace.range_name == 0], trace.range_start, side="right") - 1
    return replace(
        trace,
        call_start=trace.call_start + each, call_end=trace.call_end + each,
        kernel_start=trace.kernel_start + each, kernel_end=trace.kernel_end + each,
        sync_start=trace.sync_start + before, sync_end=trace.sync_end + after,
        range_start=trace.range_start + before[of],
        range_end=trace.range_end + np.where(trace.range_name == 0, after[of], before[of]),
    )  # fmt: skip


def step_ms(trace: Trace) -> float:
    """The mean of its steps."""
    step = trace.range_name == 0
    return float((trace.range_end - trace.range_start)[step].mean()) * 1e-6


def gemm_ms(trace: Trace) -> float:
    """gemm kernels per step."""
    length = (trace.kernel_end - trace.kernel_start)[_GEMM[trace.kernel_name]]
    return float(length.sum()) * 1e-6 / (len(trace.call_start) // _STEP)


def found(size: int, folder: Path) -> Row:
    """One size: what was planted, what each of them says, and the cost of both commands."""
    both = (plain := make(size)), late(plain)
    paths = folder / "reference.sqlite", folder / "candidate.sqlite"
    for trace, path in zip(both, paths, strict=True):
        write_nsys(path, trace)
    times = [step_ms(trace) for trace in both]
    gemm = [gemm_ms(trace) for trace in both]
    explain = [*module("bench"), "explain", "--reference", str(paths[0]), "--candidate", str(paths[1]), "--json"]
    explain += ["--reference-time", f"{times[0]:.6f}", "--candidate-time", f"{times[1]:.6f}"]
    whatif = [*module("bench"), "whatif", str(paths[1]), "--scale", f"gemm={gemm[0] / gemm[1]:.9f}", "--json"]
    (explained, explaining), (change, predicting) = _json(explain, folder), _json(whatif, folder)
    pair = explained["pairs"][0]
    for path in paths:
        path.unlink()
    print(f"a late change, {size:,} kernels: {explaining['cpu_s']:.2f} s", flush=True)
    return {
        "kernels": len(plain.call_start),
        "planted_ms": gemm[1] - gemm[0],
        "recorded_ms": _of(pair["recorded"]["lines"], "delta_ms"),
        "ledger_ms": _of(pair["lines"], "delta_ms"),
        "cause_ms": _of(pair["causes"], "delta_ms"),
        "saving_ms": _of(pair["predicted_savings"], "ms"),
        "whatif_ms": change["replayed_ms"] - change["predicted_ms"],
        "played": pair["played"],
        "explain": explaining,
        "whatif": predicting,
    }


def _json(command: list[str], folder: Path) -> tuple[Any, Row]:
    run = measured(command, folder)
    return json.loads((folder / "output.txt").read_text()), run


def _of(lines: Sequence[Row], key: str) -> float:
    return next(float(line[key]) for line in lines if line["cause"] == "gemm")
