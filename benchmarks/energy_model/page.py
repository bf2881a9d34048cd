"""The tables of joules in docs/verdicts.md, from the result's figures alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.quality.analysis.passing import wilson
from benchmarks.sweep.page import marked, table


def filled(text: str, document: dict[str, Any]) -> str:
    """``text`` with the tables of ``document``. Raises ValueError where a mark is missing."""
    return marked(text, {name: make(document) for name, make in _TABLES.items()})


def false_share(row: dict[str, Any]) -> float:
    """Share of draws with a verdict that there is a difference."""
    return float(row["verdicts"].get("SLOWER", 0.0) + row["verdicts"].get("FASTER", 0.0))


def _alike(document: dict[str, Any]) -> Iterable[str]:
    head = ("No difference", "Processes of each", "False verdicts", "95 % of them lie in", "SAME", "Net differs")
    rows = (
        (
            row["name"] + (f" (true ratio ×{row['times']:.4f})" if row["times"] != 1 else ""), str(row["processes"]),
            f"{false_share(row):.1%}", _within(false_share(row), row["replicates"]),
            f"{row['verdicts'].get('SAME', 0.0):.0%}", f"{row['net differs']:.1%}",
        )
        for row in document["alike"]
    )  # fmt: skip
    return table(head, 1, rows)


def _within(share: float, count: int) -> str:
    low, high = wilson(round(share * count), count)
    return f"{low:.1%} to {high:.1%}"


def _apart(document: dict[str, Any]) -> Iterable[str]:
    head = ("True ratio, processes", "MORE", "LESS (false)")
    rows = (
        (row["name"], f"{row['verdicts'].get('SLOWER', 0.0):.0%}", f"{row['verdicts'].get('FASTER', 0.0):.0%}")
        for row in document["apart"]
    )
    return table(head, 1, rows)


def _drifting(document: dict[str, Any]) -> Iterable[str]:
    head = ("Idle power", "Processes", "Holds the truth", "Bias", "± half-width", "A part assumed")
    rows = (
        (
            row["name"], str(row["processes"]), f"{row['coverage']:.1%} ± {row['error']:.1%}", f"{row['bias']:+.1%}",
            f"{row['half width']:.1%}", _assumed(row["assumed"]),
        )
        for row in document["drifting"]
    )  # fmt: skip
    return table(head, 2, rows)


def _assumed(share: float) -> str:
    return "yes" if share == 1 else f"in {share:.0%}" if share else ""


_TABLES = {"energy-alike": _alike, "energy-apart": _apart, "energy-drifting": _drifting}
