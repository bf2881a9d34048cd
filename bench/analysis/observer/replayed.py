"""What a GPU trace's steps cost without the observer: its cost taken off, event by event.

The model: recording an operator, an annotated range or a call costs the host a fixed time each. Short loops in the
observed process tell how the three compare; in the midst of a model, with cold caches, all of them cost more, by a
factor that is chosen so that the step gets the length of those steps of the same call that were not observed. What that
does to a step is found by playing the trace again (replay.undisturb), because a GPU that is busy hides it.

Where it hides the observer, the step's length tells nothing of the factor, and a little less than the GPU can do would
ask for all of the host's work. So the factor is the likeliest one, given the length, which is known to TIME, and what
the factor is elsewhere, which is USUAL ± ITS_SPREAD: a step that waits for its host decides alone.

On a CPU the same model is fitted over all arms of a run (fitted.py), so that its error shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ledger.gpu import gpu_rows, work_of
from ..ledger.read import STEP_RANGE
from ..ledger.rows import GpuRows
from ..replay.simulate import Recording, ReplayPlan
from ..replay.undisturb import Undisturbed
from ..timeline import Analysis
from .costs import NO_EVENTS, EventCosts

MOST = 8.0
# Of the committed H100 run, over its eight processes: 1.7 to 2.9, and 6.0.
USUAL, ITS_SPREAD = 2.2, 1.2
# The relative error of an unobserved step's time as that of the observed steps.
TIME = 0.01
# How far the costs of operators, ranges and calls may compare otherwise than in short loops.
UNLIKE = 1.5
# A waiting call's own cost is half after its wait, but for a standard deviation: that of any share from none to all.
INSIDE = 0.5 + 0.29
_TRIED, _ROUNDS = 9, 4


@dataclass(frozen=True, eq=False)
class WithoutObserver:
    """``scale``: the factor on the costs of events, 0 (no disturbance) to MOST."""

    rows: GpuRows
    scale: float


@dataclass(frozen=True)
class ObserverCost:
    """What recording cost: ``scale`` times ``events``. ``others``: the same one standard deviation away."""

    events: EventCosts
    scale: float
    others: tuple[EventCosts, ...] = ()

    def off(self, trace: Undisturbed) -> Recording:
        """The trace without it."""
        costs = self.events.times(self.scale)
        others = [trace.plan(each) for each in self.others]
        return trace.recording(trace.plan(costs), [*others, trace.plan(costs, inside=INSIDE)])


def without_observer(
    analysis: Analysis,
    events: EventCosts,
    plain_ns: float,
    step_range: str = STEP_RANGE,
    bitsandbytes: str | None = None,
) -> WithoutObserver:
    """The steps with the events' cost taken off as far as ``plain_ns``, ns per step, asks for."""
    observed = gpu_rows(analysis, work_of(analysis, step_range), step_range)
    if float(observed.wall.mean()) <= plain_ns or events == NO_EVENTS:
        return WithoutObserver(observed, 0.0)
    trace = Undisturbed(analysis, step_range, bitsandbytes)
    found = observer(trace, events, plain_ns)
    return WithoutObserver(trace.rows(found.off(trace).plan), found.scale)


def observer(trace: Undisturbed, events: EventCosts, plain_ns: float, gpu: float = 0.0) -> ObserverCost:
    """What the observer cost a trace whose steps take ``plain_ns`` without it. ``events``: how its costs compare;
    ``gpu``: by how much the GPU of the process that took ``plain_ns`` differs, relative, where that is another one."""
    if not trace.total(events):
        return ObserverCost(events, 0.0)
    scale, spread = scales(trace, events, [(trace.unchanged, plain_ns)], gpu)[0]
    return ObserverCost(events, scale, (events.times(scale + spread), *_other_costs(trace, events.times(scale))))


def scales(
    trace: Undisturbed, events: EventCosts, asked: Sequence[tuple[ReplayPlan, float]], gpu: float = 0.0
) -> list[tuple[float, float]]:
    """The likeliest scale with its standard deviation, for each recording and time of its steps without the observer;
    by trying some for all at once, and then others between the best."""
    plain = np.array([ns for _, ns in asked])
    error = np.hypot(TIME * plain, gpu * trace.busy)
    low, high = np.zeros(len(asked)), np.full(len(asked), MOST)
    rows = np.arange(len(asked))
    known: dict[tuple[int, float], float] = {}
    for _ in range(_ROUNDS):
        tried = np.linspace(low, high, _TRIED, axis=1)
        every = [(row, scale) for row, scales in enumerate(tried.tolist()) for scale in scales]
        new = [each for each in every if each not in known]
        plans = [trace.plan(events.times(scale), base=asked[row][0]) for row, scale in new]
        known.update(zip(new, trace.lengths(plans).tolist(), strict=True))
        lengths = np.array([known[each] for each in every]).reshape(tried.shape)
        misses = (lengths - plain[:, None]) / error[:, None]
        at = (misses**2 + ((tried - USUAL) / ITS_SPREAD) ** 2).argmin(axis=1)
        before, after = np.maximum(at - 1, 0), np.minimum(at + 1, _TRIED - 1)
        low, high = tried[rows, before], tried[rows, after]
        slope = np.abs(lengths[rows, after] - lengths[rows, before]) / np.maximum(high - low, 1e-12)
    spread = 1.0 / np.hypot(1.0 / ITS_SPREAD, slope / error)
    return list(zip(tried[rows, at].tolist(), spread.tolist(), strict=True))


def _other_costs(trace: Undisturbed, costs: EventCosts) -> tuple[EventCosts, ...]:
    """The same cost in all, with operators dearer, and with calls dearer."""
    total = trace.total(costs)
    found = (replace(costs, operator=costs.operator * UNLIKE), replace(costs, call=costs.call * UNLIKE))
    return tuple(each.times(total / trace.total(each)) for each in found) if total else ()
