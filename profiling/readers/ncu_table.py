"""Finding the CSV table in ncu's output, where the tool's chatter and the application's own output are mixed in.

A line is taken as a row only if it has exactly the header's number of cells. A line that looks like a broken
row is an error, because leaving it out would change sums silently.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.record.errors import RecordError

# A cell border inside a row; application output hardly ever holds several.
_BORDER = '","'
_STRAY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_MOST_LINES = 12
# Following an open quote takes a dozen attempts; real output hardly ever holds one that does not close.
_MOST_BROKEN = 1000
_ROW_START = re.compile(r'"?\d+"?,')


@dataclass(frozen=True)
class CsvTable:
    """One CSV table: its header, and where it is among the lines of the file."""

    header: tuple[str, ...]
    lines: Sequence[str]
    start: int
    end: int
    complete: bool

    def rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """(line number, cells) of each row; a first row whose first cell is empty holds the units of the raw page.

        They are split anew each time, because the cells of all rows are many times the file. Raises RecordError,
        naming the line, for a row that is damaged or cut off.
        """
        index, width, broken = self.start + 1, len(self.header), 0
        while index < self.end:
            cells, used = _row_at(self.lines, index, self.end, width)
            unfinished = index + used == self.end and not self.complete
            # A row that was cut off after its last comma has all its cells, the last one empty.
            if cells is None or (unfinished and self.lines[index].endswith(",")):
                _refuse_broken_row(self.lines, index, width, unfinished)
                broken += _is_open(self.lines[index])
                if broken > _MOST_BROKEN:
                    raise RecordError(f"line {index + 1}: too many rows break off: copy the file again")
            else:
                yield index + 1, cells
            index += used


def find_tables(lines: Sequence[str], complete: bool) -> list[CsvTable]:
    """All tables of a file, in order; [] where there is no header. ``complete``: the last line ends in a newline."""
    headers = [(number, header) for number, line in enumerate(lines) if (header := _header(line))]
    ends = [number for number, _ in headers[1:]]
    return [
        CsvTable(header, lines, start, end, complete or end != len(lines))
        for (start, header), end in zip(headers, [*ends, len(lines)], strict=False)
    ]


def has_header(line: str) -> bool:
    """True for a line that holds the header of a counter table."""
    return _header(line) is not None


def _header(line: str) -> tuple[str, ...] | None:
    if "Kernel Name" not in line or "," not in line:
        return None
    # The application may have printed something without a newline just before.
    text = line[line.index('"ID",') :] if '"ID",' in line else line
    cells = split_row(text)
    if cells is None or "Kernel Name" not in cells:
        return None
    # The second is of --print-summary, which is refused with that reason.
    named = {"Metric Name", "Metric Value"}, {"Metric Name", "Average"}
    counters = any(names <= set(cells) for names in named) or any("__" in cell for cell in cells)
    return cells if counters else None


def _row_at(lines: Sequence[str], index: int, end: int, width: int) -> tuple[tuple[str, ...] | None, int]:
    """The row that starts at a line, or None, and the number of lines it takes.

    The advice of the details page may hold line breaks, so an open quote is followed for a few lines.
    """
    cells = _row(lines[index], width)
    if cells is not None or not _is_open(lines[index]):
        return cells, 1
    for used in range(2, min(_MOST_LINES, end - index) + 1):
        text = "\n".join(lines[index : index + used])
        cells = None if _STRAY.search(text) else _strict(text)
        if cells is not None and len(cells) == width and cells[0].isdigit():
            return cells, used
    return None, 1


def _is_open(line: str) -> bool:
    """Whether a quoted row may go on in the next line."""
    return line.startswith('"') and line.count('"') % 2 == 1


def _row(line: str, width: int) -> tuple[str, ...] | None:
    """The cells of a row of ``width`` cells, or None. Text before a quoted row is the application's."""
    if _STRAY.search(line):
        return None
    for text in _candidates(line):
        cells = split_row(text, width)
        if cells is not None and len(cells) == width and (cells[0] == "" or cells[0].isdigit()):
            return cells
    return None


def _candidates(line: str) -> Iterator[str]:
    yield line
    glued = re.search(r'(?<!^)"\d+","', line)
    if glued and not line.startswith('"'):
        yield line[glued.start() :]


def _refuse_broken_row(lines: Sequence[str], index: int, width: int, is_last: bool) -> None:
    line = lines[index]
    starts_like_row = line.startswith('"') or _ROW_START.match(line) is not None
    if is_last and starts_like_row:
        raise RecordError(
            f"line {index + 1} ends in the middle of a row: the file was cut off; copy or profile it again"
        )
    commas = line.count(",") if _ROW_START.match(line) and not line.startswith('"') else 0
    if max(line.count(_BORDER), commas) >= max(2, width // 3):
        raise RecordError(f"line {index + 1} is a damaged row: copy the file again, or profile again")


def split_row(line: str, width: int | None = None) -> tuple[str, ...] | None:
    """Cells of one CSV line, or None if it is not well formed.

    A kernel name with quotes that were not doubled still splits at the cell borders when ``width`` is known.
    """
    text = line.strip()
    cells = _strict(text)
    if cells is not None and (width is None or len(cells) == width):
        return cells
    if width is not None and len(text) > 1 and text[0] == text[-1] == '"':
        cells = tuple(cell.strip() for cell in text[1:-1].split(_BORDER))
        return cells if len(cells) == width else None
    return None


def _strict(text: str) -> tuple[str, ...] | None:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None
    return tuple(cell.strip() for cell in rows[0]) if len(rows) == 1 else None
