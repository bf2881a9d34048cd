"""Values as they stand in a CSV file → numbers in SI base units, put into their launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from bench.record.errors import RecordError

from .counters import Columns, CounterColumn, Launch
from .ncu_cells import NcuCell, TableReader
from .ncu_numbers import NumberFormat, infer_format, parse_number
from .ncu_table import CsvTable
from .ncu_units import base_unit

# A sum of these, not scaled to thousands, is a whole number: that helps to tell the number format. So are a GPU's ns.
_WHOLE = frozenset((unit, 1.0, 1.0) for unit in ("sector", "inst", "warp", "request", "thread", "B")) | {
    base_unit("ns")
}
# The same value printed twice may differ by how it was rounded, in its last digit or to another unit.
_ROUNDED, _LAST_DIGIT = 0.01, 0.01
_SURELY_NUMBERS = (".sum", ".pct", ".avg", ".max", ".min", ".ratio")


def columns_of(tables: Sequence[CsvTable]) -> tuple[list[Launch], dict[str, CounterColumn], list[str]]:
    """The launches of some tables, a column per metric, and warnings: all values are in the number format that they
    agree on.

    The tables are read twice, first for the format and then for the values, because all their cells at a time would be
    many times the file. Metrics that are text in the whole file (a cache configuration, a device name) are left out.
    Raises RecordError, naming the line, for text in a metric that is a number elsewhere or by its name, and for a
    counter that one launch has twice.
    """
    reader = TableReader()
    style = infer_format((cell.text, _is_whole(cell)) for cell in reader.cells(tables))
    columns = Columns(len(reader.launches))
    texts: dict[str, NcuCell] = {}
    twice: dict[str, tuple[NcuCell, float]] = {}
    numeric: set[str] = set()
    for cell in TableReader().cells(tables):
        value = _value(cell, style, texts)
        if value is not None:
            numeric.add(cell.metric)
            name, multiply, divide = _unit(cell.unit)
            given = value * multiply / divide
            first = columns.put(cell.launch, cell.metric, given, name)
            if first != given and abs(first - given) > max(_ROUNDED * abs(first), _LAST_DIGIT * multiply / divide):
                twice.setdefault(cell.metric, (cell, first / multiply * divide))
    _refuse_texts(texts, numeric)
    return reader.launches, columns.found, _guessed(style) + _given_twice(twice)


def _given_twice(twice: Mapping[str, tuple[NcuCell, float]]) -> list[str]:
    """A warning for each label of the details page that stands for several quantities. Raises RecordError for a counter
    with two values in one launch."""
    for metric, (cell, first) in twice.items():
        if "__" in metric:
            raise RecordError(
                f"line {cell.line}: {metric} of one launch is {first:g} before and {cell.text[:40]} here: the rows of "
                "two profiles are mixed; give a file of each, or profile again"
            )
    return [
        f"{metric} has several values in one launch, such as {first:g} and {cell.text[:40]} (line {cell.line}): the "
        "first of each is taken; the raw page tells them apart (ncu --page raw)"
        for metric, (cell, first) in twice.items()
    ]


def _guessed(style: NumberFormat) -> list[str]:
    """A warning where no number tells whether its comma or point groups thousands."""
    if not style.guess:
        return []
    told = "a point" if "." in style.guess else "a comma that groups thousands"
    return [
        f"no number in it tells the number format: {style.guess[:40]} is read as with {told}, and may be 1,000 times "
        "as large or small; profile with LC_ALL=C, or --print-units base"
    ]


def _refuse_texts(texts: Mapping[str, NcuCell], numeric: set[str]) -> None:
    for metric, cell in texts.items():
        if metric in numeric or (metric.endswith(_SURELY_NUMBERS) and ":" not in metric):
            raise RecordError(
                f"line {cell.line}: {cell.text[:40]!r} is not a number like this file's others ({metric}): "
                "the file is damaged or mixes number formats; profile again with LC_ALL=C"
            )


def _value(cell: NcuCell, style: NumberFormat, texts: dict[str, NcuCell]) -> float | None:
    try:
        return parse_number(cell.text, style)
    except ValueError:
        texts.setdefault(cell.metric, cell)
        return None


def _is_whole(cell: NcuCell) -> bool:
    return cell.metric.endswith((".sum", ".max", ".min")) and _unit(cell.unit) in _WHOLE


@lru_cache(maxsize=1000)
def _unit(unit: str) -> tuple[str, float, float]:
    return base_unit(unit)


def holes(launches: Sequence[Launch], columns: Mapping[str, CounterColumn]) -> list[str]:
    """A warning where launches of one kernel do not all have the same metrics."""
    numbers: dict[str, int] = {}
    kernel = np.array([numbers.setdefault(launch.kernel, len(numbers)) for launch in launches], np.int64)
    size, short, missing = np.bincount(kernel), np.zeros(len(kernel), bool), []
    for name, column in columns.items():
        present = ~np.isnan(column.values)
        count = np.bincount(kernel, present)
        partly = (count > 0) & (count < size)
        if partly.any():
            missing.append(name)
            short |= partly[kernel] & ~present
    if not missing:
        return []
    missing.sort()
    named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    cut = "; the last launch is one of them, so the file may be cut off" if short[-1] else ""
    lack = f"{int(short.sum())} of {len(launches)} launches lack metrics that others of their kernel have"
    return [f"{lack} ({named}){cut}"]
