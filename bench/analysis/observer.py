"""What a GPU trace's steps cost without the observer: its cost taken off, event by event.

The model: recording an operator, an annotated range or a call costs the host a fixed time each. Short loops in the
observed process tell how the three compare; in the midst of a model, with cold caches, all of them cost more, by a
factor that is chosen so that the step gets the length of those steps of the same call that were not observed. What that
does to a step is found by playing the trace again (replay.undisturb), because a GPU that is busy hides it.

On a CPU the same model is fitted over all arms of a run (ledger.observer), so that its error shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.record.schema import Record

from .ledger.costs import EventCosts, StepCosts
from .ledger.read import STEP_RANGE, step_costs
from .replay.undisturb import Undisturbed
from .timeline import Analysis

MOST = 8.0
NO_EVENTS = EventCosts()


@dataclass(frozen=True, eq=False)
class WithoutObserver:
    """``scale``: the factor on the costs of events, 0 (no disturbance) to MOST; ``analysis``: the trace less them."""

    costs: StepCosts
    scale: float
    analysis: Analysis


def without_observer(
    analysis: Analysis,
    observed: StepCosts,
    events: EventCosts,
    plain_ns: float,
    step_range: str = STEP_RANGE,
    bitsandbytes: str | None = None,
) -> WithoutObserver:
    """The costs with the events' cost taken off as far as ``plain_ns``, ns per step, asks for."""
    if float(observed.wall.mean()) <= plain_ns or events == NO_EVENTS:
        return WithoutObserver(replace(observed, events={}), 0.0, analysis)
    trace = Undisturbed(analysis, step_range, bitsandbytes)
    scale = trace.scale(events, plain_ns, MOST)
    less = trace.at(events.times(scale))
    return WithoutObserver(step_costs(less, step_range, bitsandbytes), scale, less)


def recorded_costs(record: Record) -> EventCosts:
    """The costs of events that the ledger of a GPU's record took off."""
    scale = float(record.setup["ledger"].get("observer_scale", 0.0))
    return event_costs(record).times(scale) if scale else NO_EVENTS


def event_costs(record: Record) -> EventCosts:
    """What an event cost in the short loops of a record's process, ns: the medians."""
    medians = [sorted(record.values(f"{name}_event_cost") or (0.0,)) for name in ("operator", "range", "call")]
    return EventCosts(*(max(values[len(values) // 2], 0.0) * 1e9 for values in medians))
