"""The Cases of a run with their raw values as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.record.schema import Record


def case_documents(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One document per Case in order of first appearance; the values of its repeats follow each other."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.case_id, []).append(record)
    return [_document(group) for group in grouped.values()]


def _document(records: Sequence[Record]) -> dict[str, Any]:
    case = records[0].case
    metrics: dict[str, dict[str, Any]] = {}
    for record in records:
        for item in record.metrics:
            metrics.setdefault(item.name, {"unit": item.unit, "values": []})["values"] += item.values
    absent = {
        name: reason for record in records for name, reason in record.not_collected.items() if name not in metrics
    }
    return {
        "case_id": records[0].case_id,
        "workload": case.workload,
        "model": case.model,
        "scheme": case.scheme,
        "status": _status(records),
        "reasons": list(dict.fromkeys(record.reason for record in records if record.reason)),
        "case": case.coordinates(),
        "instruments": list(dict.fromkeys(record.instrument for record in records)),
        "repeats": len({record.repeat for record in records}),
        "metrics": metrics,
        "not_collected": absent,
    }


def _status(records: Sequence[Record]) -> str:
    """failed if any record failed; else ok if any is ok; else skipped."""
    statuses = {record.status for record in records}
    return next(status for status in ("failed", "ok", "skipped") if status in statuses)
