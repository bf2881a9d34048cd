"""Figures about the nodes of a sweep: throughput by node and scheme, and how far each node is from the median one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.cluster.analysis.nodes import FLOOR, Fleet, Node, Rates
from bench.report import units
from bench.report.figures import as_grid, panels
from bench.report.palette import BAND, GRID, INK, LESS, MORE, SOFT

# Rows of the heat map. More would be smaller than text can be read.
MOST_ROWS = 24
_FLAGGED = 8
# The colour is strongest at this deviation from the scheme's median, and for what is beyond.
_FULL = 0.25
_LONGEST = 18
_FIGURE_NAME = 11
# So many names stand beside each other.
_FEW = 8


def by_speed(fleet: Fleet) -> tuple[Node, ...]:
    """The nodes with a factor, the slowest first, then the others."""
    return tuple(sorted(fleet.nodes, key=lambda node: -(node.factor or -math.inf)))


def drawn(fleet: Fleet, rates: Rates) -> tuple[Node, ...]:
    """The rows of the heat map: all nodes, or of many the most outlying ones and a fair sample by rank of the rest."""
    found = [node for node in by_speed(fleet) if node.name in rates.rates]
    if len(found) <= MOST_ROWS:
        return tuple(found)
    flagged = sorted((node for node in found if node.outlying), key=lambda node: -abs(node.z or 0.0))[:_FLAGGED]
    rest = [node for node in found if node not in flagged]
    count = MOST_ROWS - len(flagged)
    sample = [rest[round(place * (len(rest) - 1) / (count - 1))] for place in range(count)]
    return tuple(node for node in found if node in flagged or node in sample)


def medians(rates: Rates) -> dict[str, float]:
    """Scheme → median over the nodes."""
    return {
        scheme: median(found[scheme] for found in rates.rates.values() if scheme in found) for scheme in rates.schemes
    }


def mark(rate: float, middle: float) -> str:
    """↓ for a node that is slower than the median one by more than the floor, ↑ for a faster one, else nothing."""
    share = rate / middle
    return "↓ " if share < 1.0 / (1.0 + FLOOR) else "↑ " if share > 1.0 + FLOOR else ""


def heat(fleet: Fleet, rates: Rates) -> Any:
    """A row per node, a column per scheme: tok/s, coloured by its distance from the scheme's median over nodes."""
    rows, middles = drawn(fleet, rates), medians(rates)

    def draw(_figure: Any, axes: Any) -> None:
        panel = axes[0, 0]
        for place, node in enumerate(rows):
            for column, scheme in enumerate(rates.schemes):
                _cell(panel, column, place, rates.rates[node.name].get(scheme), middles[scheme])
        as_grid(panel, rates.schemes)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.set_yticks(range(len(rows)), [short_name(node.name) + (" !" if node.outlying else "") for node in rows])

    return panels(1, 1, 0.24 * len(rows) + 0.7, draw)


def short_name(name: str, most: int = _LONGEST) -> str:
    """Beginning and end of a long name: nodes of one cluster differ at the end of their first part."""
    first = name.partition(".")[0] or name
    begin = most - 9 if most >= _LONGEST else 0  # two letters of a beginning tell nobody anything
    return first if len(first) <= most else f"{first[:begin]}…{first[-8:]}"


def _cell(panel: Any, column: int, row: int, rate: float | None, middle: float) -> None:
    from matplotlib.patches import Rectangle

    size = min(abs(math.log(rate / middle)) / math.log1p(_FULL), 1.0) if rate else 0.0
    sign = mark(rate, middle) if rate else ""
    shade = {"↓ ": MORE.light, "↑ ": LESS.light}.get(sign, BAND.light)
    alpha = 0.2 + 0.5 * size if sign else 1.0
    panel.add_patch(
        Rectangle((column - 0.48, row - 0.44), 0.96, 0.88, facecolor=shade, alpha=alpha, edgecolor=GRID.light)
    )
    text = sign + units.number(rate) if rate else "–"
    panel.annotate(text, (column, row), ha="center", va="center", fontsize=7.5, color=INK.light)


