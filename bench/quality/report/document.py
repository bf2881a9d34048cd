"""pass@1 of a run as JSON: what its page shows of quality, for "explain --json"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.quality import QualityGroup, QualityRow
from bench.analysis.statistics import Estimate


def quality_document(groups: Sequence[QualityGroup]) -> list[dict[str, Any]]:
    """One entry for each family of arms; empty where the run measured no quality."""
    return [
        {
            "setting": dict(group.setting),
            "reference": group.reference,
            "schemes": [_row(row) for row in group.rows],
        }
        for group in groups
    ]


def _row(row: QualityRow) -> dict[str, Any]:
    """Shares from 0 to 1; what was not judged is null, with the reason."""
    return {
        "scheme": row.case.scheme, "dropped_layers": row.case.dropped_layers,
        "pass_at_1": _value(row.passed), "pass_at_1_ci": _bounds(row.passed),
        "base": _value(row.base), "base_ci": _bounds(row.base), "plus": _value(row.plus), "plus_ci": _bounds(row.plus),
        "tasks": row.tasks, "of_tasks": row.of_tasks, "missing": row.reason or None,
    }  # fmt: skip


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _bounds(estimate: Estimate | None) -> list[float | None] | None:
    return None if estimate is None else [estimate.low, estimate.high]
