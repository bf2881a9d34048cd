"""pass@1 of a run as JSON: what its page shows of quality, for "explain --json"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.analysis.energy.ledger import EnergyPair
from bench.analysis.explain import Explanation
from bench.analysis.statistics import Estimate
from bench.quality.analysis.energy_passed import joules_per_passed
from bench.quality.analysis.summary import QualityGroup, QualityRow, summarise
from bench.report.analysed import AttachedDocument


def attached_document(found: Explanation) -> AttachedDocument:
    """pass@1 of all arms, and of each pair of energies what a passed task costs."""
    groups = summarise(found.records, reference=found.reference)
    return AttachedDocument({"quality": quality_document(groups)}, partial(_passed_task, groups))


def _passed_task(groups: Sequence[QualityGroup], pair: EnergyPair) -> dict[str, Any]:
    """J, gross."""
    passed = joules_per_passed(pair, groups)
    return {
        "joules_per_passed_task": _value(passed.scheme),
        "joules_per_passed_task_ci": _bounds(passed.scheme),
        "reference_joules_per_passed_task": _value(passed.reference),
        "passed_task_missing": passed.missing or None,
    }


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
