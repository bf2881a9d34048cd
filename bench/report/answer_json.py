"""The first screen of a run as JSON: the same sentence, causes and actions that page and terminal show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.explain import Explanation
from bench.analysis.ledger.accounting import Cause
from bench.analysis.ledger.sharing import balance, shares, way

from .answer import answer, first_setting, focus_of
from .content import Commands, Point


def answer_document(found: Explanation, commands: Commands | None) -> dict[str, Any] | None:
    """None where nothing was compared."""
    told, focus = answer(found, commands), focus_of(first_setting(found.pairs), found.generation_rows)
    if told is None or focus is None:
        return None
    row = found.generation_rows.get((focus.setting, focus.scheme))
    ratio = row.time_ratio if row else None
    return {
        "sentence": told.sentence,
        "setting": dict(focus.setting),
        "reference": focus.reference,
        "scheme": focus.scheme,
        "verdict": row.verdict if row else None,
        "time_ratio": ratio and ratio.value,
        "time_ratio_ci": ratio and [ratio.low, ratio.high],
        "assumed": (ratio and ratio.assumed) or None,
        "delta_ms": focus.closed.delta.delta_ms,
        **balance_document(focus.causes),
        "causes": causes_document(focus.causes),
        "why": [_point(point) for point in told.causes],
        "what_to_do": [_point(point) for point in told.actions],
        "preamble": told.preamble or None,
    }


def causes_document(causes: Sequence[Cause]) -> list[dict[str, Any]]:
    """The causes of a difference in order; "delta_ms" of all of them is the difference, exactly."""
    return [_cause(cause, share) for cause, share in zip(causes, shares(causes), strict=True)]


def balance_document(causes: Sequence[Cause]) -> dict[str, float]:
    """What all causes lose and win, at least 0 both; the former less the latter is the difference, exactly."""
    total = balance(causes)
    return {"lost_ms": total.lost_ms, "won_ms": total.won_ms}


def _cause(cause: Cause, share: int) -> dict[str, Any]:
    return {
        "cause": cause.cause, "reference_ms": cause.reference_ms, "scheme_ms": cause.scheme_ms,
        "delta_ms": cause.delta_ms, "work_ms": cause.work_ms, "host_ms": cause.host_ms,
        "ci": [cause.low, cause.high], "sure": cause.sure, "share_percent": share, "share_of": way(cause),
    }  # fmt: skip


def _point(point: Point) -> dict[str, Any]:
    return {"title": point.title, "text": point.text, "code": point.code or None}
