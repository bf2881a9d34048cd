"""Checkpoints beside each other: one that has no unquantised scheme, such as one that was saved quantised, against
the unquantised scheme of another in the same setting.

It is a ratio of two checkpoints, not of two schemes of one: their weights, and their prompts' tokens, may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.schema import Record

from .generation import call_times
from .grouping import REFERENCE, UNQUANTISED, Coordinates, Group, groups
from .statistics import Estimate
from .statistics.pairing import ratio_between
from .statistics.verdict import Verdict, verdict

_OF_MODEL = ("model", "revision")


@dataclass(frozen=True)
class Across:
    """``model`` in ``scheme`` over ``reference_model`` in ``reference``: time per token, above 1 is slower. ``label``:
    what the weights of ``model`` are; ``setting``: what both share."""

    model: str
    label: str
    scheme: str
    reference_model: str
    reference: str
    setting: Coordinates
    ratio: Estimate
    verdict: Verdict


def across(records: Sequence[Record], reference: str = REFERENCE) -> tuple[Across, ...]:
    """Every scheme of a checkpoint without an unquantised one, where another in the same setting has one."""
    found = groups(records, "generation")
    bases = [(group, name) for group in found if (name := _unquantised(group, reference)) is not None]
    made = []
    for group in found:
        base = next(((g, n) for g, n in bases if _shared(g) == _shared(group)), None)
        if _unquantised(group, reference) is None and base is not None:
            made += [_row_of_scheme(group, scheme, *base) for scheme in group.schemes]
    return tuple(one for one in made if one is not None)


def _unquantised(group: Group, wanted: str) -> str | None:
    return next((name for name in (wanted, *UNQUANTISED) if name in group.schemes and name in UNQUANTISED), None)


def _shared(group: Group) -> Coordinates:
    return tuple(item for item in group.setting if item[0] not in _OF_MODEL)


def _row_of_scheme(group: Group, scheme: str, base: Group, reference: str) -> Across | None:
    records = group.schemes[scheme]
    ratio = ratio_between(records, base.schemes[reference], call_times)
    if ratio is None:
        return None
    return Across(
        str(group.coordinate("model")), _label(records[0]), scheme, str(base.coordinate("model")), reference,
        _shared(group), ratio, verdict(ratio),
    )  # fmt: skip


def _label(record: Record) -> str:
    model: Any = record.setup.get("model")
    return str(model.get("label", "")) if isinstance(model, dict) else ""
