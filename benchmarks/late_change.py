"""A change late in a long trace: do ledger, causes and what-if all find it, and what does that cost?

    python -m benchmarks.late_change

Two generated traces of each size differ in the length of their gemm kernels, from a third of the steps on. Every
command runs in a fresh process, repeatedly and in turns; processor time and peak memory are those of the process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import writing
from benchmarks.timeline_scale import RESULTS, ROOT, machine, measured, module
from benchmarks.traces import KERNEL_NAMES, KERNELS, LAYERS, Column, Trace, make, write_nsys

SIZES = (10_000, 200_000, 2_000_000)
SHARE, LONGER_NS = 0.35, 20_000
PAGE = ROOT / "docs" / "performance.md"
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


def found(size: int, folder: Path, repeats: int) -> Row:
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
    told = [(_json(explain, folder), _json(whatif, folder)) for _ in range(repeats)]
    pair, change = told[0][0][0]["pairs"][0], told[0][1][0]
    return {
        "kernels": len(plain.call_start),
        "planted_ms": gemm[1] - gemm[0],
        "recorded_ms": _of(pair["recorded"]["lines"], "delta_ms"),
        "ledger_ms": _of(pair["lines"], "delta_ms"),
        "cause_ms": _of(pair["causes"], "delta_ms"),
        "saving_ms": _of(pair["predicted_savings"], "ms"),
        "whatif_ms": change["replayed_ms"] - change["predicted_ms"],
        "played": pair["played"],
        "explain": _cost([run for (_, run), _ in told]),
        "whatif": _cost([run for _, (_, run) in told]),
    }


def _json(command: list[str], folder: Path) -> tuple[Any, Row]:
    run = measured(command, folder)
    return json.loads((folder / "output.txt").read_text()), run


def _of(lines: Sequence[Row], key: str) -> float:
    return next(float(line[key]) for line in lines if line["cause"] == "gemm")


def _cost(runs: Sequence[Row]) -> Row:
    names = ("cpu_s", "wall_s", "peak_bytes")
    return {**{name: statistics.median(run[name] for run in runs) for name in names}, "runs": list(runs)}


def page(result: Row) -> str:
    """docs/performance.md."""
    rows = [
        f"| {row['kernels']:,} | {row['planted_ms']:.3f} | {row['recorded_ms']:.3f} | {row['ledger_ms']:.3f} "
        f"| {row['cause_ms']:.3f} | {row['saving_ms']:.3f} | {row['whatif_ms']:.3f} |"
        for row in result["sizes"]
    ]
    costs = [
        f"| {row['kernels']:,} | {row['explain']['cpu_s']:.1f} s | {row['explain']['peak_bytes'] / 1e6:.0f} MB "
        f"| {row['whatif']['cpu_s']:.1f} s | {row['whatif']['peak_bytes'] / 1e6:.0f} MB |"
        for row in result["sizes"]
    ]
    played = "; ".join(dict.fromkeys(row["played"] for row in result["sizes"] if row["played"]))
    known = result["machine"]
    return "\n".join((
        "# Long traces: right, and what that costs",
        "",
        "Made by `python -m benchmarks.late_change`; the figures are those of `benchmarks/results/late_change.json`.",
        "",
        "## A change late in a trace",
        "",
        f"Two generated traces of each size: from {SHARE:.0%} of the steps on, each gemm kernel of the second takes "
        f"{LONGER_NS / 1000:g} µs longer. In ms per step, what was planted, and what each of them says of gemm (a "
        "first step that is unlike the others is left out, which shows where there are few):",
        "",
        "| kernels | planted | as recorded | ledger | causes | predicted saving | `whatif` |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        "The saving and `whatif` may be less than the line, where the host is busy meanwhile: a kernel that is shorter "
        "then saves nothing. Of long traces not all steps are played again, and this is said: "
        f"{played or 'here all were'}.",
        "",
        "## Its cost",
        "",
        f"Processor time and peak memory of a fresh process, {_of_runs(result['repeats'])}, on "
        f"{known['cores']} cores ({known['cpu']}), of which other work took a part: the load was "
        f"{known['load_average'][0]:.0f}.",
        "",
        "| kernels in each trace | `explain`, both traces | memory | `whatif`, one trace | memory |",
        "|---:|---:|---:|---:|---:|",
        *costs,
        "",
    ))  # fmt: skip


def _of_runs(repeats: int) -> str:
    return "one run each" if repeats == 1 else f"medians of {repeats} runs in turns"


def main() -> None:
    """Run all sizes; write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="kernels per trace")
    parser.add_argument("--repeats", type=int, default=5, help="fresh processes per figure (default 5)")
    parser.add_argument("--out", type=Path, default=RESULTS / "late_change.json")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    writing.check(options.out)
    result: Row = {"machine": machine(), "repeats": options.repeats, "sizes": []}
    with tempfile.TemporaryDirectory(prefix="late-change-") as name:
        for size in options.sizes:
            row = found(size, Path(name), options.repeats)
            print(
                f"{size}: explain {row['explain']['cpu_s']:.1f} s, what-if {row['whatif']['cpu_s']:.1f} s", flush=True
            )
            result["sizes"].append(row)
            writing.write(options.out, result)
            options.page.write_text(page(result))


if __name__ == "__main__":
    main()
