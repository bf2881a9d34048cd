"""The schemes: every number format that can be measured, one file a family. Pure data; torch is not imported here.

A family knows all of itself: its arms, what a model's Linears become in it, how such a module says what it is, what
transformers is told when a checkpoint is loaded. Adding an arm is one entry in its family's file.
"""

from __future__ import annotations

from bench.record.errors import UsageError

from . import floating, four_bit, int4, int8, saved
from .definition import Arm, Family, Kind

__all__ = ["ARMS", "AS_SAVED", "FAMILIES", "REFERENCE", "SAVED", "Arm", "Family", "Kind", "arm", "family", "known"]

FAMILIES: dict[Kind, Family] = {
    family.kind: family for family in (floating.FAMILY, int8.FAMILY, four_bit.FAMILY, int4.FAMILY, saved.FAMILY)
}
# What can be made of a checkpoint in 16 or 32 bits.
ARMS: dict[str, Arm] = {arm.name: arm for family in FAMILIES.values() for arm in family.arms}
# A checkpoint that was saved quantised is measured as it is, and nothing else can be made of it.
SAVED = saved.AS_SAVED
AS_SAVED = SAVED.name
REFERENCE = "fp16"


def arm(name: str) -> Arm:
    """The arm of that name. Raises UsageError for an unknown one, naming the known ones."""
    if name == AS_SAVED:
        return SAVED
    try:
        return ARMS[name]
    except KeyError:
        raise UsageError(f"unknown scheme {name!r}: choose from {', '.join(ARMS)} or {AS_SAVED}") from None


def known(name: str) -> bool:
    """Whether ``arm`` has one of that name."""
    return name in ARMS or name == AS_SAVED


def family(chosen: Arm) -> Family:
    """The family that knows what ``chosen`` must be."""
    return FAMILIES[chosen.kind]
