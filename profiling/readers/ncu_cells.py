"""A CSV table → launches, and their values as they stand in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.record.errors import RecordError

from .counters import Launch
from .ncu_nvtx import path_of_csv
from .ncu_table import CsvTable

# Columns that describe a launch; in the raw page every other column is a metric.
_IDENTITY = frozenset(
    {"ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Kernel Time", "Context", "Stream"}
    | {"Block Size", "Grid Size", "Device", "CC", "Section Name", "Invocations", "Thread ID", "Device ID"}
)
_TRIPLE = re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)?")


@dataclass(frozen=True, slots=True)
class NcuCell:
    """One value as it stands in the file. ``launch`` is the launch's place in order of appearance."""

    line: int
    launch: int
    metric: str
    unit: str
    text: str


class TableReader:
    """Reads tables cell by cell, in the order of the file; ``launches`` are those that have appeared so far."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self._known: dict[tuple[str, ...], int] = {}
        # Each text once: a kernel is launched thousands of times.
        self._texts: dict[str, str] = {}
        self._sizes: dict[str, tuple[int, int, int]] = {}

    def cells(self, tables: Iterable[CsvTable]) -> Iterator[NcuCell]:
        """Raises RecordError for a table that sums launches up, and for a damaged row."""
        for table in tables:
            if "ID" not in table.header:
                raise RecordError("this is a summary over launches: write it without --print-summary")
            yield from self._by_metric(table) if "Metric Name" in table.header else self._by_launch(table)
            self._known.clear()

    def _by_metric(self, table: CsvTable) -> Iterator[NcuCell]:
        """Live output and the details page: one row per launch and metric."""
        for line, cells, _ in _rows(table):
            row = dict(zip(table.header, cells, strict=True))
            key = (row.get("Host Name", ""), row.get("Process ID", ""), row["ID"], row["Kernel Name"])
            if key not in self._known:
                self._known[key] = self._launch(row)
            # The details page also has rows with a rule's advice and no metric.
            if name := row["Metric Name"]:
                yield NcuCell(line, self._known[key], name, row.get("Metric Unit", ""), row["Metric Value"])

    def _by_launch(self, table: CsvTable) -> Iterator[NcuCell]:
        """The raw page: one row per launch, one column per metric, units in a row of their own."""
        places = [place for place, name in enumerate(table.header) if name and not _describes_launch(name)]
        for line, cells, units in _rows(table):
            launch = self._launch(dict(zip(table.header, cells, strict=True)))
            for place in places:
                yield NcuCell(line, launch, table.header[place], units[place] if units else "", cells[place])

    def _launch(self, row: _Row) -> int:
        """The place of a launch that appears for the first time."""
        ranges = next((cell for name, cell in row.items() if "Push/Pop_Range" in name), "")
        launch = Launch(
            kernel=self._texts.setdefault(row["Kernel Name"], row["Kernel Name"]),
            launch_id=_integer(row["ID"]),
            process_id=_integer(row.get("Process ID", "")),
            block=self._size(row.get("Block Size", "")),
            grid=self._size(row.get("Grid Size", "")),
            nvtx=self._texts.setdefault(path := path_of_csv(ranges), path),
        )
        self.launches.append(launch)
        return len(self.launches) - 1

    def _size(self, text: str) -> tuple[int, int, int]:
        return self._sizes.setdefault(text, _triple(text))


_Row = dict[str, str]


def _rows(table: CsvTable) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """(line, cells, units) of each launch or value."""
    units: tuple[str, ...] = ()
    first = True
    for line, cells in table.rows():
        if first and not cells[0] and not units:
            units = cells
            continue
        first = False
        yield line, cells, units


def _describes_launch(name: str) -> bool:
    return name in _IDENTITY or "_Range:" in name


def _integer(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _triple(text: str) -> tuple[int, int, int]:
    match = _TRIPLE.fullmatch(text)
    return (_integer(match[1]), _integer(match[2]), _integer(match[3])) if match else (-1, -1, -1)