def factors(fleets: Sequence[Fleet]) -> Any:
    """Each node's time ÷ the median node's, by rank; a panel per hardware. Outlying ones are named."""
    several = len(fleets) > 1

    def draw(_figure: Any, axes: Any) -> None:
        for panel, fleet in zip(axes[:, 0], fleets, strict=True):
            _factors(panel, fleet)
            axis_label = "Time per token against the median node, % (up is slower)"
            panel.set_title(f"{fleet.machine}: time against its median node, %" if several else axis_label)

    return panels(len(fleets), 1, 2.3 * len(fleets), draw)


def _factors(panel: Any, fleet: Fleet) -> None:
    ranked = [node for node in reversed(by_speed(fleet)) if node.factor is not None]
    percent = [100.0 * ((node.factor or 1.0) - 1.0) for node in ranked]
    panel.axhspan(-100.0 * FLOOR, 100.0 * FLOOR, color=BAND.light, zorder=0)
    panel.axhline(0.0, color=SOFT.light, linewidth=1.0, zorder=1)
    size = 5.5 if len(ranked) <= 40 else 3.0
    for outlying in (False, True):
        chosen = [(place, percent[place]) for place, node in enumerate(ranked) if node.outlying is outlying]
        if chosen:
            shade, sign = (MORE.light, "D") if outlying else (INK.light, "o")
            panel.plot(*zip(*chosen, strict=True), linestyle="none", marker=sign, markersize=size, color=shade)
    low, high = min(*percent, -100.0 * FLOOR), max(*percent, 100.0 * FLOOR)
    room = 0.16 * (high - low)
    panel.set_ylim(low - room, high + room)
    margin = max(0.6, 0.02 * len(ranked))
    panel.set_xlim(-margin, len(ranked) - 1 + margin)
    _names(panel, ranked, percent, 0.09 * (high - low + 2 * room))
    _whole_ticks(panel, len(ranked))
    panel.grid(False, axis="x")
    panel.set_xlabel("node, by rank")


def _names(panel: Any, ranked: Sequence[Node], percent: Sequence[float], least: float) -> None:
    """All names where there are few, else those of the outlying nodes that are farthest away. ``least``: how far apart
    names must be to be read, in %."""
    if len(ranked) <= _FEW:
        for place, node in enumerate(ranked):
            _name(panel, node, (place, percent[place]), "center")
        return
    slow, fast = _farthest(ranked)
    for places, sign, align in ((slow, 1.0, "right"), (fast, -1.0, "left")):
        last = math.inf
        for place in places:
            last = min(sign * percent[place], last - least)
            # Beside all the marks that are named, so that no name lies on one.
            at = (min if align == "right" else max)(places)
            _name(panel, ranked[place], (at, sign * last), align)


def _name(panel: Any, node: Node, point: tuple[float, float], align: str) -> None:
    offset = {"center": (0, 7), "right": (-6, 0), "left": (6, 0)}[align]
    panel.annotate(
        short_name(node.name, _FIGURE_NAME), point, textcoords="offset points", xytext=offset, ha=align,
        va="bottom" if align == "center" else "center", fontsize=7.5, color=INK.light,
    )  # fmt: skip


def _farthest(ranked: Sequence[Node]) -> tuple[list[int], list[int]]:
    """At most three at each end, the farthest first: more names would not fit."""
    places = [place for place, node in enumerate(ranked) if node.outlying]
    slow = [place for place in reversed(places) if (ranked[place].factor or 1.0) > 1.0]
    fast = [place for place in places if (ranked[place].factor or 1.0) <= 1.0]
    return slow[:3], fast[:3]


def _whole_ticks(panel: Any, count: int) -> None:
    if count <= _FEW:
        panel.set_xticks(range(count), [str(place + 1) for place in range(count)])
        return
    step = next(step for step in (5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if count / step <= _FEW)
    panel.set_xticks(
        [0, *range(step - 1, count, step)], ["1", *(str(place + 1) for place in range(step - 1, count, step))]
    )
