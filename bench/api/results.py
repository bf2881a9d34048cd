"""Results for Python programs and notebooks: frozen, with one table each, and all of their document as plain data."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.record.files import check_file, replace_text
from bench.record.schema import Finding, Record
from bench.record.tables import COLUMNS, flat
from bench.report.documents import cases_document
from bench.report.visible import visible

TableRow = Mapping[str, Any]
# A notebook shows so many rows of a table; the others are in to_pandas() and to_csv().
SHOWN = 30


class Result(ABC):
    """What every result can do. ``rows``: its table, one mapping a row, with the same keys in each."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The answer in one sentence, or what this is."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, as the command prints it with --json. A copy: changing it changes nothing here."""

    @property
    @abstractmethod
    def rows(self) -> Sequence[TableRow]:
        """The table."""

    def to_csv(self, file: str | Path | None = None) -> str:
        """The table as CSV, also written to ``file`` where one is given. Raises UsageError where that holds something
        else already, StorageError where it cannot be written."""
        made = io.StringIO()
        writer = csv.DictWriter(made, self._columns(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        if file is not None:
            replace_text(check_file(Path(file), begins=",".join(self._columns()).encode()), made.getvalue())
        return made.getvalue()

    def to_pandas(self) -> Any:
        """The table as a pandas.DataFrame. Raises UsageError where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError as error:
            raise UsageError("to_pandas needs pandas: pip install 'bitledger[tables]', or use rows") from error
        return pd.DataFrame.from_records(list(self.rows), columns=self._columns())

    def _repr_html_(self) -> str:
        """For a notebook: the sentence, and the table's first rows."""
        columns, rows = self._columns(), list(self.rows)
        head = "".join(f"<th>{_html(name)}</th>" for name in columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{_html(_cell(row[name]))}</td>' for name in columns)}</tr>" for row in rows[:SHOWN]
        )
        more = f"<p>… {len(rows) - SHOWN:,} more rows: to_pandas(), to_csv()</p>" if len(rows) > SHOWN else ""
        return f"<p><b>{_html(self.title)}</b></p><table><tr>{head}</tr>{body}</table>{more}"

    def __str__(self) -> str:
        return visible(self.title)

    def _columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []


def _html(text: str) -> str:
    return escape(visible(text))


