"""Two programs, or steps of two CPU's traces, whose work can be told apart by the same ranges.

The candidate is set against the reference range by range. Where the ranges of the one are not those of the other, as of
other code, or of CUDA graphs, whose launch lies in none, work that both do would look as if one did not do it at all.
Then its ranges do not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from ..ledger.around import known_in_one
from ..ledger.costs import END, START, IdleSource
from ..ledger.segments import Step
from .program import Item, Program

# So much of the work of one cause must lie, in both, in ranges that the other has none of it in.
_UNSHARED = 0.3


def with_common_ranges(reference: Program, candidate: Program) -> tuple[Program, Program]:
    """Both, without the ranges that do not count; themselves where all do."""
    both = reference, candidate
    if known_in_one(*((_ranged(each),) for each in both)):
        return _without(reference, None), _without(candidate, None)
    one, other = (_by_cause(each) for each in both)
    apart = [cause for cause in one if cause in other and _apart(one[cause], other[cause])]
    return (_without(reference, apart), _without(candidate, apart)) if apart else both


def steps_with_common_ranges(
    reference: Sequence[Step], candidate: Sequence[Step]
) -> tuple[Sequence[Step], Sequence[Step]]:
    """The same of a CPU's steps; there ranges count for all of the work or for none."""
    one, other = (_begun(steps) for steps in (reference, candidate))
    lone = known_in_one(*((1.0 - each.get("", 0.0) / max(sum(each.values()), 1.0),) for each in (one, other)))
    if not lone and not _apart(one, other):
        return reference, candidate
    return tuple(map(_step_without, reference)), tuple(map(_step_without, candidate))


def _begun(steps: Sequence[Step]) -> dict[str, float]:
    """Range → how often work began in it."""
    found: dict[str, float] = defaultdict(float)
    for step in steps:
        for (name, _), count in step.begun.items():
            found[name] += count
    return found


def _step_without(step: Step) -> Step:
    begun: Counter[tuple[str, str]] = Counter()
    for (_, cause), count in step.begun.items():
        begun["", cause] += count
    return Step(tuple(replace(each, source=_placed(each.source)) for each in step.segments), begun)


def _placed(source: IdleSource) -> IdleSource:
    return source if source.range in (START, END) else replace(source, range="")


def _ranged(program: Program) -> float:
    """The part of the work that has a range."""
    return sum(bool(op.range) for op in program.ops) / max(len(program.ops), 1)


def _by_cause(program: Program) -> dict[str, dict[str, float]]:
    """Cause → range → ns of work, and of waiting calls how many."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for op in program.ops:
        found[op.cause][op.range] += op.end - op.start
    for item in program.items:
        if item.waits:
            found[""][item.range] += 1.0
    return found


def _apart(one: dict[str, float], other: dict[str, float]) -> bool:
    shares = [
        sum(size for name, size in mine.items() if name not in theirs) / (sum(mine.values()) or 1.0)
        for mine, theirs in ((one, other), (other, one))
    ]
    return min(shares) > _UNSHARED


def _without(program: Program, causes: Collection[str] | None) -> Program:
    """The program with no ranges for work of these causes ("": for waiting calls); None: for all."""

    def counts(item: Item) -> bool:
        cause = program.ops[item.ops[0]].cause if item.ops else ""
        return causes is not None and cause not in causes and not (item.waits and "" in causes)

    ops = [op if causes is not None and op.cause not in causes else replace(op, range="") for op in program.ops]
    items = [item if counts(item) else replace(item, range="") for item in program.items]
    return replace(program, items=items, ops=ops)
