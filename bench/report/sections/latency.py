"""How long each token takes: the first, and the distribution of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Row, Section, Table, drop_uniform, table
from bench.report.figures import legend_below, log_ticks, panels
from bench.report.palette import colour, marker
from bench.report.svg import tell
from bench.report.words import ratio_cell

from .common import SCHEME, SETTING, each_row, figures_of_settings

# Steps of one scheme that its curve is drawn of.
_MOST_DRAWN = 1500


def section(analysed: Analysed) -> Section | None:
    """The distribution for each model's first setting, and quantiles for all."""
    if not analysed.generation:
        return None
    what = "Measured: time between two successive tokens, every decode step of every call. Marker: median."
    words = ("Distribution of the inter-token latency", what)
    figures = figures_of_settings(analysed, "latency", words, latency_figure, has=lambda row: row.latencies)
    return Section("latency", "Latency", figures=figures, tables=(latency_table(analysed.generation),))


def latency_table(groups: Sequence[GenerationGroup]) -> Table:
    """Time to first token and the quantiles of the inter-token latency."""
    columns = (
        SETTING,
        SCHEME,
        Column("Prompt tokens", right=True, detail=True),
        Column("First token", right=True),
        Column("First token ÷ reference", right=True, detail=True),
        Column("Step p50", right=True),
        Column("Step p90", right=True, detail=True),
        Column("Step p99", right=True),
        Column("Steps", right=True, detail=True),
    )
    rows = [(label, *_latency_row(row, group)) for label, group, row in each_row(groups)]
    note = "Step: time between two successive tokens. p50, p90, p99: quantiles over all decode steps of all calls."
    return drop_uniform(table("Latency", columns, rows, note), "Setting")


def _latency_row(row: GenerationRow, group: GenerationGroup) -> Row:
    steps = row.step_latency or (None, None, None)
    return (
        row.scheme,
        "–".join(map(str, dict.fromkeys(row.prompt_tokens or ()))) or units.ABSENT,
        units.estimate(row.time_to_first_token, "s"),
        ratio_cell(row.first_token_ratio, row.scheme == group.reference),
        *(units.si(step, "s") for step in steps),
        str(row.steps),
    )


def latency_figure(group: GenerationGroup) -> Any:
    """The share of decode steps that took at most so long, for every step of every call."""
    names = [row.scheme for row in group.rows if row.latencies]

    def draw(figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for row in group.rows:
            if row.latencies:
                ordered, shares = _thinned(row.latencies)
                shade = colour(row.scheme, names)
                (line,) = panel.step(ordered, shares, where="post", color=shade, label=row.scheme)
                places = zip((50, 90, 99), row.step_latency or (), strict=False)
                steps = ", ".join(f"p{place} {units.si(step, 's')}" for place, step in places)
                tell(line, f"{row.scheme}: {steps}")
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


def _thinned(values: Sequence[float]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The empirical distribution function; of very many samples only every few steps are drawn, both ends kept."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    index = np.unique(np.linspace(0, ordered.size - 1, min(_MOST_DRAWN, ordered.size)).round().astype(int))
    return ordered[index], (index + 1) / ordered.size
