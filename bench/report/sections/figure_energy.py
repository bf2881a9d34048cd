"""Joules per token: one panel per source that gave any, gross as a point with interval, net of idle as a hollow one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.baselines import NAMES
from bench.analysis.energy import EnergyGroup, EnergyRow
from bench.report import units
from bench.report.figures import dots, linear_ticks, notice, panels
from bench.report.palette import PAPER, colour, marker


def energy(group: EnergyGroup | None) -> Any:
    """The panels of the sources with data; else a notice with the reasons."""
    if group is None:
        return notice("Energy: not collected.\nNo energy pass was run.")
    sources = list(dict.fromkeys(row.source for row in group.rows if row.gross is not None))
    if not sources:
        reasons = dict.fromkeys(f"{row.source}: {row.reason}" for row in group.rows)
        return notice("Energy: not collected.\n" + "\n".join(reasons))
    parts = [[row for row in group.rows if row.source == source] for source in sources]

    def draw(_figure: Any, axes: Any) -> None:
        for panel, source, rows in zip(axes[:, 0], sources, parts, strict=True):
            _panel(panel, source, rows)

    heights = [len(rows) + 1.8 for rows in parts]
    return panels(len(parts), 1, 0.30 * sum(heights) + 0.4, draw, height_ratios=heights)


def _panel(panel: Any, source: str, rows: Sequence[EnergyRow]) -> None:
    names = [row.scheme for row in rows]
    dots(panel, names, [row.gross for row in rows], lambda value: units.si(value.value, "J"))
    for place, row in enumerate(rows):
        if row.net is not None:
            shade = colour(row.scheme, names)
            if row.net.low is not None and row.net.high is not None:
                panel.plot([row.net.low, row.net.high], [place, place], color=shade, linewidth=1.2)
            panel.plot(
                [row.net.value], [place], marker=marker(row.scheme), color=shade, markerfacecolor=PAPER.light,
                markersize=6, linestyle="none",
            )  # fmt: skip
    panel.set_xlim(left=min(0.0, panel.get_xlim()[0]))
    linear_ticks(panel, "x", "J")
    kind = " – ESTIMATED" if any(row.estimated for row in rows) else ""
    hollow = f"; hollow: net of {NAMES['held']}" if any(row.net is not None for row in rows) else ""
    panel.set_title(f"{source}{kind}: J per token, gross{hollow}")