def _cell(value: Any) -> str:
    """Four digits for a reader; the table itself holds all of them."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class _OfDocument(Result):
    """A result that holds its document as the text of JSON, which nobody can change."""

    text: str

    @cached_property
    def _document(self) -> Any:
        return json.loads(self.text)

    def to_dict(self) -> dict[str, Any]:
        """As Result says."""
        made: dict[str, Any] = json.loads(self.text)
        return made

    @cached_property
    def rows(self) -> Sequence[TableRow]:
        """The table, as the class says."""
        return tuple(self._rows())

    @abstractmethod
    def _rows(self) -> Iterator[TableRow]: ...


@dataclass(frozen=True)
class ExplanationResult(_OfDocument):
    """Why one thing takes longer than another. ``sentence``: the answer. ``rows``: a row per line of each ledger, in ms
    per token (of two traces: per step); ``delta_ms`` of a ledger's lines adds up to its difference exactly where its
    ``basis`` is unprofiled time. Lines "as recorded" hold what the profiler added; inflated ones have no difference."""

    sentence: str
    text: str

    @property
    def title(self) -> str:
        """The answer."""
        return self.sentence

    @property
    def verdict(self) -> str | None:
        """Of the scheme that the sentence is about: SLOWER, FASTER, SAME or AMBIGUOUS; None where nothing was
        compared."""
        answer, (first, *_) = self._answer, self._parts
        told = answer["verdict"] if answer else first["pairs"][0].get("verdict")
        return None if told is None else str(told)

    @property
    def causes(self) -> tuple[TableRow, ...]:
        """The causes of that difference, the largest first: ``cause``, ``delta_ms``, ``ci``, ``sure``, …"""
        answer, (first, *_) = self._answer, self._parts
        return tuple(answer["causes"] if answer else first["pairs"][0]["causes"])

    @property
    def actions(self) -> tuple[TableRow, ...]:
        """What to do: ``title``, ``text`` and, where it is code, ``code``. () of two traces."""
        return tuple(self._answer["what_to_do"]) if self._answer else ()

    @property
    def _parts(self) -> list[Any]:
        """One document for each kind of hardware."""
        found: list[Any] = self._document.get("machines") or [self._document]
        return found

    @property
    def _answer(self) -> Any:
        return self._parts[0].get("answer")

    def _rows(self) -> Iterator[TableRow]:
        for part in self._parts:
            for pair in part["pairs"]:
                recorded = [] if pair["lines"] else pair.get("recorded", {}).get("lines", [])
                for line in pair["lines"] or recorded:
                    low, high = line["ci"] or (None, None)
                    yield {
                        "machine": part.get("machine"), "model": pair["model"], "device": pair["device"],
                        "batch_size": pair.get("setting", {}).get("batch_size"),
                        "new_tokens": pair.get("setting", {}).get("new_tokens"),
                        "reference": pair["reference"], "scheme": pair["scheme"], "cause": line["cause"],
                        "reference_ms": line["reference_ms"], "scheme_ms": line["scheme_ms"],
                        "delta_ms": line["delta_ms"], "low_ms": low, "high_ms": high,
                        "assumed": line.get("assumed") or None,
                        "basis": "as recorded" if recorded else "unprofiled time",
                    }  # fmt: skip


@dataclass(frozen=True)
class ComparisonResult(_OfDocument):
    """B judged against A. ``rows``: a row per quantity of each Case, ``ratio`` is B over A; ``a`` and ``b`` in SI."""

    text: str

    @property
    def title(self) -> str:
        """How many quantities are slower, faster, the same, ambiguous."""
        told = [row["verdict"] for row in self.rows]
        counts = ", ".join(f"{told.count(word)} {word}" for word in dict.fromkeys(told))
        return f"B against A: {counts or 'nothing to compare'}"

    @property
    def slower(self) -> tuple[TableRow, ...]:
        """The rows in which B takes more for sure."""
        return tuple(row for row in self.rows if row["verdict"] == "SLOWER")

    @property
    def anything_slower(self) -> bool:
        """Whether B takes more anywhere, all rows together: of many rows one may be SLOWER by chance."""
        return bool(self._document["anything_slower"])

    def _rows(self) -> Iterator[TableRow]:
        for row in self._document["rows"]:
            ratio = row["ratio"]
            yield {
                "scheme_a": row["label_a"], "scheme_b": row["label_b"], "quantity": row["quantity"],
                "workload": row["case"]["workload"], "layer": row["case"].get("layer"), "m": row["case"].get("m"),
                "batch_size": row["case"].get("batch_size"), "unit": row["unit"], "a": row["a"]["value"],
                "b": row["b"]["value"], "ratio": ratio["value"], "low": ratio["low"], "high": ratio["high"],
                "verdict": row["verdict"],
            }  # fmt: skip


@dataclass(frozen=True)
class SummaryResult(_OfDocument):
    """What a trace, or a file of counters, holds. ``rows``: kernels (of a trace without GPU work operators, of counters
    launches), the longest total first; times in ns."""

    file: str
    text: str

    @property
    def title(self) -> str:
        """The file and how much is in it."""
        return f"{self.file}: {self._document['kind']}, {len(self.rows)} names"

    def _rows(self) -> Iterator[TableRow]:
        document = self._document
        yield from document.get("kernels") or document.get("operators") or ()


@dataclass(frozen=True)
class RunResult(Result):
    """A run: its folder, its Records as they were measured. ``rows``: a row per raw value (bench/record/tables.py)."""

    folder: Path
    records: tuple[Record, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def title(self) -> str:
        """What was measured."""
        schemes = ", ".join(dict.fromkeys(r.case.scheme for r in self.records if r.case.workload == "generation"))
        failed = sum(record.status == "failed" for record in self.records)
        told = f", {failed} failed" if failed else ""
        return f"{self.folder.name}: {len(self.records)} records{told}" + (f" of {schemes}" if schemes else "")

    def __repr__(self) -> str:
        return f"<RunResult {visible(self.title)}>"

    def to_dict(self) -> dict[str, Any]:
        """The Cases with all raw values, as ``bitledger show --json`` prints them."""
        return cases_document(self.records)

    @cached_property
    def rows(self) -> Sequence[TableRow]:
        """The table."""
        return tuple(flat(self.records))

    def _columns(self) -> list[str]:
        return list(COLUMNS)
