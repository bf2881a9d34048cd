"""The figure of docs/sweep-simulation.md: coverage and width against the number of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report.svg import rendered

from .page import NOISES

# Drawn in this order, the smaller marker on top, because two of the lines lie on each other.
STYLES = {"own-node": ("#5c6570", "^", 5), "unpaired": ("#d2560e", "s", 8), "paired": ("#1559c7", "o", 4)}
INK, GRID, BAND = "#1b1f24", "#dfe3e8", "#d9ead9"


def draw(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the figure as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 6.2), layout="constrained", facecolor="white")
    axes = figure.subplots(len(NOISES), 2, sharex=True)
    for line, (noise, told) in zip(axes, NOISES.items(), strict=True):
        own = [row for row in rows if row["noise"] == noise]
        _coverage(line[0], own, f"Coverage, variation {told}")
        _width(line[1], own, f"Half-width, variation {told}")
    for axis in axes[-1]:
        axis.set_xlabel("blocks (repeats of every arm)")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    figure.suptitle("SIMULATED: 95 % intervals of a ratio, 8 schemes × 5 settings over 500 nodes", fontsize=11)
    path.write_text(rendered(figure, "sweep-simulation"), encoding="utf-8")


def _coverage(axis: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    axis.axhspan(93, 97, color=BAND, label="93 to 97 %")
    _lines(axis, rows, "coverage")
    axis.set_ylim(0, 103)
    axis.set_ylabel("intervals that hold the truth, %")
    _dress(axis, title)


def _width(axis: Any, rows: Sequence[dict[str, Any]], title: str) -> None:
    _lines(axis, rows, "half_width")
    axis.set_yscale("log")
    axis.set_ylim(0.15, 50)
    axis.set_ylabel("median ± half-width, %")
    _dress(axis, title)
    axis.set_yticks([0.2, 0.5, 1, 2, 5, 10, 20, 50], ["0.2", "0.5", "1", "2", "5", "10", "20", "50"])


def _lines(axis: Any, rows: Sequence[dict[str, Any]], name: str) -> None:
    for design, (colour, marker, size) in STYLES.items():
        own = [row for row in rows if row["design"] == design]
        points = [row["blocks"] for row in own], [100 * row[name] for row in own]
        axis.plot(*points, color=colour, marker=marker, markersize=size, linewidth=1.6, label=own[0]["title"])


def _dress(axis: Any, title: str) -> None:
    axis.set_xscale("log")
    axis.set_xticks([5, 10, 20, 50, 100, 500], ["5", "10", "20", "50", "100", "500"])
    axis.minorticks_off()
    axis.set_title(title, fontsize=10, color=INK)
    axis.grid(color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
