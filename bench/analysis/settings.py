"""Which setting of a run comes first, and which a user chose.

The order of the records says nothing: the seed shuffles it. First comes batch 1, the setting of someone who waits for
one answer; then what the plan asks for, in its order; then, without a plan, the smaller numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from bench.record.errors import UsageError
from bench.record.schema import Case

from .grouping import Coordinates

Item = TypeVar("Item")
# What a plan asks for, in its order: for each setting the coordinates that it names.
Asked = Sequence[Mapping[str, Any]]
_NAMES = tuple(one.name for one in fields(Case) if one.name != "scheme")


def in_order(items: Iterable[Item], setting: Callable[[Item], Coordinates], asked: Asked = ()) -> tuple[Item, ...]:
    """The items, sorted by their settings; those of one setting stay as they are."""
    return tuple(sorted(items, key=lambda item: _place(dict(setting(item)), asked)))


def _place(setting: Mapping[str, Any], asked: Asked) -> tuple[Any, ...]:
    rank = next((place for place, wanted in enumerate(asked) if fits(setting, wanted)), len(asked))
    return (setting.get("batch_size") or 1) != 1, rank, [_sortable(setting.get(name)) for name in _NAMES]


def fits(setting: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a setting has all of these coordinates."""
    return all(setting.get(name) == value for name, value in wanted.items())


def _sortable(value: Any) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value or ""))


def check_chosen(places: Iterable[Coordinates], wanted: Mapping[str, Any]) -> None:
    """Check that something was measured with the coordinates that a user wants, the scheme among them.

    ``places``: all coordinates of everything there is to choose from. Raises UsageError that names what there is.
    """
    known = [dict(place) for place in places]
    for name, value in wanted.items():
        there = list(dict.fromkeys(place[name] for place in known if place.get(name) is not None))
        if value not in there:
            has = ", ".join(map(str, sorted(there, key=_sortable))) or "none"
            raise UsageError(f"no {name.replace('_', ' ')} {value} to explain in this run: it has {has}")
    if not any(fits(place, wanted) for place in known):
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in wanted.items())
        raise UsageError(f"this run has each of {told}, but not together: choose fewer of them")
