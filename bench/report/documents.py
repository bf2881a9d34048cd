"""What verbs print with --json, as plain JSON types in SI units. That of ``explain`` is made of the page's sections
(sections/order.py, traces.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.record.causes import LINES, MEANINGS
from bench.record.metrics import METRICS

if TYPE_CHECKING:
    from bench.analysis.comparison import Comparison
    from bench.analysis.energy.codecarbon import EmissionsCheck, RowCheck
    from bench.analysis.traces.single import Prediction
    from bench.analysis.traces.taken import Taken
    from bench.doctor.check import Check
    from bench.record.integrity import IntegrityCheck
    from bench.record.schema import Record

Document = dict[str, Any]


def cases_document(records: Sequence[Record]) -> Document:
    """``show``: the Cases in order of first appearance; the values of a Case's repeats follow each other."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.case_id, []).append(record)
    return {"cases": [_case(group) for group in grouped.values()]}


def _case(records: Sequence[Record]) -> Document:
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


def comparison_document(found: Comparison) -> Document:
    """``compare``."""
    return {
        "rows": [asdict(row) | {"case": row.case.coordinates()} for row in found.rows],
        "findings": [asdict(finding) for finding in found.findings],
        "conditions": [asdict(condition) for condition in found.conditions],
        "anything_slower": found.anything_slower,
        "only_a": [case.coordinates() for case in found.only_a],
        "only_b": [case.coordinates() for case in found.only_b],
    }


def prediction_document(prediction: Prediction, of: Taken) -> Document:
    """``whatif``. ``of``: what of the trace was played."""
    found = prediction.found
    return {
        "steps": found.steps,
        "measured": prediction.said,
        "measured_ms": found.measured_ms,
        "replayed_ms": found.replayed_ms,
        "predicted_ms": found.predicted_ms,
        "predicted_ci": None if found.low is None else [found.low, found.high],
        "missing": found.missing or None,
        "notes": list(found.notes),
        "taken": {"said": of.said, "notes": list(of.notes)},
    }


def integrity_document(name: str, checks: Sequence[IntegrityCheck], good: bool) -> Document:
    """``verify``, of the run folder of that name; ``good``: whether all holds."""
    return {
        "run": name,
        "verified": good,
        "checks": [
            {"name": each.name, "result": each.result, "found": each.found, "examples": list(each.examples)}
            for each in checks
        ],
    }


def emissions_document(found: EmissionsCheck) -> Document:
    """``energy check``."""
    return {"rows": [_row(one) for one in found.rows], "findings": [asdict(finding) for finding in found.findings]}


def _row(one: RowCheck) -> Document:
    return {
        "line": one.row.place,
        "seconds": one.row.seconds,
        "answer": one.answer,
        "why": one.why,
        "cpu_joules": one.row.joules["cpu"],
        "cpu_watts": one.watts,
        "wraps": one.fit.wraps if one.fit else None,
        "cpu_joules_corrected": one.fit.joules if one.fit else None,
        "cpu_watts_corrected": one.fit.watts if one.fit else None,
        "total_joules": one.row.joules["total"],
        "total_joules_corrected": one.total,
    }


def checks_document(checks: Sequence[Check]) -> Document:
    """``doctor``."""
    return {"checks": [asdict(check) for check in checks]}


def catalogue_document(
    *,
    presets: Mapping[str, str],
    schemes: Mapping[str, Document],
    reference: str,
    models: Mapping[str, str],
    interventions: Mapping[str, str],
) -> Document:
    """``list``: what can be asked for, each with what it is; and what records and ledgers hold."""
    return {
        "presets": dict(presets),
        "schemes": dict(schemes),
        "reference": reference,
        "models": dict(models),
        "interventions": dict(interventions),
        "causes": {name: MEANINGS[name] for name in LINES},
        "metrics": {name: asdict(info) for name, info in METRICS.items()},
    }
