"""What all figures share: their size, their plain look, and points with intervals. matplotlib is imported here only
when a figure is drawn.

Figures are narrow, so that their text is still readable when a phone shows the whole width.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.verdict import MARGIN

from . import units
from .palette import BAND, GRID, INK, PAPER, SOFT, colour, marker
from .svg import tell

WIDTH = 4.8
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": SOFT.light,
    "axes.labelcolor": INK.light,
    "axes.titlesize": 9.5,
    "axes.titlecolor": INK.light,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # on the axes: else matplotlib looks where each tick's text stands, three times a figure
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER.light,
    "figure.facecolor": PAPER.light,
    "savefig.facecolor": PAPER.light,
    "grid.color": GRID.light,
    "grid.linewidth": 0.7,
    "text.color": INK.light,
    "xtick.color": SOFT.light,
    "ytick.color": SOFT.light,
    "xtick.labelcolor": INK.light,
    "ytick.labelcolor": INK.light,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.parse_math": False,
    "lines.linewidth": 1.5,
}


def panels(rows: int, columns: int, height: float, draw: Callable[[Any, Any], None], **options: Any) -> Any:
    """A figure of ``rows`` × ``columns`` axes, ``height`` inches high, filled by ``draw(figure, axes)``."""
    # Where the home folder cannot be written it warns that it keeps its caches elsewhere.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        draw(figure, axes)
    return figure


def dots(axes: Any, names: Sequence[str], values: Sequence[Estimate | None], text: Callable[[Estimate], str]) -> None:
    """One point with its interval per scheme, from the top down, the figure written beside it."""
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        if value is None:
            axes.annotate("not measured", (0.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
            continue
        shade = colour(name, names)
        if value.low is not None and value.high is not None:
            axes.plot([value.low, value.high], [row, row], color=shade, linewidth=2.6, solid_capstyle="butt")
        (dot,) = axes.plot([value.value], [row], marker=marker(name), color=shade, markersize=6.5, linestyle="none")
        tell(dot, f"{name}: {text(value)}")
        axes.annotate(text(value), (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def unity_band(axes: Any) -> None:
    """The line of equality and the margin within which two schemes count as the same."""
    axes.axvspan(1.0 / (1.0 + MARGIN), 1.0 + MARGIN, color=BAND.light, zorder=0)
    axes.axvline(1.0, color=SOFT.light, linewidth=1.0, zorder=1)


def log_ticks(axes: Any, which: str, unit: str) -> None:
    """Round ticks on a logarithmic axis, written with SI prefixes; fewer where the axis spans many decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    span = high / low if low > 0 else 1e9
    subs = (1.0,) if span > 60 else (1.0, 2.0, 5.0) if span > 6 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(base=10, subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value, unit)))
    axis.set_minor_formatter(NullFormatter())


_UNDER_ONE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9)
_OVER_ONE = (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0)


def ratio_ticks(axes: Any) -> None:
    """Round ratios on a logarithmic axis, 1 always among them, never closer than their texts are wide."""
    low, high = (math.log(edge) for edge in axes.get_xlim())
    kept = [1.0]
    for value in sorted((*_UNDER_ONE, *_OVER_ONE), key=lambda ratio: abs(math.log(ratio))):
        apart = min(abs(math.log(value / other)) for other in kept)
        if low <= math.log(value) <= high and apart > 0.11 * (high - low):
            kept.append(value)
    axes.set_xticks(kept, [f"×{value:g}" for value in kept])
    axes.minorticks_off()


def linear_ticks(axes: Any, which: str, unit: str) -> None:
    """A linear axis written with SI prefixes."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value, unit)))


def short(value: float, unit: str) -> str:
    """A tick's text: no trailing zeros."""
    if value == 0:
        return "0"
    scale, prefix = units.prefix_for(value, unit)
    return f"{value / scale:.4g} {prefix}{'' if unit in ('tok/s', '1') else unit}".rstrip()


def legend_below(figure: Any, axes: Any, columns: int = 3) -> None:
    """One legend for the whole figure, under it."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside lower center", ncols=min(columns, len(unique)), handlelength=1.8
    )


def notice(text: str) -> Any:
    """A figure that only says why there is none."""

    def draw(_figure: Any, axes: Any) -> None:
        axes[0, 0].set_axis_off()
        axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", wrap=True, transform=axes[0, 0].transAxes)

    return panels(1, 1, 1.3, draw)


def as_grid(panel: Any, schemes: Sequence[str]) -> None:
    """A panel of cells, a column of them for each scheme, whose names stand above; no frame and no lines."""
    panel.set_xlim(-0.5, len(schemes) - 0.5)
    panel.set_xticks(range(len(schemes)), [name.replace("-", "-\n", 1) for name in schemes])
    panel.grid(False)
    panel.tick_params(length=0, labelsize=8)
    panel.xaxis.tick_top()
    for side in panel.spines.values():
        side.set_visible(False)
