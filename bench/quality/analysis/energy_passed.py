"""What a passed task costs in joules, beside the joules per token of a pair of schemes.

The figures are those of the table of quality: gross joules per token × new tokens per task ÷ share of tasks passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.energy.ledger import EnergyPair
from bench.analysis.statistics import Estimate

from .summary import QualityGroup, QualityRow

# What must be equal for programs and joules to be of the same model in the same use.
_SAME = ("model", "revision", "device", "dropped_layers", "batch_size")


@dataclass(frozen=True)
class PerPassed:
    """J per passed task. ``missing``: why the scheme's is None, or ""."""

    reference: Estimate | None
    scheme: Estimate | None
    missing: str


def joules_per_passed(pair: EnergyPair, groups: Sequence[QualityGroup]) -> PerPassed:
    """Of both schemes, from this pair's source of joules."""
    before, _ = _cost(pair, pair.reference, groups)
    after, missing = _cost(pair, pair.scheme, groups)
    return PerPassed(before, after, missing)


def _cost(pair: EnergyPair, scheme: str, groups: Sequence[QualityGroup]) -> tuple[Estimate | None, str]:
    rows = [row for group in groups for row in group.rows if row.case.scheme == scheme and _same_arm(pair, row)]
    tokens = dict(pair.setting).get("new_tokens")
    row = min(rows, key=lambda row: row.case.new_tokens != tokens, default=None)
    if row is None:
        return None, f"no programs of {scheme} were written in this run"
    if row.passed is None:
        return None, f"pass@1 of {scheme} is not known: {row.reason}"
    if row.passed.value == 0:
        return None, f"{scheme} passed no task"
    if row.joules is None or row.joules.source != pair.source:
        other = f"come from {row.joules.source}" if row.joules else "were not measured with its programs' setting"
        return None, f"the joules per passed task {other}"
    return row.energy_per_passed, "" if row.energy_per_passed else "the number of new tokens per task is not known"


def _same_arm(pair: EnergyPair, row: QualityRow) -> bool:
    here, there = dict(pair.setting), row.case.coordinates()
    return all(here.get(name) == there.get(name) for name in _SAME)
