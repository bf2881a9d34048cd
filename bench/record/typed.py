"""JSON read as what it is declared to be: a wrong type is told with its place, and not met hours later."""

from __future__ import annotations

from typing import Any

import msgspec


def decode(content: bytes) -> Any:
    """Plain JSON types. Stricter than json: no NaN, no infinity. Raises ValueError."""
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def typed(kind: Any, document: Any) -> Any:
    """``document`` as a ``kind``, by the types of its fields. Raises ValueError for a value of a wrong type, a missing
    field, or an unknown one."""
    made = msgspec.convert(document, kind)
    unknown = _unknown(document, msgspec.to_builtins(made))
    if unknown:
        raise ValueError(f"unknown field {unknown!r}")
    return made


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
