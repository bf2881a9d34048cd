"""Answers as text: what ``dump`` (inside.py) wrote in the sandbox, read outside it. Only built-in values are made.

Whoever forges a line chooses its numbers, so none of what is made here takes more time than its length explains: the
digits of numbers are counted before they are read, and values that all hash alike make no set and no dict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from .inside import NotAnAnswerError, dump

__all__ = ["Kin", "NotAnAnswerError", "distinct", "dump", "load", "plain"]

# Of a ratio's numbers, because reducing one takes the square of its digits.
MOST_RATIO_DIGITS = 20_000
# So many unlike values may hash alike: that costs nothing to speak of.
_FEW = 64


@dataclass(frozen=True)
class Kin:
    """A value of a class that is not built in, by the class's ``name`` and what it holds: it equals what that equals,
    but is close to no value of another class."""

    name: str
    value: Any


def plain(value: Any) -> Any:
    """What it holds, whatever its class."""
    return value.value if isinstance(value, Kin) else value


def load(text: str, most_digits: int | None = None) -> Any:
    """The value of one line; ``most_digits``: that its numbers may have, in base 16 (None: any).

    Raises NotAnAnswerError for a line that ``dump`` would not write, or not of a value with such numbers.
    """
    try:
        return json.loads(text, object_hook=partial(_untagged, most_digits))
    except NotAnAnswerError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise NotAnAnswerError(type(error).__name__) from None


def distinct(values: Any) -> frozenset[Any]:
    """The set of some values. Raises NotAnAnswerError where many unlike ones hash alike: it would take the square of
    their number."""
    _check_hashes(values)
    return frozenset(values)


def _check_hashes(values: Iterable[Any]) -> None:
    alike: dict[int, list[Any]] = {}
    for value in values:
        others = alike.setdefault(hash(value), [])
        if value not in others:
            others.append(value)
        if len(others) > _FEW:
            raise NotAnAnswerError("values that hash alike")


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    _check_hashes(key for key, _ in pairs)
    return dict(pairs)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "dict": _dict,
    "set": distinct,
    "complex": lambda parts: complex(*parts),
    "bytes": bytes.fromhex,
    "kin": lambda parts: Kin(str(parts[0]), parts[1]),
}


def _untagged(most_digits: int | None, tagged: dict[str, Any]) -> Any:
    ((tag, held),) = tagged.items()
    if tag == "int":
        return _number(held, most_digits)
    if tag == "ratio":
        most = MOST_RATIO_DIGITS if most_digits is None else min(most_digits, MOST_RATIO_DIGITS)
        return Fraction(*(_number(part, most) for part in held))
    return _READERS[tag](held)


def _number(text: str, most_digits: int | None) -> int:
    if most_digits is not None and len(text) > most_digits:
        raise NotAnAnswerError("a number of too many digits")
    return int(text, 16)
