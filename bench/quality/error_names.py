"""What is repeated of the exception that ended a program: a name is the one text of a program that leaves its box for a
record, so none is that could tell what the program saw there."""

from __future__ import annotations

import builtins
import re

_BUILT_IN = frozenset(name for name, held in vars(builtins).items() if isinstance(held, type))
# Of modules that programs use, and our own for a value that is none.
_KNOWN = frozenset((
    "NotAnAnswerError", "JSONDecodeError", "LinAlgError", "InvalidOperation", "DivisionByZero", "PatternError", "error",
    "Error", "StatisticsError", "Empty", "Full", "FrozenInstanceError", "InvalidStateError", "PicklingError",
    "UnpicklingError", "ZoneInfoNotFoundError", "UnsupportedOperation", "OperationalError", "ArgumentError",
    "ArgumentTypeError", "ParseError", "AxisError", "BrokenBarrierError", "IllegalMonthError", "CycleError",
    "UFuncTypeError", "ExpatError", "TokenError",
))  # fmt: skip
OTHER = "another exception"


def error_name(name: str, program: str) -> str:
    """``name`` where it is that of a known exception, or stands in the program's text; else OTHER."""
    is_known = name in _BUILT_IN or name in _KNOWN
    return name if is_known or (name.isidentifier() and re.search(rf"\b{re.escape(name)}\b", program)) else OTHER
