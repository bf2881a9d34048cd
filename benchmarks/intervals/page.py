"""The tables of docs/intervals.md, between their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .coverage import Count

Row = Mapping[str, Any]
KINDS = (
    "line, work", "line, idle", "cause, work", "cause, idle", "saving, by replay", "prediction", "difference of times",
    "ratio", "GPU work, no times",
)  # fmt: skip


TIMES = ("difference of times", "ratio")


@dataclass(frozen=True)
class Share:
    """How many of how many."""

    part: int
    whole: int

    def __str__(self) -> str:
        return f"{self.part / self.whole:.1%} of {self.whole:,}".replace("%", " %") if self.whole else "–"


def fill(path: Path, document: Mapping[str, Any]) -> None:
    """Write the tables into the page."""
    path.write_text(filled(path.read_text(encoding="utf-8"), document), encoding="utf-8")


def filled(text: str, document: Mapping[str, Any]) -> str:
    """The page with the tables of the result. Raises ValueError where a mark is missing."""
    for name, table in tables(document).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not mark.search(text):
            raise ValueError(f"the page has no mark {name!r}")
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}{found[2]}", text)
    return text


def tables(document: Mapping[str, Any]) -> dict[str, str]:
    """By the name of their marks."""
    times, runs = document["times"], document["runs"]
    traces = [*document["traces"], *times]
    assumed = [row for row in traces if row["spread"] == "as assumed"]
    spreads = list(dict.fromkeys(row["spread"] for row in traces))
    return {
        "kinds": _kinds(assumed),
        "scenes": _scenes([row for row in assumed if row["kind"] in KINDS and row["kind"] not in TIMES]),
        "times": _by([row for row in assumed if row["kind"] in TIMES], "regime", _regimes(times)),
        "spreads": _by(traces, "spread", spreads),
        "runs": _by(runs, "repeats", sorted({row["repeats"] for row in runs})),
    }


def pooled(rows: Iterable[Row]) -> Count:
    """All of them as one."""
    total = Count()
    for row in rows:
        for name in asdict(total):
            setattr(total, name, getattr(total, name) + row[name])
    return total


def holding(rows: Iterable[Row]) -> Share:
    """The intervals that hold the truth."""
    count = pooled(rows)
    return Share(count.holding, count.intervals)


def sure(rows: Iterable[Row]) -> Share:
    """What is absent and was called sure."""
    count = pooled(rows)
    return Share(count.absent_sure, count.absent)


def _kinds(rows: Sequence[Row]) -> str:
    body = [
        (kind, str(holding(mine)), str(sure(mine)))
        for kind in KINDS
        if (mine := [r for r in rows if r["kind"] == kind])
    ]
    return _table(("Interval", "Holds the truth", "Absent, but sure"), body)


def _regimes(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["regime"] for row in rows))


def _scenes(rows: Sequence[Row]) -> str:
    scenes = dict.fromkeys((row["regime"], row["planted"]) for row in rows)
    body = []
    for regime, planted in scenes:
        mine = [r for r in rows if (r["regime"], r["planted"]) == (regime, planted)]
        body.append((regime, planted or "nothing", str(holding(mine)), str(sure(mine))))
    return _table(("Regime", "Planted", "Holds the truth", "Absent, but sure"), body)


def _by(rows: Sequence[Row], key: str, values: Sequence[Any]) -> str:
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    body = [
        (kind, *(str(holding([r for r in rows if (r["kind"], r[key]) == (kind, value)])) for value in values))
        for kind in kinds
    ]
    return _table(("Interval", *(f"{key}: {value}" for value in values)), body)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(head), "|".join(["---"] + ["---:"] * (len(head) - 1)), *(" | ".join(row) for row in body)]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)
