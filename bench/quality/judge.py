"""Whether answers are right: EvalPlus's rules, on values that the sandbox let out.

An answer is right when it equals the canonical solution's, or, where floats are compared, when it is of the same type
and close (rtol 1e-7 and the task's atol, 1e-6 where it has none). Some tasks have more right answers (their ``rule``,
see tasks.py). ``find_zero`` (HumanEval/32) is one: what it returns must be a root. (evalplus 0.3.1 forgets to note
that one and so fails every solution of it.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .compare import ALONE, is_right
from .tasks import Rule
from .values import load, plain

FLOAT_ATOL = 1e-6
# A right answer may be longer than the canonical one: each number of a list as a ratio or as a complex number, …
LEAST_LENGTH, TIMES_LENGTH = 1 << 16, 32
Compare = Callable[[Rule, Sequence[Any], bytes, bytes, float], bool]


@dataclass(frozen=True)
class Hashed:
    """A right answer too long to be kept: its line's hash and length, and whether it is_floats. It equals itself."""

    digest: str
    floats: bool
    length: int

    def __len__(self) -> int:
        return self.length

    @classmethod
    def of(cls, line: bytes) -> Hashed:
        """Of the line of an answer."""
        return cls(_digest(line), _may_be_floats(line) and is_floats(_load(line)), len(line))


Right = bytes | Hashed


def longest(rule: Rule, expected: Sequence[Right]) -> list[int | None]:
    """B that the line of each answer may have and still be right; None where any answer is."""
    return [None if rule == "any" else LEAST_LENGTH + TIMES_LENGTH * len(right) for right in expected]


def first_wrong(
    rule: Rule,
    inputs: Sequence[Sequence[Any]],
    atol: float,
    expected: Sequence[Right],
    answers: Sequence[bytes],
    again: Callable[[], Sequence[bytes]] = tuple,
    compare: Compare = is_right,
) -> int | None:
    """The first input whose answer is wrong or missing; None where all are right. Answers are lines of inside.dump.

    ``again`` makes the whole lines that ``expected`` has only as hashes; it is called where the hash does not tell.
    ``compare`` reads the answers that are not equal to the letter: strangers' texts, so in a limited process.
    """
    floats = False
    for place, right in enumerate(expected):
        if place >= len(answers):
            return place
        if rule != "root":
            # Once a task's answer was a float, EvalPlus compares all later ones as floats.
            floats = floats or (atol == 0 and _has_floats(right))
            if _equal_answers(right, answers[place]):
                continue
        whole = b"" if rule in ALONE else right if isinstance(right, bytes) else again()[place]
        if not compare(rule, inputs[place], answers[place], whole, FLOAT_ATOL if floats else atol):
            return place
    return None


def _equal_answers(right: Right, answer: bytes) -> bool:
    # As text first: nearly all right answers are equal to the letter. What equals nothing, itself included, is not.
    if isinstance(right, Hashed):
        return right.digest == _digest(answer)
    return right == answer and b"NaN" not in right


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=32).hexdigest()


def _load(line: bytes) -> Any:
    return load(line.decode("ascii", "replace"))


def is_floats(value: Any) -> bool:
    """A float, or a list or tuple of nothing but floats."""
    value = plain(value)
    if isinstance(value, (list, tuple)) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _has_floats(right: Right) -> bool:
    if isinstance(right, Hashed):
        return right.floats
    return _may_be_floats(right) and is_floats(_load(right))


# A line whose first number is a float. Reading the whole line is slow where it is long, and few of those hold floats.
_FLOAT_FIRST = re.compile(rb'(?:\{"kin":\["[^"]*",)?(?:\{"tuple":)?\[?-?(?:\d+[.e]|Infinity|NaN)')


def _may_be_floats(line: bytes) -> bool:
    return _FLOAT_FIRST.match(line) is not None
