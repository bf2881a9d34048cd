"""The unobserved steps of an observed call: what a step takes without its observer, a fraction of a second away.

On a GPU only those before the observed ones count. CUPTI stays attached after them: on an H100 the steps behind the
window took 11 to 22 % more than those before it (docs/h100.md). On a CPU Kineto leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.record.schema import Record

PLAIN = "plain_step_time"
# Steps that are neither observed nor plain: a call's first ones, that in which the recorder is made ready, and those in
# which it is closed and its memory is cold again.
_FIRST, _READY, _CLOSING = 2, 1, 3


def places(first: int, steps: int, made: int) -> tuple[int, ...]:
    """Which of the ``made`` decode steps of a call are plain, where ``steps`` of them from ``first`` are observed."""
    return (*range(_FIRST, first - _READY), *range(first + steps + _CLOSING, made))


def undisturbed(values: Sequence[float], first: int | None, device: str) -> tuple[float, ...]:
    """Of the plain steps' ``values``, in order, those that nothing disturbs. ``first``: the first observed step, None
    where it is not known."""
    if device != "cuda" or first is None:
        return tuple(values)
    return tuple(values[: len(range(_FIRST, first - _READY))])


def at_new_lengths(record: Record) -> bool:
    """Whether observed steps met key-value lengths for the first time: they belong to no ledger of seen ones."""
    observed = record.setup.get("observed")
    return isinstance(observed, dict) and bool(observed.get("first_visits"))


def plain_times(record: Record) -> tuple[float, ...]:
    """s of each such step of a timeline's record; () where there is none."""
    observed = record.setup.get("observed")
    first = observed.get("first_step") if isinstance(observed, dict) else None
    return undisturbed(record.values(PLAIN), first, record.case.device)
