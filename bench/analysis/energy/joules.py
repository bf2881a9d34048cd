"""The joules per token that belong to a Case: those of an energy record of the same arm, where one was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.schema import Case

from ..energy import EnergyGroup, EnergyRow
from ..statistics import Estimate
from .sources import PARTS, is_own

# What must be equal for joules per token to be those of the Case, and what should be.
_MUST = ("model", "revision", "device", "dropped_layers", "batch_size")
_SHOULD = ("new_tokens", "stop", "cache", "prompts", "prompt_tokens", "prompt_style", "seed")


@dataclass(frozen=True)
class Joules:
    """``per_token`` in J, gross; ``ratio``: over ``reference``'s of the same ``place`` among the groups, None for the
    reference itself. ``estimated`` holds what is guessed rather than measured, or ""."""

    per_token: Estimate
    source: str
    estimated: str
    ratio: Estimate | None = None
    reference: str | None = None
    place: int = 0

    def over(self, other: Joules | None, scheme: str) -> Estimate | None:
        """These over the other's, which are of ``scheme``, as the table of energy has it; None where it has not."""
        alike = other is not None and (self.source, self.place) == (other.source, other.place)
        return self.ratio if alike and self.reference == scheme else None


def joules(groups: Sequence[EnergyGroup], case: Case) -> Joules | None:
    """Of the same model, scheme, dropped layers and batch size; None where nothing was measured of them.

    A counter goes before an estimate; then the setting that is most like the Case's (new tokens, cache, …).
    """
    wanted = case.coordinates()
    found = [
        (bool(row.estimated), -_likeness(dict(group.setting), wanted), place, row)
        for place, group in enumerate(groups)
        if _same_arm(dict(group.setting), wanted)
        if (row := best_source(group.rows, case.scheme, case.device)) is not None
    ]
    if not found:
        return None
    _, _, place, row = min(found, key=lambda item: item[:3])
    assert row.gross is not None
    return Joules(row.gross, row.source, row.estimated, row.energy_ratio, groups[place].reference, place)


def best_source(rows: Sequence[EnergyRow], scheme: str, device: str) -> EnergyRow | None:
    """The scheme's row with joules from the counter of the device that worked; else another whole counter; else an
    estimate; None where no source gave any that may be compared."""
    having = [
        row
        for row in rows
        if row.scheme == scheme and row.gross is not None and not row.doubt and row.source not in PARTS
    ]
    on_gpu = device != "cpu"
    return min(having, key=lambda row: (bool(row.estimated), not is_own(row.source, on_gpu)), default=None)


def _same_arm(setting: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if setting.get("intervention") not in (None, "none"):
        return False
    return all(setting.get(name) == wanted.get(name) for name in _MUST)


def _likeness(setting: dict[str, Any], wanted: dict[str, Any]) -> int:
    return sum(setting.get(name) == wanted.get(name) for name in _SHOULD)
