"""The tables of docs/verdicts.md, from the result's figures alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.analysis.statistics.assumed import BURST, PROCESS, RUN
from benchmarks.sweep.page import marked, table

from .power import PROCESSES, SPREADS, TIMES

_ASSUMED = {"processes": PROCESS, "runs": RUN, "bursts": BURST}


def filled(text: str, document: dict[str, Any]) -> str:
    """``text`` with the tables of ``document``. Raises ValueError where a mark is missing."""
    return marked(text, {name: make(document) for name, make in _TABLES.items()})


def _spreads(document: dict[str, Any]) -> Iterable[str]:
    head = ("Between", "Of", "Number", "Standard deviation of ln time", "What lies within them would make", "Assumed")
    rows = (
        (
            row["between"], row["of"], str(row["count"]), f"{row['deviation']:.3f}",
            "" if row["by calls"] is None else f"{row['by calls']:.3f}", f"{_ASSUMED[row['between']]:.2f}",
        )
        for row in document["spreads"]
    )  # fmt: skip
    return table(head, 2, rows)


def _power(document: dict[str, Any]) -> Iterable[str]:
    known = {(row["spread"], row["times"], row["processes"]): row["verdicts"] for row in document["power"]}
    head = ("Processes differ by", "True ratio", *(f"{count} of each" for count in PROCESSES))
    rows = [
        (f"{spread:.0%}", f"×{times:g}", *(_told(known[spread, times, count]) for count in PROCESSES))
        for spread in SPREADS
        for times in TIMES
    ]
    return table(head, 2, rows)


def _told(verdicts: dict[str, float]) -> str:
    """Share of draws with a verdict that there is a difference; in brackets those of the wrong sign."""
    wrong = verdicts.get("FASTER", 0.0)
    return f"{verdicts.get('SLOWER', 0.0):.0%}" + (f" ({wrong:.0%} FASTER)" if wrong else "")


def _coverage(document: dict[str, Any]) -> Iterable[str]:
    head = ("Figure", "From", "Holds the truth", "A part assumed")
    rows = (
        (
            row["what"], f"{row['count']:g} {row['unit']}" if row["count"] >= 1 else f"{row['unit']}: {row['count']:g}",
            f"{row['coverage']:.1%} ± {row['error']:.1%}", "yes" if row["assumed"] else "",
        )
        for row in document["coverage"]
    )  # fmt: skip
    return table(head, 2, rows)


def _claims(document: dict[str, Any]) -> Iterable[str]:
    rows = (
        (row["claim"], row["truth"], str(row["processes"]) if row["processes"] else "", f"{row['false']:.1%}")
        for row in document["claims"]
    )
    return table(("Claim", "The truth", "Processes of each", "Made, though false"), 2, rows)


_TABLES = {"spreads": _spreads, "power": _power, "coverage": _coverage, "claims": _claims}
