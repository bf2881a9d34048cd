"""Values as they stand in a CSV file → numbers in SI base units, put into their launches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.record.errors import RecordError

from .counters import Launch
from .ncu_cells import Cell
from .ncu_numbers import NumberFormat, infer_format, parse_number
from .ncu_units import base_unit

# A sum of these, not scaled to thousands, is a whole number: that helps to tell the number format.
_WHOLE = frozenset((unit, 1.0, 1.0) for unit in ("sector", "inst", "warp", "request", "thread", "B"))
_SURELY_NUMBERS = (".sum", ".pct", ".avg", ".max", ".min", ".ratio")


def store_values(cells: Sequence[Cell], launches: Sequence[Launch]) -> None:
    """Parse all values in the number format they agree on.

    Metrics that are text in the whole file (a cache configuration, a device name) are left out. Raises
    RecordError, naming the line, for text in a metric that is a number elsewhere or by its name.
    """
    style = infer_format((cell.text for cell in cells), _whole_texts(cells))
    units = {unit: base_unit(unit) for unit in {cell.unit for cell in cells}}
    texts: dict[str, Cell] = {}
    numeric: set[str] = set()
    for cell in cells:
        value = _value(cell, style, texts)
        if value is not None:
            numeric.add(cell.metric)
            name, multiply, divide = units[cell.unit]
            _put(launches[cell.launch], cell.metric, value * multiply / divide, name)
    for metric, cell in texts.items():
        if metric in numeric or (metric.endswith(_SURELY_NUMBERS) and ":" not in metric):
            raise RecordError(
                f"line {cell.line}: {cell.text[:40]!r} is not a number like this file's others ({metric}): "
                "the file is damaged or mixes number formats; profile again with LC_ALL=C"
            )


def _value(cell: Cell, style: NumberFormat, texts: dict[str, Cell]) -> float | None:
    try:
        return parse_number(cell.text, style)
    except ValueError:
        texts.setdefault(cell.metric, cell)
        return None


def _whole_texts(cells: Iterable[Cell]) -> list[str]:
    return [cell.text for cell in cells if cell.metric.endswith(".sum") and base_unit(cell.unit) in _WHOLE]


def _put(launch: Launch, metric: str, value: float, unit: str) -> None:
    """The details page uses some labels twice: with another unit it is another quantity."""
    known = launch.metrics.setdefault(metric, (value, unit))
    if known[1] != unit:
        launch.metrics.setdefault(f"{metric} [{unit}]", (value, unit))


def holes(launches: Sequence[Launch]) -> list[str]:
    """A warning where launches of one kernel do not all have the same metrics."""
    every: dict[str, set[str]] = {}
    for launch in launches:
        every.setdefault(launch.kernel, set()).update(launch.metrics)
    short = [place for place, launch in enumerate(launches) if len(launch.metrics) < len(every[launch.kernel])]
    if not short:
        return []
    missing = sorted({name for place in short for name in every[launches[place].kernel] - set(launches[place].metrics)})
    named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    cut = "; the last launch is one of them, so the file may be cut off" if short[-1] == len(launches) - 1 else ""
    return [f"{len(short)} of {len(launches)} launches lack metrics that others of their kernel have ({named}){cut}"]
