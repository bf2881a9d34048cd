"""pass@1 and joules per passed task over the number of layers removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis.statistics import Estimate
from bench.quality.analysis.summary import QualityGroup, QualityRow
from bench.report.figures import legend_below, linear_ticks, log_ticks, panels
from bench.report.palette import colour, marker

from .tables import pruned


def pruning(group: QualityGroup) -> Any:
    """Two panels, one line per scheme, with intervals."""
    rows = pruned(group)
    names = list(dict.fromkeys(row.case.scheme for row in rows))
    costly = any(row.energy_per_passed for row in rows)

    def draw(figure: Any, axes: Any) -> None:
        top = axes[0, 0]
        _lines(top, rows, names, lambda row: row.passed)
        top.set_ylim(bottom=0)
        top.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        top.set_title("pass@1 (up is better)")
        if costly:
            below = axes[1, 0]
            _lines(below, rows, names, lambda row: row.energy_per_passed)
            below.set_yscale("log")
            log_ticks(below, "y", "J")
            estimated = any(row.joules and row.joules.estimated for row in rows)
            below.set_title(f"Energy per passed task{' – ESTIMATED' if estimated else ''}, J (down is better)")
        last = axes[-1, 0]
        last.set_xlabel("layers removed")
        counts = sorted({row.removed for row in rows})
        if len(counts) <= 12:
            last.set_xticks(counts)
        else:
            linear_ticks(last, "x", "1")
        legend_below(figure, top)

    return panels(2 if costly else 1, 1, 4.6 if costly else 2.8, draw, sharex=True)


def _lines(
    panel: Any, rows: Sequence[QualityRow], names: Sequence[str], take: Callable[[QualityRow], Estimate | None]
) -> None:
    for name in names:
        points = [(row.removed, value) for row in rows if row.case.scheme == name and (value := take(row))]
        shade = colour(name, names)
        places = [place for place, _ in points]
        panel.plot(places, [v.value for _, v in points], marker=marker(name), color=shade, label=name, markersize=5)
        for place, value in points:
            if value.low is not None and value.high is not None:
                panel.plot([place, place], [value.low, value.high], color=shade, linewidth=2.2, alpha=0.6)
