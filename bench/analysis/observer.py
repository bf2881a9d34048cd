"""What a GPU trace's steps cost without the observer: its cost taken off, event by event.

The model: recording an operator, an annotated range or a call costs the host a fixed time each. Short loops in the
observed process tell how the three compare; in the midst of a model, with cold caches, all of them cost more, by a
factor that is chosen so that the step gets the length of those steps of the same call that were not observed. What that
does to a step is found by playing the trace again (replay.undisturb), because a GPU that is busy hides it.

On a CPU the same model is fitted over all arms of a run (ledger.observer), so that its error shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .ledger.costs import EventCosts, StepCosts
from .ledger.read import STEP_RANGE, step_costs
from .replay.undisturb import Undisturbed
from .timeline import Analysis

MOST = 8.0
NO_EVENTS = EventCosts()
_ROUNDS = 9


@dataclass(frozen=True)
class WithoutObserver:
    """``scale``: the factor on the costs of events, 0 (no disturbance) to MOST."""

    costs: StepCosts
    scale: float


def without_observer(
    analysis: Analysis,
    observed: StepCosts,
    events: EventCosts,
    plain_ns: float,
    step_range: str = STEP_RANGE,
    bitsandbytes: str | None = None,
) -> WithoutObserver:
    """The costs with the events' cost taken off as far as ``plain_ns``, ns per step, asks for; by bisection, because
    a step can only get shorter with it."""

    if float(observed.wall.mean()) <= plain_ns or events == NO_EVENTS:
        return WithoutObserver(replace(observed, events={}), 0.0)
    trace = Undisturbed(analysis, step_range, bitsandbytes)

    def at(scale: float) -> StepCosts:
        less = EventCosts(events.operator * scale, events.range * scale, events.call * scale)
        return step_costs(trace.at(less), step_range, bitsandbytes)

    low, high = 0.0, MOST
    best = at(high)
    if float(best.wall.mean()) >= plain_ns:
        return WithoutObserver(best, high)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        best = at(middle)
        low, high = (middle, high) if float(best.wall.mean()) > plain_ns else (low, middle)
    return WithoutObserver(best, (low + high) / 2)
