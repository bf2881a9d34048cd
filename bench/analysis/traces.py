"""The ledger of two traces that anyone made: per step, with the observer's disturbance in both.

Nothing is known of an unprofiled run, so the wall time is the observed one, ``unexplained`` is what rounding leaves and
there is no line ``profiler_disturbance``. The causes are found by replay: each alone as in the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.record.errors import RecordError

from .ledger.closure import Closed, Side, close, on_grid
from .ledger.costs import Ns, Source, StepCosts
from .ledger.pairs import SourceLine, with_rest
from .ledger.read import STEP_RANGE, step_costs
from .replay.diagnosis import Diagnosis
from .replay.whatif import Replay
from .timeline import Analysis

_NS, _MS = 1e-9, 1e-6


@dataclass(frozen=True)
class TracePair:
    """``closed`` in ms per step. ``unknown``: names in ``other`` of the candidate, with their share of it."""

    device: str
    steps: tuple[int, int]
    closed: Closed
    diagnosis: Diagnosis
    sources: tuple[SourceLine, ...]
    unknown: tuple[tuple[str, float], ...]


def explain_traces(reference: Analysis, candidate: Analysis, step_range: str = STEP_RANGE) -> TracePair:
    """The candidate against the reference. Raises RecordError where a trace has no such steps, or where one holds GPU
    work and the other does not."""
    if bool(reference.devices) != bool(candidate.devices):
        raise RecordError("one trace holds GPU work and the other does not: take two traces of the same kind of device")
    before, after = step_costs(reference, step_range), step_costs(candidate, step_range)
    closed = close(_side(before), _side(after))
    diagnosis = Replay(candidate, step_range).diagnose(Replay(reference, step_range))
    sources = _sources(before, after, closed)
    return TracePair(after.device, (before.steps, after.steps), closed, diagnosis, sources, _unknown(after))


def _side(costs: StepCosts) -> Side:
    wall = (tuple((costs.wall * _NS).tolist()),)
    lines = {name: (tuple((column * _NS).tolist()),) for name, column in costs.causes.items()}
    return Side(wall, lines, (), "mean")


def _sources(before: StepCosts, after: StepCosts, closed: Closed) -> tuple[SourceLine, ...]:
    made: list[SourceLine] = []
    for line in closed.lines:
        keys = [key for key in dict.fromkeys((*before.sources, *after.sources)) if key.cause == line.cause]
        if not keys:
            continue
        made += with_rest(line, [_part(key, before.sources, after.sources) for key in keys])
    return tuple(made)


def _part(key: Source, before: Mapping[Source, Ns], after: Mapping[Source, Ns]) -> SourceLine:
    one, other = (on_grid(float(side[key].mean()) * _MS) if key in side else 0.0 for side in (before, after))
    return SourceLine(key.cause, key.range, key.operator, key.work, one, other)


def _unknown(costs: StepCosts) -> tuple[tuple[str, float], ...]:
    total = sum(costs.unknown.values())
    ranked = sorted(costs.unknown.items(), key=lambda item: -item[1])[:5]
    return tuple((name, ns / total) for name, ns in ranked) if total else ()
