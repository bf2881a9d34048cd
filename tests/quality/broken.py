"""Broken programs, for the tests and benchmarks/evaluation.py: right ones with a wrapper that spoils any answer."""

from __future__ import annotations

from collections.abc import Sequence

from bench.quality.tasks import PlusTask

# Their own solutions take seconds.
HEAVY = {f"HumanEval/{number}" for number in (15, 25, 32, 36, 59, 83, 94, 100, 130, 139)}
SPOIL = """
_right = {name}
def {name}(*given):
    answer = _right(*given)
    return (not answer) if isinstance(answer, bool) else [answer]
"""


def light(tasks: Sequence[PlusTask]) -> list[PlusTask]:
    """The 38 tasks that are soonest judged."""
    return sorted((t for t in tasks if t.task_id not in HEAVY), key=lambda t: len(t.plus) + len(t.base))[:38]
