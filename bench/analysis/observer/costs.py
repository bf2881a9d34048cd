"""What recording one event costs the host: measured in short loops of the observed process, typical, and at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record.schema import Record


@dataclass(frozen=True)
class EventCosts:
    """ns that recording costs the host: one operator, one annotated range (both its ends), one call."""

    operator: float = 0.0
    range: float = 0.0
    call: float = 0.0

    def times(self, factor: float) -> EventCosts:
        """All of them times a factor."""
        return EventCosts(self.operator * factor, self.range * factor, self.call * factor)


NO_EVENTS = EventCosts()
# Medians over the processes of the committed H100 run (test_origin_of_traces.py): what matters is how the
# three compare, because they are scaled until the step takes its time.
TYPICAL = EventCosts(operator=883.0, range=2948.0, call=1346.0)
# Four times those, rounded up: other machines are slower, and caches colder.
MOST_EVENT = EventCosts(operator=3600.0, range=12_000.0, call=5600.0)


def recorded_costs(record: Record) -> EventCosts:
    """The costs of events that the ledger of a GPU's record took off."""
    scale = float(record.setup["ledger"].get("observer_scale", 0.0))
    return event_costs(record).times(scale) if scale else NO_EVENTS


def event_costs(record: Record) -> EventCosts:
    """What an event cost in the short loops of a record's process."""
    return median_costs(
        {name: record.values(name) for name in ("operator_event_cost", "range_event_cost", "call_event_cost")}
    )


def median_costs(samples: Mapping[str, Sequence[float]]) -> EventCosts:
    """The medians of the loops' s per event (profiling/inside.py), in ns, none under 0."""

    def ns(name: str) -> float:
        return max(float(np.median(samples.get(name) or (0.0,))) * 1e9, 0.0)

    return EventCosts(ns("operator_event_cost"), ns("range_event_cost"), ns("call_event_cost"))
