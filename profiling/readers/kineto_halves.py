"""Events of a Chrome trace that are written as two, where they begin ("B") and where they end ("E")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .kineto_events import Event

HALVES = frozenset("BE")


def joined(halves: Iterable[Event]) -> tuple[list[Event], int]:
    """(the complete events, how many begin and do not end, or the other way round). An end is of what began last on
    its thread, wherever in the file they stand."""
    timed = [event for event in halves if event.ts is not None]
    open_events: dict[tuple[object, object], list[Event]] = defaultdict(list)
    found: list[Event] = []
    lone = 0
    for event in sorted(timed, key=lambda each: each.ts or 0):
        begun = open_events[event.pid, event.tid]
        if event.ph == "B":
            begun.append(event)
        elif begun:
            found.append(_between(begun.pop(), event))
        else:
            lone += 1
    return found, lone + sum(map(len, open_events.values()))


def _between(begin: Event, end: Event) -> Event:
    length = (end.ts or 0) - (begin.ts or 0)
    return Event("X", begin.cat, begin.name, begin.pid, begin.tid, begin.ts, length, begin.args or end.args)
