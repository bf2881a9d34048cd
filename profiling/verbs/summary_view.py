"""A summary as tables on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.report.console import console as make_console
from bench.report.content import Cell, Column
from bench.report.terminal import print_lines
from bench.report.units import si
from bench.report.visible import visible
from bench.report.words import cut_short

_UNITS = (("s", 1e9), ("ms", 1e6), ("µs", 1e3))
_NAME_WIDTH = 60


def show(summary: dict[str, Any], top: int, console: Console | None = None, *, short: bool = False) -> None:
    """Print every list of rows in the summary as a table of at most ``top`` rows, and the rest as lines. ``short``: a
    line each, the times first."""
    console = console or make_console()
    if short and "busy_ns" in summary:
        _show_times(summary, console)
    for key, value in summary.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and not _of_one_gpu(key, value):
            for title, rows in _split(key.replace("_", " "), value):
                _print(title, rows, top, console, short=short)
    for name, rows in summary.get("tables", {}).items():
        console.print(_table(name, rows, top))
    for note in [*summary.get("notes", []), *summary.get("warnings", [])]:
        console.print(Text(visible(f"note: {note}")))
    if not short and "busy_ns" in summary:
        _show_times(summary, console)


def _show_times(summary: dict[str, Any], console: Console) -> None:
    if summary["busy_ns"] is None:
        console.print("GPU time: not collected")
    else:
        shown = {name: _shown(f"{name}_ns", summary[f"{name}_ns"]) for name in _TIMES}
        copying = sum(gpu["only_copies_ns"] for gpu in summary.get("gpus", ()))
        number = len(summary.get("gpus", ()))
        console.print(
            "{gpus}: busy {busy} + idle {idle} = {span}; idle: sync stall {sync_stall}, host gap {host_gap}".format(
                gpus="GPU" if number < 2 else f"{number} GPUs together", **shown
            )
        )
        if copying:
            ran, share = summary["busy_ns"] - copying, copying / summary["busy_ns"]
            console.print(f"of the busy time: kernels {_duration(ran)}, only copies {_duration(copying)} ({share:.0%})")
    blocking = summary.get("blocking_copies")
    of = f" (of these {blocking} blocking copies)" if blocking else ""
    console.print(f"synchronising calls: {summary['syncs']}{of}; copies: {summary['copies']}")


def _split(title: str, rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """A table of counters as two: with all of its columns it would leave no room for names."""
    told = [name for name in _PEAKS if any(row.get(name) is not None for row in rows)]
    if all(row.get("l2_hit_rate_ncu") == row.get("l2_hit_rate") for row in rows):
        told = [name for name in told if name != "l2_hit_rate_ncu"]
    first = [{name: value for name, value in row.items() if name not in _PEAKS} for row in rows]
    second = [{"name": row["name"], **{name: row[name] for name in told}} for row in rows] if told else []
    return [(title, first), *([("of the peak", second)] if second else [])]


def _of_one_gpu(key: str, rows: list[dict[str, Any]]) -> bool:
    """Whether a table only repeats what the last lines say."""
    return key == "gpus" and len(rows) == 1


_TIMES = ("busy", "idle", "span", "sync_stall", "host_gap")


def _print(title: str, rows: list[dict[str, Any]], top: int, console: Console, *, short: bool) -> None:
    if short:
        names = _columns(rows)
        columns = [Column(_title(name), right=isinstance(rows[0][name], int | float)) for name in names]
        cells = [[Cell(_shown(name, row[name])) for name in names] for row in rows[:top]]
        console.print(Text(f"{title}, the first {top} of {len(rows)}" if len(rows) > top else title, style="bold"))
        if print_lines(columns, cells, console):
            return
    console.print(_table(title, rows, top))


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    columns = [name for name in (rows[0] if rows else {}) if not isinstance(rows[0][name], dict)]
    return [name for name in columns if not (name in _MAY_LACK and all(row[name] is None for row in rows))]


def _table(title: str, rows: list[dict[str, Any]], top: int) -> Table:
    left_out = f" (first {top} of {len(rows)})" if len(rows) > top else ""
    table = Table(title=f"{title}{left_out}", title_justify="left")
    columns = _columns(rows)
    for name in columns:
        number = isinstance(rows[0][name], int | float)
        wide = 16 if name == "name" else None  # many numbers must not squeeze the name away
        table.add_column(_title(name), justify="right" if number else "left", no_wrap=number, min_width=wide)
    for row in rows[:top]:
        table.add_row(*(Text(visible(_shown(name, row[name]))) for name in columns))
    return table


def _title(column: str) -> str:
    return _SHORT.get(column) or column.removesuffix("_ns")


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name.endswith("_ns"):
        return _duration(value)
    if name in _BYTES:
        return f"{value / _BYTES[name][1]:.4g} {_BYTES[name][0]}"
    if name.endswith("_percent"):
        return f"{value:.1f} %"
    if name == "dram_bytes":
        return si(value, "B")
    if isinstance(value, float):
        return f"{value:.3g}"
    return cut_short(str(value), _NAME_WIDTH)


# Shown where any row has them.
_MAY_LACK = ("l1_hit_rate", "dram_bytes")
_PEAKS = ("dram_percent", "sm_percent", "occupancy_percent", "l2_hit_rate_ncu")
_SHORT = {
    "l1_hit_rate": "L1 hits",
    "l2_hit_rate": "L2 hits",
    "l2_hit_rate_ncu": "ncu's L2",
    "dram_percent": "dram",
    "sm_percent": "sm",
    "occupancy_percent": "occupied",
    "dram_bytes": "DRAM",
}
_BYTES = {"bytes": ("MB", 1e6), "bytes_per_s": ("GB/s", 1e9)}


def _duration(ns: float) -> str:
    for unit, size in _UNITS:
        if abs(ns) >= size:
            return f"{ns / size:.3f} {unit}"
    return f"{ns:.0f} ns"
