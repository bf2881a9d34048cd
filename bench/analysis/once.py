"""What follows from a Record alone is found once, however many tables ask for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from bench.record.schema import Record

More = ParamSpec("More")
Found = TypeVar("Found")
_KEPT = "_found_once"


def once(function: Callable[Concatenate[Record, More], Found]) -> Callable[Concatenate[Record, More], Found]:
    """``function`` of a Record and of hashable values: what it gave is kept beside the Record's fields, and so as long
    as the Record. A Record is frozen, so that it stays true."""

    @wraps(function)
    def asked(record: Record, /, *more: More.args, **named: More.kwargs) -> Found:
        known: dict[Hashable, Any] = record.__dict__.setdefault(_KEPT, {})
        key = (function, more, tuple(named.items()))
        if key not in known:
            known[key] = function(record, *more, **named)
        found: Found = known[key]
        return found

    return asked
