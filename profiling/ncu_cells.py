"""A CSV table → launches, and their values as they stand in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.record.errors import RecordError

from .counters import Launch
from .ncu_nvtx import path_of_csv
from .ncu_table import Table

# Columns that describe a launch; in the raw page every other column is a metric.
_IDENTITY = frozenset(
    {"ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Kernel Time", "Context", "Stream"}
    | {"Block Size", "Grid Size", "Device", "CC", "Section Name", "Invocations", "Thread ID", "Device ID"}
)
_TRIPLE = re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?")


@dataclass(frozen=True)
class Cell:
    """One value as it stands in the file. ``launch`` is the launch's place in order of appearance."""

    line: int
    launch: int
    metric: str
    unit: str
    text: str


class TableReader:
    """Reads tables into ``launches`` and ``cells``, both in the order of the file."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.cells: list[Cell] = []

    def read(self, table: Table) -> None:
        """Raises RecordError for a table that sums launches up."""
        if "ID" not in table.header:
            raise RecordError("this is a summary over launches: write it without --print-summary")
        rows = _by_metric(table) if "Metric Name" in table.header else _by_launch(table)
        known: dict[tuple[str, ...], int] = {}
        for key, row, cells in rows:
            if key not in known:
                known[key] = len(self.launches)
                self.launches.append(_launch(row))
            self.cells += [Cell(line, known[key], metric, unit, text) for line, metric, unit, text in cells]


_Row = dict[str, str]
_Read = Iterator[tuple[tuple[str, ...], _Row, list[tuple[int, str, str, str]]]]


def _by_metric(table: Table) -> _Read:
    """Live output and the details page: one row per launch and metric."""
    for line, cells in table.rows:
        row = dict(zip(table.header, cells, strict=True))
        key = (row.get("Process ID", ""), row["ID"], row["Kernel Name"])
        # The details page also has rows with a rule's advice and no metric.
        name = row["Metric Name"]
        yield key, row, [(line, name, row.get("Metric Unit", ""), row["Metric Value"])] if name else []


def _by_launch(table: Table) -> _Read:
    """The raw page: one row per launch, one column per metric, units in a row of their own."""
    units = table.units or ("",) * len(table.header)
    places = [place for place, name in enumerate(table.header) if name and not _describes_launch(name)]
    for line, cells in table.rows:
        values = [(line, table.header[place], units[place], cells[place]) for place in places]
        yield (str(line),), dict(zip(table.header, cells, strict=True)), values


def _describes_launch(name: str) -> bool:
    return name in _IDENTITY or "_Range:" in name


def _launch(row: _Row) -> Launch:
    ranges = next((cell for name, cell in row.items() if "Push/Pop_Range" in name), "")
    return Launch(
        kernel=row["Kernel Name"],
        launch_id=_integer(row["ID"]),
        process_id=_integer(row.get("Process ID", "")),
        block=_triple(row.get("Block Size", "")),
        grid=_triple(row.get("Grid Size", "")),
        nvtx=path_of_csv(ranges),
    )


def _integer(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _triple(text: str) -> tuple[int, int, int]:
    match = _TRIPLE.fullmatch(text)
    return (_integer(match[1]), _integer(match[2]), _integer(match[3])) if match else (-1, -1, -1)
