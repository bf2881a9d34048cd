"""The study's figures made again from measurements: what it published stands beside them as hollow markers or bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bench.analysis.statistics import Estimate
from bench.report import units
from bench.report.figures import linear_ticks, panels, ratio_ticks
from bench.report.palette import BAND, PAPER, SOFT, colour, marker

from ..published import PrunedPoint
from ..raw.figures import over_layers, row_names
from .pruning import PrunedSeries
from .rows import Measured, StudyEnergyRow, TimeRow

_PUBLISHED = "D"
_SHAPES = ("D", "s", "o")


def time_ratios(rows: Sequence[TimeRow]) -> Any:
    """Time over the original's: published hollow, measured filled with its interval."""
    shown = [(row, row.measured) for row in rows if row.measured and row.measured.ratio]

    def draw(_figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, (row, measured) in enumerate(shown):
            panel.plot([row.ratio], [place - 0.18], marker=_PUBLISHED, markerfacecolor=PAPER.light,
                       color=SOFT.light, markersize=6, linestyle="none")  # fmt: skip
            assert measured.ratio is not None
            _point(panel, measured.ratio, place + 0.18, measured.scheme)
            _label_beside(panel, place - 0.2, f"published ×{row.ratio:.2f}")
            _label_beside(panel, place + 0.2, f"measured {units.ratio(measured.ratio)}")
        panel.set_xscale("log")
        row_names(panel, [f"{row.published.arm}\n({measured.scheme})" for row, measured in shown])
        panel.axvline(1.0, color=SOFT.light, linewidth=1.0, zorder=1)
        _widen(panel)
        panel.set_title("Time ÷ original. Hollow: the study. Filled: measured here")

    return panels(1, 1, 0.75 * len(shown) + 0.8, draw)


def energies(rows: Sequence[StudyEnergyRow]) -> Any:
    """J per token with every window, and its ratio to the original in the study's range."""
    shown = [(row, row.measured) for row in rows if row.measured]
    compared = [(row, measured) for row, measured in shown if measured.ratio]

    def draw(_figure: Any, axes: Any) -> None:
        top = axes[0, 0]
        for place, (_, measured) in enumerate(shown):
            _raw(top, measured, place)
            _point(top, measured.value, place, measured.scheme)
            _label_beside(top, place, units.estimate(measured.value, "J"))
        row_names(top, [f"{row.published.arm}\n({measured.scheme})" for row, measured in shown])
        top.set_xlim(left=0.0)
        linear_ticks(top, "x", "J")
        first = shown[0][1]
        top.set_title(f"{first.source}{' – ESTIMATED' if first.estimated else ''}: J per token; small: every window")
        if compared:
            _ratios(axes[1, 0], compared)

    heights = [len(shown) + 1.0, len(compared) + 1.0] if compared else [1.0]
    return panels(len(heights), 1, 0.45 * sum(heights) + 0.8, draw, height_ratios=heights)


def _ratios(panel: Any, compared: Sequence[tuple[StudyEnergyRow, Measured]]) -> None:
    for place, (row, measured) in enumerate(compared):
        range_ = row.published_range
        if range_ is not None:
            panel.barh(place, range_.high - range_.low, left=range_.low, height=0.7, color=BAND.light,
                       edgecolor=SOFT.light, linewidth=0.6, zorder=1)  # fmt: skip
        assert measured.ratio is not None
        _point(panel, measured.ratio, place, measured.scheme)
        _label_beside(panel, place, units.ratio(measured.ratio))
    panel.set_xscale("log")
    row_names(panel, [row.published.arm for row, _ in compared])
    panel.axvline(1.0, color=SOFT.light, linewidth=1.0, zorder=1)
    _widen(panel)
    panel.set_title("÷ original. Bar: the range that the study states")


def pruned_scores(series: Sequence[PrunedSeries], published: Sequence[PrunedPoint]) -> Any:
    """pass@1 on HumanEval+ over the number of removed layers."""

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, name in enumerate(dict.fromkeys(point.model for point in published)):
            own = [point for point in published if point.model == name]
            # Beside the measured points, because the two may be equal.
            panel.plot([p.removed - 0.06 for p in own], [100 * p.passed_plus for p in own], color=SOFT.light,
                       marker=_SHAPES[place % 3], markerfacecolor="none", linestyle="none", markersize=6 + 2 * place,
                       label=f"{name}, published (text only)")  # fmt: skip
        for label, shade, one in _labelled(series):
            points = [(p.removed, p.plus) for p in one.points if p.plus is not None]
            xs, ys = [x for x, _ in points], [100 * s.share for _, s in points]
            low = [100 * max(0.0, s.share - s.low) for _, s in points]
            high = [100 * max(0.0, s.high - s.share) for _, s in points]
            panel.errorbar(xs, ys, yerr=[low, high], color=shade, marker=marker(label), capsize=3, label=label)
        over_layers(figure, panel, "pass@1 on HumanEval+, %")
        panel.set_ylim(bottom=-1.0)

    return panels(1, 1, 3.0, draw)


def pruned_energies(series: Sequence[PrunedSeries]) -> Any:
    """J per token over the number of removed layers, every window small."""

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for label, shade, one in _labelled(series):
            points = [(p.removed, p.joules) for p in one.points if p.joules is not None]
            for point in one.points:
                values = [value for part in point.raw for value in part]
                panel.plot([point.removed] * len(values), values, ".", color=shade, markersize=3.5, alpha=0.6)
            xs, ys = [x for x, _ in points], [e.value for _, e in points]
            panel.plot(xs, ys, color=shade, marker=marker(label), label=label)
            for x, value in points:
                if value.low is not None and value.high is not None:
                    panel.plot([x, x], [value.low, value.high], color=shade, linewidth=2.2)
        linear_ticks(panel, "y", "J")
        over_layers(figure, panel, "J per token")

    return panels(1, 1, 3.0, draw)


def _labelled(series: Sequence[PrunedSeries]) -> list[tuple[str, str, PrunedSeries]]:
    names = [f"{one.model}, {one.scheme}, {one.setting.coordinate('new_tokens')} tokens" for one in series]
    return [(name, colour(name, names), one) for name, one in zip(names, series, strict=True)]


def _raw(panel: Any, measured: Measured, place: float) -> None:
    values = [value for part in measured.raw for value in part]
    shade = colour(measured.scheme, [measured.scheme])
    panel.plot(values, [place + 0.28] * len(values), ".", color=shade, markersize=3.5, alpha=0.7)


def _point(panel: Any, value: Estimate, place: float, scheme: str) -> None:
    shade = colour(scheme, [scheme])
    if value.low is not None and value.high is not None:
        panel.plot([value.low, value.high], [place, place], color=shade, linewidth=2.6, solid_capstyle="butt")
    panel.plot([value.value], [place], marker=marker(scheme), color=shade, markersize=6.5, linestyle="none")


def _label_beside(panel: Any, place: float, text: str) -> None:
    panel.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.0)


def _widen(panel: Any) -> None:
    """At least from ×0.9 to ×1.1, so that noise does not fill the width."""
    low, high = panel.get_xlim()
    panel.set_xlim(math.exp(min(math.log(low), -0.1)), math.exp(max(math.log(high), 0.1)))
    ratio_ticks(panel)
