"""What each scheme holds in memory, its peaks, and how long loading took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.analysis.generation import GenerationGroup, GenerationRow
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Section, Table, drop_uniform, table
from bench.report.figures import linear_ticks, panels
from bench.report.palette import colour
from bench.report.svg import tell

from .common import SCHEME, SETTING, each_row, figures_of_settings

_MEMORY = (
    ("Model footprint", "model_footprint"),
    ("Peak allocated", "memory_allocated_peak"),
    ("Peak reserved", "memory_reserved_peak"),
    ("Device in use", "memory_device_used"),
    ("Peak while loading", "memory_load_peak"),
    ("Peak resident (process)", "memory_resident_peak"),
)
_MEMORY_NOTE = "Largest value over the repeats; loading, quantising included: the median of the processes. "


def section(analysed: Analysed) -> Section | None:
    """Footprint and peak for each model's first setting, and every figure for all."""
    if not analysed.generation:
        return None
    what = "Measured: bytes of parameters, buffers and quantisation state; below, the peak while it ran."
    words = ("Memory per scheme", what)
    figures = figures_of_settings(analysed, "memory", words, memory_figure, has=lambda row: row.memory)
    return Section("memory", "Memory", figures=figures, tables=(memory_table(analysed.generation),))


def memory_table(groups: Sequence[GenerationGroup]) -> Table:
    """Footprint and peaks; metrics that no scheme has are left out of the columns and told in the note."""
    rows = [row for group in groups for row in group.rows]
    shown = [(title, name) for title, name in _MEMORY if any(name in row.memory for row in rows)]
    loaded = any(row.load_time is not None for row in rows)
    columns = (
        SETTING, SCHEME, *(Column(title, right=True, detail=i > 1) for i, (title, _) in enumerate(shown)),
        *((Column("Loading took", right=True),) if loaded else ()),
    )  # fmt: skip
    body = [
        (
            label,
            row.scheme,
            *(units.si(row.memory.get(name), "B") for _, name in shown),
            *((units.si(row.load_time, "s"),) if loaded else ()),
        )
        for label, _, row in each_row(groups)
    ]
    reasons = _reasons(rows, [name for _, name in _MEMORY])
    return drop_uniform(table("Memory", columns, body, _MEMORY_NOTE + reasons), "Setting")


def _reasons(rows: Iterable[GenerationRow], names: Sequence[str]) -> str:
    why: dict[str, list[str]] = {}
    for row in rows:
        for name in names:
            if name in row.not_collected and name not in why.get(row.not_collected[name], []):
                why.setdefault(row.not_collected[name], []).append(name)
    return " ".join(f"Not collected: {', '.join(items)} ({reason})." for reason, items in why.items())


def memory_figure(group: GenerationGroup) -> Any:
    """Model footprint and the peak beside it, as far as measured."""
    names = [row.scheme for row in group.rows]
    peak, title = _peak(group)

    def draw(_figure: Any, axes: Any) -> None:
        for panel, metric, text in zip(axes[:, 0], ("model_footprint", peak), ("Model footprint", title), strict=False):
            for place, row in enumerate(group.rows):
                value = row.memory.get(metric or "")
                if value is not None:
                    (bar,) = panel.barh(place, value, color=colour(row.scheme, names), height=0.62)
                    tell(bar, f"{row.scheme}: {units.si(value, 'B')}")
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
