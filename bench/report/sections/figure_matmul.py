"""Time of one Linear over the number of rows, with the least time that the traffic allows drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.matmul import MatmulRow
from bench.report.figures import legend_below, log_ticks, panels
from bench.report.palette import SOFT, colour, marker

MOST_LAYERS = 6


def shapes(rows: Sequence[MatmulRow]) -> list[tuple[str, int, int]]:
    """The layer shapes in order of size."""
    return list(dict.fromkeys((row.layer, row.n, row.k) for row in rows))


def matmul(rows: Sequence[MatmulRow], layers: Sequence[tuple[str, int, int]]) -> Any:
    """One row of panels per layer shape, one column per residency (hot and cold are never mixed)."""
    names = list(dict.fromkeys(row.scheme for row in rows))
    places = sorted({row.residency for row in rows})

    def draw(figure: Any, axes: Any) -> None:
        for line, layer in enumerate(layers):
            for column, residency in enumerate(places):
                chosen = [row for row in rows if (row.layer, row.n, row.k) == layer and row.residency == residency]
                _panel(axes[line, column], chosen, names)
                axes[line, column].set_title(f"{layer[0]} {layer[1]}×{layer[2]}\n{residency} weights")
        for panel in axes[-1, :]:
            panel.set_xlabel("m (rows of activations)")
        _key(axes[0, 0])
        legend_below(figure, axes[0, 0])

    return panels(len(layers), len(places), 1.9 * len(layers) + 0.9, draw, sharex=True, sharey="row")


def _panel(panel: Any, rows: Sequence[MatmulRow], names: Sequence[str]) -> None:
    for name in names:
        mine = sorted((row for row in rows if row.scheme == name), key=lambda row: row.m)
        _scheme(panel, mine, name, colour(name, names))
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    sizes = sorted({row.m for row in rows})
    shown = sizes if len(sizes) <= 6 else [size for size in sizes if size in (1, 4, 16, 64, 512)]
    panel.set_xticks(shown, [str(size) for size in shown])
    panel.minorticks_off()
    log_ticks(panel, "y", "s")


def _scheme(panel: Any, rows: Sequence[MatmulRow], name: str, shade: str) -> None:
    sizes = [row.m for row in rows]
    panel.plot(sizes, [row.time.value for row in rows], marker=marker(name), markersize=4, color=shade, label=name)
    for row in rows:
        if row.time.low is not None and row.time.high is not None:
            panel.plot([row.m, row.m], [row.time.low, row.time.high], color=shade, linewidth=1.6)
    bounded = [(row.m, row.bound) for row in rows if row.bound is not None]
    if bounded:
        places = [m for m, _ in bounded]
        panel.plot(places, [bound.low for _, bound in bounded], color=shade, linewidth=1.0, linestyle=(0, (4, 2)))
        if any(bound.high > bound.low for _, bound in bounded):
            low, high = [bound.low for _, bound in bounded], [bound.high for _, bound in bounded]
            panel.fill_between(places, low, high, color=shade, alpha=0.1, linewidth=0)


def _key(panel: Any) -> None:
    panel.plot([], [], color=SOFT.light, linewidth=1.0, linestyle=(0, (4, 2)), label="traffic bound")
