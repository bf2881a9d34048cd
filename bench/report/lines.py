"""The lines of a closed ledger, and what its idle time waited for: as tables and as JSON, of runs and of traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import SourceLine
from bench.analysis.statistics.assumed import mark
from bench.record import causes as c
from bench.record.causes import CORRECTIONS

from . import units
from .content import Cell, Column, Table, Tone, table

_MOST_SOURCES = 8


def lines_table(title: str, reference: str, scheme: str, closed: Closed, note: str, unit: str = "token") -> Table:
    """The lines of a closed ledger as a table."""
    columns = (
        Column("Line"),
        Column(f"{reference} ms", right=True),
        Column(f"{scheme} ms", right=True),
        Column("Difference ms", right=True),
        Column("95 % interval", right=True, detail=True),
        Column("Meaning", detail=True),
    )
    rows = [_line(line, c.MEANINGS.get(line.cause, "")) for line in closed.lines]
    rows.append(_line(closed.delta, f"time per {unit}"))
    return table(title, columns, rows, note)


def _line(line: Line, meaning: str) -> tuple[Cell | str, ...]:
    tone: Tone = ("bad" if line.delta_ms > 0 else "good") if line.sure else ""
    return (
        line.cause,
        _ms(line.reference_ms),
        _ms(line.scheme_ms),
        Cell(units.fixed(line.delta_ms, 4), tone),
        interval(line.low, line.high) + mark(line.assumed),
        meaning,
    )


def _ms(value: float) -> str:
    return units.decimals(value, 4)


def interval(low: float | None, high: float | None) -> str:
    """Both bounds with their signs, in ms."""
    return units.ABSENT if low is None or high is None else f"{units.fixed(low, 3)} to {units.fixed(high, 3)}"


def sources_table(title: str, found: Sequence[SourceLine]) -> Table | None:
    """What the idle lines waited for."""
    columns = (
        Column("Line"),
        Column("Range"),
        Column("Waited for"),
        Column("Before ms", right=True, detail=True),
        Column("After ms", right=True, detail=True),
        Column("Difference ms", right=True),
    )
    shown = sorted(found, key=lambda part: -abs(part.delta_ms))[:_MOST_SOURCES]
    rows = [
        (
            part.cause, part.range or "(outside modules)", _waited_for(part), _ms(part.reference_ms),
            _ms(part.scheme_ms), units.fixed(part.delta_ms, 4),
        )
        for part in shown
    ]  # fmt: skip
    note = "Idle time by what was to start next: the range it is in, what launched it, and which line that is."
    return table(title, columns, rows, note) if rows else None


def _waited_for(part: SourceLine) -> str:
    """Both, because one operator may launch work of several lines."""
    return (
        f"{part.operator} ({part.work})" if part.operator and part.work else part.operator or part.work or units.ABSENT
    )


def closed_document(closed: Closed) -> dict[str, Any]:
    """A closed ledger as JSON; all times in ms."""
    return {
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
        "delta_assumed": closed.delta.assumed,
        "lines": [_line_document(line) for line in ranked(closed)],
        "unexplained_ms": closed.unexplained_ms,
    }


def ranked(closed: Closed) -> list[Line]:
    """The largest difference first; the corrections last."""
    last = {name: place for place, name in enumerate(CORRECTIONS, 1)}
    return sorted(closed.lines, key=lambda line: (last.get(line.cause, 0), -abs(line.delta_ms)))


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause,
        "reference_ms": line.reference_ms,
        "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
        "assumed": line.assumed,
    }


def source_document(part: SourceLine) -> dict[str, Any]:
    """What one wait was for as JSON."""
    return {**vars(part), "delta_ms": part.delta_ms}
