"""Whether answers are right: EvalPlus's rules, on values that the sandbox let out.

An answer is right when it equals the canonical solution's, or, where floats are compared, when it is of the same type
and close (rtol 1e-7 and the task's atol, 1e-6 where it has none). ``find_zero`` (HumanEval/32) has many right answers:
what it returns must be a root. (evalplus 0.3.1 forgets to note that one and so fails every solution of it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .values import NotAnAnswerError, load

RTOL, FLOAT_ATOL = 1e-7, 1e-6


def first_wrong(
    entry_point: str, inputs: Sequence[Sequence[Any]], atol: float, expected: Sequence[str], answers: Sequence[str]
) -> int | None:
    """The first input whose answer is wrong or missing; None where all are right. Answers are lines of values.dump."""
    floats = False
    for place, right in enumerate(expected):
        if place >= len(answers):
            return place
        if entry_point == "find_zero":
            fine = _is_root(inputs[place], answers[place], atol)
        else:
            # Once a task's answer was a float, EvalPlus compares all later ones as floats.
            floats = floats or (atol == 0 and _may_be_floats(right) and is_floats(load(right)))
            fine = _same(right, answers[place], FLOAT_ATOL if floats else atol)
        if not fine:
            return place
    return None


def _same(right: str, answer: str, atol: float) -> bool:
    # As text first: nearly all right answers are equal to the letter. What equals nothing, itself included, is not.
    if right == answer and "NaN" not in right:
        return True
    try:
        return agrees(load(answer), load(right), atol)
    except NotAnAnswerError:
        return False


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


def _may_be_floats(line: str) -> bool:
    return "." in line or "e" in line or "N" in line or "I" in line


def _is_root(given: Sequence[Any], answer: str, atol: float) -> bool:
    """Whether a number is a root of the polynomial whose coefficients, lowest first, are the input."""
    try:
        x = load(answer)
        return bool(abs(sum(factor * x**power for power, factor in enumerate(given[0]))) <= atol)
    except (NotAnAnswerError, TypeError, ValueError, OverflowError, ZeroDivisionError):
        return False
