"""Figures of end-to-end generation: decode rate, ratio, latency distribution, memory, rate over batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.analysis.generation import GenerationGroup
from bench.analysis.verdict import MARGIN
from bench.report import units
from bench.report.figures import dots, legend_below, linear_ticks, log_ticks, panels, ratio_ticks, unity_band
from bench.report.palette import colour, marker


def throughput(group: GenerationGroup, margin: float = MARGIN) -> Any:
    """Decode rate per scheme, and below it the time per token over the reference's, each with its interval."""
    names = [row.scheme for row in group.rows]
    compared = [row for row in group.rows if row.time_ratio is not None]
    parts = 2 if compared else 1
    heights = [len(names) + 1.6, len(compared) + 1.8][:parts]

    def draw(_figure: Any, axes: Any) -> None:
        top = axes[0, 0]
        dots(top, names, [row.decode_rate for row in group.rows], lambda value: units.si(value.value, "tok/s"))
        top.set_xlim(left=0)
        top.set_title("Decode throughput, tok/s (right is better)")
        linear_ticks(top, "x", "tok/s")
        if compared:
            below = axes[1, 0]
            unity_band(below, margin)
            dots(below, [row.scheme for row in compared], [row.time_ratio for row in compared], units.ratio)
            below.set_xscale("log")
            _room(below)
            ratio_ticks(below)
            below.set_title(f"Time per token ÷ {group.reference} (right of the line is slower)")

    return panels(parts, 1, 0.30 * sum(heights) + 0.5, draw, height_ratios=heights)


def _room(axes: Any) -> None:
    """At least ±10 % around equality, so that noise does not fill the width."""
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 1.11))


def latency(group: GenerationGroup) -> Any:
    """The share of decode steps that took at most so long, for every step of every call."""
    names = [row.scheme for row in group.rows if row.latencies]

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for row in group.rows:
            if row.latencies:
                ordered, shares = _thinned(row.latencies)
                shade = colour(row.scheme, names)
                panel.step(ordered, shares, where="post", color=shade, label=row.scheme)
                panel.plot(
                    [np.median(ordered)], [0.5], marker=marker(row.scheme), color=shade, markersize=6, linestyle="none"
                )
        panel.set_xscale("log")
        log_ticks(panel, "x", "s")
        panel.set_ylim(0, 1.01)
        panel.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 1.0], ["0", "25 %", "50 %", "75 %", "90 %", "100 %"])
        panel.set_title("Share of decode steps that took at most …")
        panel.set_xlabel("inter-token latency")
        legend_below(figure, panel)

    return panels(1, 1, 3.5, draw)


def _thinned(values: Sequence[float], most: int = 1500) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The empirical distribution function; of very many samples only every few steps are drawn, both ends kept."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    index = np.unique(np.linspace(0, ordered.size - 1, min(most, ordered.size)).round().astype(int))
    return ordered[index], (index + 1) / ordered.size


def memory(group: GenerationGroup) -> Any:
    """Model footprint and the peak beside it, as far as measured."""
    names = [row.scheme for row in group.rows]
    peak, title = _peak(group)

    def draw(_figure: Any, axes: Any) -> None:
        for panel, metric, text in zip(axes[:, 0], ("model_footprint", peak), ("Model footprint", title), strict=False):
            for place, row in enumerate(group.rows):
                value = row.memory.get(metric or "")
                if value is not None:
                    panel.barh(place, value, color=colour(row.scheme, names), height=0.62)
                panel.annotate(
                    units.si(value, "B"), (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5
                )
            panel.set_yticks(range(len(names)), names)
            panel.set_ylim(len(names) - 0.4, -0.6)
            panel.grid(False, axis="y")
            panel.tick_params(axis="y", length=0)
            panel.set_title(text)
            linear_ticks(panel, "x", "B")

    count = 2 if peak else 1
    return panels(count, 1, count * (0.27 * len(names) + 0.75), draw)


def _peak(group: GenerationGroup) -> tuple[str | None, str]:
    titles = {
        "memory_allocated_peak": "Peak allocated while generating",
        "memory_device_used": "Device memory in use",
        "memory_resident_peak": "Peak resident memory of the whole process",
    }
    found = next((name for name in titles if any(name in row.memory for row in group.rows)), None)
    return found, titles.get(found or "", "")


def _batch(group: GenerationGroup) -> int:
    """One sequence where the Case does not say how many."""
    return int(dict(group.setting).get("batch_size") or 1)


def over_batch(groups: Sequence[GenerationGroup]) -> Any:
    """Decode rate over batch size, one line per scheme, with intervals."""
    ordered = sorted(groups, key=_batch)
    names = list(dict.fromkeys(row.scheme for group in ordered for row in group.rows))

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for name in names:
            points = [
                (_batch(group), row.decode_rate)
                for group in ordered
                for row in group.rows
                if row.scheme == name and row.decode_rate is not None
            ]
            _line(panel, name, colour(name, names), points)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        sizes = sorted({_batch(group) for group in ordered})
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.minorticks_off()
        log_ticks(panel, "y", "tok/s")
        panel.set_xlabel("batch size")
        panel.set_title("Decode throughput of the whole batch, tok/s")
        legend_below(figure, panel)

    return panels(1, 1, 3.6, draw)


def _line(panel: Any, name: str, shade: str, points: Sequence[tuple[Any, Any]]) -> None:
    sizes = [size for size, _ in points]
    panel.plot(sizes, [rate.value for _, rate in points], marker=marker(name), color=shade, label=name, markersize=5)
    for size, rate in points:
        if rate.low is not None:
            panel.plot([size, size], [rate.low, rate.high], color=shade, linewidth=2.2)
