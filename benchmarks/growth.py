"""How the time and the memory of a summary grow with the trace, from ten thousand kernels to three million."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .measured import measured, medians, module
from .traces import make, write_kineto, write_nsys

KINDS = {"nsys": ("sqlite", write_nsys), "kineto": ("json", write_kineto)}
LABELS = {"nsys": "nsys export", "kineto": "Kineto trace"}
_RUNS = 3
# A Kineto trace takes a kilobyte for a kernel: larger ones are not recorded.
_LARGEST_KINETO = 1_000_000

Row = dict[str, Any]


def rows(sizes: Sequence[int], folder: Path) -> Iterator[Row]:
    """Both kinds of file at all sizes, in fresh processes."""
    for size in sizes:
        trace = make(size)
        for kind, (ending, write) in KINDS.items():
            if kind == "kineto" and size > _LARGEST_KINETO:
                continue
            path = folder / f"grown.{ending}"
            write(path, trace)
            runs = [measured([*module("profiling"), "summarize", str(path), "--json"], folder) for _ in range(_RUNS)]
            usual = medians(runs)
            counts = {"kernels": len(trace.call_start), "ranges": len(trace.range_start)}
            print(f"{LABELS[kind]}, {size:,} kernels: {usual['cpu_s']:.2f} s", flush=True)
            yield {"kind": kind, **counts, "file_bytes": path.stat().st_size, **usual, "runs": runs}
            path.unlink()


def exponent(found: Sequence[Mapping[str, Any]], key: str, kernels: int = 100_000) -> float:
    """By which power of the kernels a figure grows, from ``kernels`` on: least squares on logarithms. Below, starting
    Python is most of it."""
    points = [(math.log(row["kernels"]), math.log(row[key])) for row in found if row["kernels"] > 0.9 * kernels]
    x, y = zip(*points, strict=True)
    return float(statistics.linear_regression(x, y).slope)


def plot(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Processor time and peak memory by size, both logarithmic."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9.0}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, key, unit, title in zip(
            panels, ("cpu_s", "peak_bytes"), (1.0, 1e6), ("processor time (s)", "peak memory (MB)"), strict=True
        ):
            for kind, label in LABELS.items():
                points = [(row["kernels"], row[key] / unit) for row in found if row["kind"] == kind]
                axes.plot(*zip(*points, strict=True), marker="o", label=f"summary of a{'n' * (kind == 'nsys')} {label}")
            axes.set(xscale="log", yscale="log", xlabel="kernels in the trace", title=title)
            axes.grid(alpha=0.3)
        panels[0].legend(fontsize="small")
        figure.savefig(path, metadata={"Date": None, "Creator": None})
