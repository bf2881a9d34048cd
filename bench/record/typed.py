"""JSON read as what it is declared to be: a wrong type is told with its place, and not met hours later."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
Path = tuple[str | int, ...]


def decode(content: bytes) -> Any:
    """Plain JSON types. Stricter than json: no NaN, no infinity. Raises ValueError."""
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def typed(kind: Any, document: Any) -> Any:
    """``document`` as a ``kind``, by the types of its fields. Raises ValueError for a value of a wrong type, a missing
    field, or an unknown one."""
    made = converted(kind, document)
    unknown = _unknown(document, msgspec.to_builtins(made))
    if unknown:
        raise ValueError(f"unknown field {unknown!r}")
    return made


def converted(kind: Any, document: Any, part: str = "") -> Any:
    """The same, with what is unknown left out. Raises ValueError: "setup.arm.threshold: Expected `float`, got `str`".

    ``part``: what ``document`` is called where it stands.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `")
        place = _written(_named(kind, document, where.removesuffix("`"), str(error)))
        place = f"{part}{place}" if part else place.removeprefix(".")
        raise ValueError(f"{place}: {what or error}" if place else str(error)) from error


def _written(place: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def _named(kind: Any, document: Any, where: str, message: str) -> Path:
    """The place that msgspec tells, with the keys of objects, for which it writes "..."."""
    place: Path = ()
    for name, index in _STEP.findall(where):
        place += (name or (index if index == "..." else int(index)),)
        if index == "...":
            keys = _value_at(document, place[:-1])
            place = (*place[:-1], next((key for key in keys if _fails(kind, document, place[:-1], key, message)), "…"))
    return place


def _value_at(document: Any, place: Path) -> Any:
    for step in place:
        document = document[step]
    return document


def _fails(kind: Any, document: Any, place: Path, key: Any, message: str) -> bool:
    """Whether the object at ``place`` is amiss with this key alone."""
    try:
        msgspec.convert(_with_value(document, place, {key: _value_at(document, place)[key]}), kind)
    except msgspec.ValidationError as error:
        return str(error) == message
    return False


def _with_value(document: Any, place: Path, value: Any) -> Any:
    """``document`` with another value at ``place``."""
    if not place:
        return value
    changed: Any = dict(document) if isinstance(document, dict) else list(document)
    changed[place[0]] = _with_value(document[place[0]], place[1:], value)
    return changed


def _unknown(given: Any, known: Any) -> str:
    """The first name in ``given`` that reading it left out."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            found = name if name not in known else _unknown(value, known[name])
            if found:
                return str(found)
    if isinstance(given, list) and isinstance(known, list | tuple):
        return next((found for one, other in zip(given, known, strict=True) if (found := _unknown(one, other))), "")
    return ""
