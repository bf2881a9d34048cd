"""What to change, what each change gains and costs, and its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis import user_code
from bench.analysis.explain import Explanation
from bench.analysis.remedies import Remedy
from bench.analysis.statistics.assumed import mark
from bench.report import units
from bench.report.content import Cell, Column, Point, Section, Table, table
from bench.report.units import ms


def section(explanation: Explanation) -> Section | None:
    """None where no remedy is known."""
    found = remedies_table(explanation.remedies)
    if not found:
        return None
    points = codes(explanation.remedies, explanation.pairs[0].device)
    return Section("remedies", "What to change", tables=(found,), points=points)


def remedies_table(found: Sequence[Remedy]) -> Table | None:
    """What to change, in order."""
    columns = (
        Column("Scheme"),
        Column("Change"),
        Column("Gain ms", right=True),
        Column("Price"),
        Column("Keeps of the saving", detail=True),
        Column("Memory", right=True, detail=True),
    )
    rows = [_row(item) for item in found]
    note = (
        "ms per token less, as measured in this run, or predicted where it says so; green where sure. What keeps the "
        "memory saving comes first, what gives quantisation up last."
    )
    return table("What to change", columns, rows, note) if rows else None


def _row(item: Remedy) -> tuple[Cell | str, ...]:
    bounds = "" if item.low is None or item.high is None else f" [{item.low * 1e3:.3g}, {item.high * 1e3:.3g}]"
    bounds += mark(item.assumed)
    return (
        item.scheme,
        ("predicted: " if item.predicted else "") + item.title,
        Cell(f"{item.gain * 1e3:.3g}{bounds}", "good" if item.sure else ""),
        item.price,
        item.keeps,
        units.ABSENT if item.memory is None else units.si(item.memory, "B"),
    )


def codes(found: Sequence[Remedy], device: str) -> tuple[Point, ...]:
    """The code of each remedy, once, after the lines that all of it expects."""
    named: dict[str, list[str]] = {}
    for item in found:
        if item.code:
            named.setdefault(item.code, []).append(f"{item.scheme}: {item.title}")
    if not named:
        return ()
    first = Point("Before each of these", "Imports, your model and a prompt.", user_code.preamble(device))
    return (first, *(Point("; ".join(dict.fromkeys(names)), "", text) for text, names in named.items()))


def document(found: Explanation) -> dict[str, Any]:
    """All of them as JSON."""
    return {"remedies": [_document(item) for item in found.remedies]}


def _document(item: Remedy) -> dict[str, Any]:
    return {
        "scheme": item.scheme, "change": item.title, "code": item.code, "gain_ms": item.gain * 1e3,
        "gain_ci": [ms(item.low), ms(item.high)], "price": item.price, "memory_bytes": item.memory,
        "basis": item.basis, "setting": dict(item.setting), "keeps": item.keeps, "predicted": item.predicted,
        "gain_assumed": item.assumed,
        "predicted_before_ms": ms(item.foretold),
    }  # fmt: skip
