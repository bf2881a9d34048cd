"""Answers as text: built-in values in JSON, tagged where JSON has no such type.

This module runs on both sides of the sandbox's wall, so it needs nothing but the standard library. Inside, only what
values are made of is written, by the methods of the built-in types, never by ``__eq__`` or ``__iter__`` of an object
that a program made (one that calls itself a NumPy scalar is asked for its item). Outside, only built-in values are
made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST_DEPTH = 200
_LARGE = 1 << 128
Writer = Callable[[Any, int], Any]


class NotAnAnswerError(Exception):
    """A value that is no answer of a task: an object, a function, something too deep."""


def dump(value: object) -> str:
    """A value as one line of JSON. Raises NotAnAnswerError."""
    try:
        return json.dumps(_tagged(value, MOST_DEPTH), separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise NotAnAnswerError(type(error).__name__) from None


def load(text: str) -> Any:
    """The value of one line. Raises NotAnAnswerError for a line that ``dump`` would not write."""
    try:
        return json.loads(text, object_hook=_untagged)
    except NotAnAnswerError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise NotAnAnswerError(type(error).__name__) from None


def _tagged(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value if kind is not int or -_LARGE < value < _LARGE else _large(value)
    if depth == 0:
        raise NotAnAnswerError("too deep")
    for base, write in _WRITERS:
        if issubclass(kind, base):
            return write(value, depth - 1)
    if kind.__module__ == "numpy" and kind.__name__ in _NUMPY:
        return _tagged(kind.item(value), depth - 1)
    raise NotAnAnswerError(kind.__name__)


def _items(base: Any, tag: str) -> Writer:
    def write(value: Any, depth: int) -> Any:
        return {tag: [_tagged(item, depth) for item in base.__iter__(value)]}

    return write


def _list(value: Any, depth: int) -> Any:
    return [_tagged(item, depth) for item in list.__iter__(value)]


def _dict(value: Any, depth: int) -> Any:
    return {"dict": [[_tagged(key, depth), _tagged(item, depth)] for key, item in dict.items(value)]}


def _decimal(value: Any, _depth: int) -> Any:
    if not Decimal.is_finite(value):
        raise NotAnAnswerError("Decimal without a value")
    top, bottom = Decimal.as_integer_ratio(value)
    return {"ratio": [hex(top), hex(bottom)]}


def _large(value: int) -> Any:
    """In base 16, which takes time in proportion to the digits; base 10 takes their square."""
    return {"int": hex(value)}


def _fraction(value: Any, _depth: int) -> Any:
    top, bottom = Fraction.as_integer_ratio(value)
    if type(top) is not int or type(bottom) is not int:
        raise NotAnAnswerError("Fraction of objects")
    return {"ratio": [hex(top), hex(bottom)]}


_PLAIN = frozenset((bool, int, float, str, type(None)))
_NUMPY = frozenset(("bool", "bool_", "int64", "int32", "float64", "float32", "str_"))
# Subclasses are written by what they hold: a Counter is a dict to whoever compares it.
_WRITERS: tuple[tuple[type, Writer], ...] = (
    (list, _list),
    (tuple, _items(tuple, "tuple")),
    (dict, _dict),
    (frozenset, _items(frozenset, "set")),
    (set, _items(set, "set")),
    (str, lambda value, _depth: str.__str__(value)),
    (int, lambda value, depth: _tagged(int.__add__(value, 0), depth)),
    (float, lambda value, _depth: float.__add__(value, 0.0)),
    (complex, lambda value, _depth: {"complex": [complex.__complex__(value).real, complex.__complex__(value).imag]}),
    (bytes, lambda value, _depth: {"bytes": bytes.hex(value)}),
    (Decimal, _decimal),
    (Fraction, _fraction),
)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "dict": dict,
    "set": frozenset,
    "complex": lambda parts: complex(*parts),
    "bytes": bytes.fromhex,
    "int": lambda text: int(text, 16),
    "ratio": lambda parts: Fraction(*(int(part, 16) for part in parts)),
}


def _untagged(tagged: dict[str, Any]) -> Any:
    ((tag, held),) = tagged.items()
    return _READERS[tag](held)
