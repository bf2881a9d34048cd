"""The schemes: every number format that can be measured, one file a family. torch is not imported here.

A family knows all of itself: its arms, what a model's Linears become in it and how such a module says what it is, how a
checkpoint is loaded so, its bytes and steps, its interventions, its colours, the user's code. Adding an arm is one
entry in its family's file; adding a family is one file here that makes a ``FAMILY`` (definition.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from bench.record.errors import UsageError

from . import floating, saved, variants
from .definition import Arm, Family

__all__ = [
    "ARMS", "AS_SAVED", "FAMILIES", "ORDER", "PLANTED", "REFERENCE", "SAVED", "STAND_INS", "UNQUANTISED", "Arm",
    "Family", "arm", "family", "family_of", "holder", "is_unquantised", "known", "register",
]  # fmt: skip

FAMILIES: dict[str, Family] = {}
# What can be made of a checkpoint in 16 or 32 bits.
ARMS: dict[str, Arm] = {}
# A checkpoint that was saved quantised is measured as it is, and nothing else can be made of it.
SAVED = saved.AS_SAVED
AS_SAVED = SAVED.name
REFERENCE = "fp16"
# What the others are set against where the reference was not measured, in order.
STAND_INS = floating.STAND_INS


def register(family: Family) -> None:
    """Make a family and its arms known. Raises ValueError where its kind, or the name of an arm, is taken, and where an
    arm is of another kind."""
    others = [arm.name for arm in family.arms if arm.kind != family.kind]
    taken = [arm.name for arm in family.arms if known(arm.name)]
    if family.kind in FAMILIES or others or taken:
        why = f"its arms {', '.join(others)} are of another kind" if others else f"{', '.join(taken)} is known already"
        raise ValueError(f"family {family.kind!r}: {why if others or taken else 'its kind is known already'}")
    FAMILIES[family.kind] = family
    ARMS.update((arm.name, arm) for arm in family.arms)


def arm(name: str) -> Arm:
    """The arm of that name, with its variants. Raises UsageError for an unknown one, naming the known ones."""
    base, more = variants.parts(name)
    found = SAVED if base == AS_SAVED else ARMS.get(base)
    if found is None:
        raise UsageError(f"unknown scheme {base!r}: choose from {', '.join(ARMS)} or {AS_SAVED}")
    return variants.varied(found, name) if more else found


def known(name: str) -> bool:
    """Whether ``arm`` has one of that name."""
    try:
        return bool(arm(name))
    except UsageError:
        return False


def family(chosen: Arm) -> Family:
    """The family that knows what ``chosen`` must be."""
    return FAMILIES[chosen.kind]


def family_of(facts: Any) -> Family | None:
    """The family of an arm by its facts in a Record; None of one that is not known here."""
    return FAMILIES.get(str(facts.get("kind"))) if isinstance(facts, Mapping) else None


def is_unquantised(facts: Any) -> bool:
    """Whether a Record's facts are those of an arm that quantises nothing; of unknown ones nobody can tell."""
    found = family_of(facts)
    return found is not None and not found.quantises


def holder(module: Any) -> Family | None:
    """The family that made a module of a loaded model; None of one that is not quantised, or not known here."""
    made = (family for family in FAMILIES.values() if family.quantises and family.module)
    return next((family for family in made if family.holds(module)), None)


def _families() -> list[Family]:
    """The ``FAMILY`` of every module here that has one, in their order. What needs torch lies in the package
    ``layers``, because reports are read without it."""
    found = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if not module.ispkg)
    return sorted((part.FAMILY for part in found if hasattr(part, "FAMILY")), key=lambda family: family.rank)


for _family in _families():
    register(_family)
# From "nothing quantised" to "most quantised".
ORDER = (*ARMS, AS_SAVED)
# Arms that nobody would choose: outliers were planted in them.
PLANTED = tuple(name for name, one in ARMS.items() if one.planted_columns)
UNQUANTISED = tuple(name for name, one in ARMS.items() if not family(one).quantises)
