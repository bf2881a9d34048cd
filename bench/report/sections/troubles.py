"""The Cases that failed or were skipped, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence

from bench.record.schema import Record
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Cell, Column, Row, Section, Table, table
from bench.report.words import setting_text

from .common import SCHEME

_TOLD = (
    "model",
    "device",
    "batch_size",
    "prompts",
    "prompt_tokens",
    "prompt_style",
    "new_tokens",
    "cache",
    "layer",
    "op",
    "m",
    "n",
    "k",
)


def section(analysed: Analysed) -> Section | None:
    """None where all went well."""
    rows = troubles_table(analysed.records)
    return Section("troubles", "Failed and skipped Cases", tables=(rows,)) if rows else None


def troubles_table(records: Sequence[Record]) -> Table | None:
    """Failed and skipped Cases, one row per instrument and reason; None where all went well."""
    alike: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record.status != "ok":
            alike.setdefault((record.status, record.instrument, record.reason), []).append(record)
    rows: list[Row] = [
        (Cell(status, "bad" if status == "failed" else "unsure"), instrument, *_what_and_where(found), reason)
        for (status, instrument, reason), found in alike.items()
    ]
    columns = (Column("Status"), Column("Instrument"), SCHEME, Column("Case"), Column("Reason"))
    return table("Failed and skipped", columns, rows) if rows else None


def _what_and_where(records: Sequence[Record]) -> tuple[str, str]:
    schemes = ", ".join(dict.fromkeys(record.case.scheme for record in records))
    if len(records) == 1:
        return schemes, setting_text(tuple(records[0].case.coordinates().items()), _TOLD)
    return schemes, units.plural(len({record.case_id for record in records}), "Case")
