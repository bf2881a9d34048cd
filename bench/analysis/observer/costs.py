"""What recording one event costs the host: measured in short loops of the observed process, typical, and at most. And
how much of a GPU trace's idle time the profiler itself can have made, and what idle lines tell in spite of it.

Recording slows the host by a bounded time per operator, annotated range and call; the GPU's work takes as long as
without it. So the real idle time of a step lies between the recorded one and that less all that recording can have
cost. Where the recorded idle time of both traces is longer than that, the host leads the GPU in both, and all of what
recording cost is in their idle time: then only the difference of the recorded events can differ by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record import causes as c
from bench.record.metrics import MS_PER_NS
from bench.record.schema import Record

from ..ledger.costs import Ns, StepCosts, host_windows, step_rows
from ..statistics.spread import Spread, half_width
from ..timeline import Analysis

Bounds = tuple[float, float]


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


@dataclass(frozen=True)
class Events:
    """Recorded per step: operators, annotated ranges, calls; ``frames``: whether Python frames were too, whose cost has
    no bound."""

    operators: float
    ranges: float
    calls: float
    frames: bool = False

    @property
    def most_ms(self) -> float:
        """What recording them can have cost at most."""
        return _cost(self.operators, self.ranges, self.calls)


def _cost(operators: float, ranges: float, calls: float) -> float:
    return (operators * MOST_EVENT.operator + ranges * MOST_EVENT.range + calls * MOST_EVENT.call) * MS_PER_NS


def events_of(analysis: Analysis, step_range: str) -> Events:
    """The events that begin in the host's ranges of the steps, on any thread."""
    timeline = analysis.timeline
    start, end = host_windows(timeline, step_rows(timeline, step_range))

    def inside(times: Ns) -> float:
        ordered = np.sort(times)
        return float((np.searchsorted(ordered, end) - np.searchsorted(ordered, start)).mean())

    operators, ranges, calls = (inside(table.start) for table in (timeline.operators, timeline.ranges, timeline.calls))
    return Events(operators, ranges, calls, frames=bool(len(timeline.frames)))


def idle_bounds(name: str, costs: Sequence[StepCosts], events: Sequence[Events], spread: Spread) -> Bounds | None:
    """What the real difference of an idle line lies between, ms per step; None where that cannot be told."""
    if any(each.frames for each in events) or any(each.steps < 2 for each in costs):
        return None
    columns = [each.causes[name] * MS_PER_NS for each in costs]
    before, after = (float(column.mean()) for column in columns)
    parts = [(float(column.var(ddof=1)) / len(column), len(column) - 1.0) for column in columns]
    half = half_width(parts, (spread.host * before, spread.host * after))
    if half is None:
        return None
    down, up = _visible(costs, events)
    if name != c.HOST_GAP:  # a host that is faster without a recording may wait for longer
        down = up = max(down, up, *(each.most_ms for each in events))
    return after - before - down - half, after - before + up + half


def _visible(costs: Sequence[StepCosts], events: Sequence[Events]) -> Bounds:
    """By how much the difference can be too large, and too small."""
    idle = [sum(float(each.causes[n].mean()) for n in c.IDLE if n in each.causes) * MS_PER_NS for each in costs]
    most = [each.most_ms for each in events]
    if all(time >= cost for time, cost in zip(idle, most, strict=True)):
        more = [getattr(events[1], name) - getattr(events[0], name) for name in ("operators", "ranges", "calls")]
        return _cost(*(max(n, 0.0) for n in more)), _cost(*(max(-n, 0.0) for n in more))
    return most[1], most[0]
