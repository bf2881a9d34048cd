"""Whether answers are right: EvalPlus's rules, on values that the sandbox let out.

An answer is right when it equals the canonical solution's, or, where floats are compared, when it is of the same type
and close (rtol 1e-7 and the task's atol, 1e-6 where it has none). Some tasks have more right answers (their ``rule``,
see tasks.py). ``find_zero`` (HumanEval/32) is one: what it returns must be a root. (evalplus 0.3.1 forgets to note
that one and so fails every solution of it.)
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .tasks import Rule
from .values import NotAnAnswerError, load

RTOL, FLOAT_ATOL = 1e-7, 1e-6


@dataclass(frozen=True)
class Hashed:
    """A right answer too long to be kept: its line's hash, and whether it is_floats. It equals itself."""

    digest: str
    floats: bool

    @classmethod
    def of(cls, line: bytes) -> Hashed:
        """Of the line of an answer."""
        return cls(_digest(line), _may_be_floats(line) and is_floats(_load(line)))


Right = bytes | Hashed


def first_wrong(
    rule: Rule,
    inputs: Sequence[Sequence[Any]],
    atol: float,
    expected: Sequence[Right],
    answers: Sequence[bytes],
    again: Callable[[], Sequence[bytes]] = tuple,
) -> int | None:
    """The first input whose answer is wrong or missing; None where all are right. Answers are lines of inside.dump.

    ``again`` makes the whole lines that ``expected`` has only as hashes; it is called where the hash does not tell.
    """
    floats = False
    for place, right in enumerate(expected):
        if place >= len(answers):
            return place
        if rule != "root":
            # Once a task's answer was a float, EvalPlus compares all later ones as floats.
            floats = floats or (atol == 0 and _has_floats(right))
        known = _Known(right, place, again)
        if not _fine(rule, inputs[place], answers[place], known, FLOAT_ATOL if floats else atol):
            return place
    return None


@dataclass(frozen=True)
class _Known:
    """A right answer, and where its whole value comes from."""

    line: Right
    place: int
    again: Callable[[], Sequence[bytes]]

    @property
    def value(self) -> Any:
        return _load(self.again()[self.place] if isinstance(self.line, Hashed) else self.line)


def _fine(rule: Rule, given: Sequence[Any], answer: bytes, right: _Known, atol: float) -> bool:
    if rule != "root" and _same(right.line, answer):
        return True
    try:
        value = _load(answer)
        if rule in _RULES and _RULES[rule](given, value, atol):
            return True
        if rule == "set":
            return set(value) == set(right.value)
        return rule != "root" and agrees(value, right.value, atol)
    except (NotAnAnswerError, TypeError, ValueError, ArithmeticError):
        return False


def _same(right: Right, answer: bytes) -> bool:
    # As text first: nearly all right answers are equal to the letter. What equals nothing, itself included, is not.
    if isinstance(right, Hashed):
        return right.digest == _digest(answer)
    return right == answer and b"NaN" not in right


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=32).hexdigest()


def _load(line: bytes) -> Any:
    return load(line.decode("ascii", "replace"))


def agrees(answer: Any, right: Any, atol: float) -> bool:
    """EvalPlus's comparison of two built-in values."""
    if answer == right:
        return True
    if atol == 0 or type(answer) is not type(right):
        return False
    if isinstance(right, (list, tuple)) and len(answer) != len(right):
        return False
    try:
        return bool(np.allclose(answer, right, rtol=RTOL, atol=atol))
    except (TypeError, ValueError, OverflowError):
        return False


def is_floats(value: Any) -> bool:
    """A float, or a list or tuple of nothing but floats."""
    if isinstance(value, (list, tuple)) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _has_floats(right: Right) -> bool:
    if isinstance(right, Hashed):
        return right.floats
    return _may_be_floats(right) and is_floats(_load(right))


# A line whose first number is a float. Reading the whole line is slow where it is long, and few of those hold floats.
_FLOAT_FIRST = re.compile(rb'(?:\{"tuple":)?\[?-?(?:\d+[.e]|Infinity|NaN)')


def _may_be_floats(line: bytes) -> bool:
    return _FLOAT_FIRST.match(line) is not None


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


# What is right besides the canonical solution's answer; a root is right whatever that is.
_RULES: Mapping[Rule, Callable[[Sequence[Any], Any, float], bool]] = {
    "root": _is_root,
    "any": lambda _given, _value, _atol: True,
    "zero": lambda _given, value, _atol: bool(value == 0),
    "surface": _is_surface,
    "distance": _is_distance,
}
