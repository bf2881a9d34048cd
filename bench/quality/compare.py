"""One answer against the right one, by EvalPlus's rules. Runs in limited.py's child: an answer is a stranger's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .values import Kin, NotAnAnswerError, distinct, load, plain

if TYPE_CHECKING:
    from .tasks import Rule

RTOL = 1e-7
# Hexadecimal digits of a number that may be right although the right answer's text is shorter: a float's as a ratio.
LEAST_DIGITS = 1024


def is_right(rule: Rule, given: Sequence[Any], answer: bytes, right: bytes, atol: float) -> bool:
    """Whether a line of inside.dump is as right as ``right``, which is one too. ``given``: the input; ``atol``: how
    far a float may be off."""
    try:
        value = load(answer.decode("ascii", "replace"), max(LEAST_DIGITS, len(right)))
        if rule in _RULES and _RULES[rule](given, plain(value), atol):
            return True
        if rule in ALONE:
            return False
        known = load(right.decode("ascii"))
        return distinct(plain(value)) == set(plain(known)) if rule == "set" else agrees(value, known, atol)
    except (NotAnAnswerError, TypeError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return False


def agrees(answer: Any, right: Any, atol: float) -> bool:
    """EvalPlus's comparison of two values."""
    if _equals(answer, right):
        return True
    if atol == 0 or _class(answer) != _class(right):
        return False
    answer, right = plain(answer), plain(right)
    if isinstance(right, (list, tuple)) and len(answer) != len(right):
        return False
    # Here, because few answers come this far and importing it takes longer than all of this child's start.
    import numpy as np

    try:
        return bool(np.allclose(answer, right, rtol=RTOL, atol=atol))
    except (TypeError, ValueError, OverflowError):
        return False


def _equals(answer: Any, right: Any) -> bool:
    value, known = plain(answer), plain(right)
    if isinstance(answer, Kin) and answer.name in _SPREAD:
        # NumPy holds one item against each of a list's.
        while isinstance(known, (list, tuple)) and len(known) == 1:
            (known,) = known
        if answer.name in _SHORT:
            import numpy as np

            value = getattr(np, answer.name)(value)
    return bool(value == known)


def _class(value: Any) -> tuple[bool, str]:
    return (True, value.name) if isinstance(value, Kin) else (False, type(value).__name__)


def _is_root(given: Sequence[Any], x: Any, atol: float) -> bool:
    """Whether a number is a root of the polynomial whose coefficients, lowest first, are the input."""
    return bool(abs(sum(factor * x**power for power, factor in enumerate(given[0]))) <= atol)


def _is_surface(given: Sequence[Any], area: Any, atol: float) -> bool:
    """Of a square pyramid whose height is measured from the base, not along the side."""
    edge, height = given
    return bool(abs(area - round(edge**2 + 2 * edge * math.sqrt((edge / 2) ** 2 + height**2))) <= atol)


def _is_distance(given: Sequence[Any], distance: Any, _atol: float) -> bool:
    """The differences of two numbers' digits, where the shorter number is filled with zeros."""
    texts = [str(number) for number in given]
    length = max(map(len, texts))
    digits = [[int(digit) for digit in text.zfill(length)] for text in texts]
    return bool(distance == sum(abs(one - other) for one, other in zip(*digits, strict=True)))


# Numbers of NumPy that are rounded before they are compared, and all that are spread over what they are compared with.
_SHORT = ("float16", "float32", "complex64")
_SPREAD = frozenset((
    *_SHORT, "ndarray", "matrix", "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "intc", "uintc", "longlong", "ulonglong", "float64", "complex128",
))  # fmt: skip
# What is right besides the canonical solution's answer; a root is right whatever that is.
_RULES: Mapping[Rule, Callable[[Sequence[Any], Any, float], bool]] = {
    "root": _is_root,
    "any": lambda _given, _value, _atol: True,
    "zero": lambda _given, value, _atol: bool(value == 0),
    "surface": _is_surface,
    "distance": _is_distance,
}
# Those that do not look at the canonical solution's answer at all.
ALONE = ("root", "any")
