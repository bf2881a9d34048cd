"""What observing cost on a CPU, event by event: a model fitted over all observed arms of a run.

Recording an operator, or an annotated range with its hooks, costs the host a fixed time each, in what called it. In
the midst of a model, with cold caches, both cost more than in a short loop, so the two are fitted: over all observed
processes, to (observed step less unobserved steps of the same call) = operators × a + range ends × b, a and b not
negative, by least absolute deviations relative to the step. Arms differ in their operators per step, which tells the
two apart; where they do not, the short loops of the same processes say how the two compare. No arm is fitted to itself
alone: what the model misses of an arm is its line ``profiler_disturbance``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.record import causes as c
from bench.record.schema import Record

from ..ledger.plain import plain_times
from ..once import once
from .costs import median_costs

Seconds = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ObserverModel:
    """Seconds per recorded operator and per end of an annotated range."""

    operator: float
    range_end: float

    def cost(self, events: Mapping[str, Sequence[float]] | None) -> Seconds | float:
        """[steps] s that recording cost inside one line or source."""
        if not events or "operators" not in events:
            return 0.0
        operators = np.asarray(events["operators"], np.float64)
        return operators * self.operator + np.asarray(events["range_ends"], np.float64) * self.range_end


NOTHING = ObserverModel(0.0, 0.0)
_ROUNDS = 60


def observer_model(records: Iterable[Record]) -> ObserverModel:
    """The model of some records of one instrument on one machine; NOTHING where they do not tell."""
    known = [record for record in records if plain_times(record) and record.setup["ledger"]["events"]]
    if not known:
        return NOTHING
    counts = np.array([_counts(record) for record in known])
    plain = np.array([float(np.median(plain_times(record))) for record in known])
    extra = np.array([float(observed_steps(record)[middle(record)].mean()) for record in known]) - plain
    return fitted(counts, extra, plain, _loops(known))


def _counts(record: Record) -> tuple[float, float]:
    """Recorded operators and range ends of one step."""
    rows, events = middle(record), record.setup["ledger"]["events"].values()
    operators = sum(float(np.mean(np.asarray(item["operators"], np.float64)[rows])) for item in events)
    ends = sum(float(np.mean(np.asarray(item["range_ends"], np.float64)[rows])) for item in events)
    return operators, ends


def _loops(records: Sequence[Record]) -> Seconds:
    """[2] what an operator and the end of a range cost in short loops."""
    names = ("operator_event_cost", "range_event_cost")
    costs = median_costs({name: [value for record in records for value in record.values(name)] for name in names})
    return np.array([costs.operator, costs.range / 2]) * 1e-9


def fitted(counts: Seconds, extra: Seconds, plain: Seconds, loops: Seconds) -> ObserverModel:
    """The model of some observed processes. [n, 2] ``counts`` of recorded operators and range ends per step; [n]
    seconds that a step took ``extra`` over the ``plain`` ones; [2] ``loops``: what the two cost in short loops."""
    both = _least_absolute(counts, extra, plain) if _differ_in_shares(counts) else None
    if both is not None and (both >= 0).all():
        return ObserverModel(float(both[0]), float(both[1]))
    if both is not None:
        # One of the two would give time back: the other one alone.
        column = int(np.argmax(both))
        alone = _least_absolute(counts[:, [column]], extra, plain)
        cost = max(float(alone[0]), 0.0)
        return ObserverModel(cost, 0.0) if column == 0 else ObserverModel(0.0, cost)
    together = counts @ loops
    scale = max(float(_least_absolute(together[:, None], extra, plain)[0]), 0.0) if together.any() else 0.0
    return ObserverModel(float(loops[0] * scale), float(loops[1] * scale))


def _differ_in_shares(counts: Seconds) -> bool:
    """Whether the records differ enough in operators per range end."""
    if not counts[:, 1].all():
        return False
    share = counts[:, 0] / counts[:, 1]
    return bool(share.max() > 1.3 * share.min())


def _least_absolute(columns: Seconds, values: Seconds, scale: Seconds) -> Seconds:
    """Coefficients that make the sum of |values - columns·x| / scale least, by reweighted least squares (Schlossmacher
    1973, JASA 68(344))."""
    a, y = columns / scale[:, None], values / scale
    x = np.asarray(np.linalg.lstsq(a, y, rcond=None)[0], np.float64)
    for _ in range(_ROUNDS):
        weight = 1.0 / np.sqrt(np.maximum(np.abs(y - a @ x), 1e-6))
        x = np.asarray(np.linalg.lstsq(a * weight[:, None], y * weight, rcond=None)[0], np.float64)
    return x


def observed_steps(record: Record) -> Seconds:
    """[steps] s of each observed step: the sum of its lines."""
    columns = [record.values(f"observed_{cause}_per_step") for cause in c.CAUSES]
    total: Seconds = np.sum([column for column in columns if column], axis=0, dtype=np.float64)
    return total


@once
def middle(record: Record) -> list[int]:
    """The rows of the observed steps between the quartiles of their length; all of them where they are few."""
    walls = observed_steps(record)
    if len(walls) < 4:
        return list(range(len(walls)))
    low, high = np.quantile(walls, (0.25, 0.75))
    rows: list[int] = np.flatnonzero((walls >= low) & (walls <= high)).tolist()
    return rows
