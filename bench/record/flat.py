"""Records as one flat table, a row per raw value: for a spreadsheet, a data frame, or a database.

Nothing is averaged and nothing is left out: what was skipped, what failed and what was not collected has a row without
a value, and the reason in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .schema import CASE_FIELDS, Record

Row = Mapping[str, Any]
# Column → what it holds, in their order. Coordinates of the Case that do not apply are empty.
COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("run_id", "case_id", "instrument"), str),
    "repeat": int,
    **dict.fromkeys(("status", "started_at", "hostname", "cpu", "gpu", "commit"), str),
    **{
        name: int if name in ("seed", "batch_size", "prompt_tokens", "new_tokens", "m", "n", "k") else str
        for name in CASE_FIELDS
    },
    **dict.fromkeys(("metric", "unit"), str),
    "place": int,
    "value": float,
    "reason": str,
}


def flat(records: Iterable[Record]) -> Iterator[Row]:
    """A row per raw value, with COLUMNS: ``place`` counts the values of a metric of a Record from 0, ``unit`` is the
    registry's SI unit. A metric without values has one row with the ``reason``, and so has a Record without metrics."""
    for record in records:
        shared = _shared(record)
        yield from _rows(record, shared)


def _rows(record: Record, shared: Row) -> Iterator[Row]:
    for item in record.metrics:
        for place, value in enumerate(item.values):
            yield {**shared, "metric": item.name, "unit": item.unit, "place": place, "value": value}
    for name, reason in record.not_collected.items():
        yield {**shared, "metric": name, "reason": f"not collected: {reason}"}
    if not record.metrics and not record.not_collected:
        yield shared


def _shared(record: Record) -> dict[str, Any]:
    made = dict.fromkeys(COLUMNS)
    machine = record.environment
    return made | record.case.coordinates() | {
        "run_id": record.run_id,
        "case_id": record.case_id,
        "instrument": record.instrument,
        "repeat": record.repeat,
        "status": record.status,
        "started_at": record.started_at,
        "hostname": machine.hostname,
        "cpu": _text(machine.cpu.get("model")),
        "gpu": "; ".join(_text(gpu.get("name")) or "unknown" for gpu in machine.gpus) or None,
        "commit": _text(machine.source.get("commit")),
        "reason": record.reason or None,
    }  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
