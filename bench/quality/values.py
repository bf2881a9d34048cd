"""Answers as text: what ``dump`` (inside.py) wrote in the sandbox, read outside it. Only built-in values are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from .inside import NotAnAnswerError, dump

__all__ = ["NotAnAnswerError", "dump", "load"]


def load(text: str) -> Any:
    """The value of one line. Raises NotAnAnswerError for a line that ``dump`` would not write."""
    try:
        return json.loads(text, object_hook=_untagged)
    except NotAnAnswerError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise NotAnAnswerError(type(error).__name__) from None


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
