"""What is around a span or a call, by name, outermost first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.record.timeline import Timeline

from ..nesting import Nesting
from .costs import is_step

Rows = NDArray[np.int64]
Names = tuple[str, ...]


class Paths:
    """Names of the spans around other things, in one forest. Every path is made once and kept."""

    def __init__(self, timeline: Timeline, nesting: Nesting, skip: str = "") -> None:
        self._strings, self._skip = timeline.strings, skip
        self._name, self._parent = nesting.spans.name, nesting.parent
        self._made: dict[int, Names] = {-1: ()}

    def of(self, row: int) -> Names:
        """The names from the outermost span to ``row`` itself; () for -1. Spans called ``skip`` are left out."""
        trail = []
        while row not in self._made:
            trail.append(row)
            row = int(self._parent[row])
        for inner in reversed(trail):
            name = self._strings[int(self._name[inner])]
            skipped = bool(self._skip) and is_step(name, self._skip)
            self._made[inner] = self._made[int(self._parent[inner])] + (() if skipped else (name,))
        return self._made[trail[0] if trail else row]


def innermost_of_lanes(nesting: Nesting, thread: Rows, start: Rows, end: Rows) -> list[Rows]:
    """For each lane the innermost span around each interval, or -1: domains nest each on their own."""
    return [nesting.innermost_in(lane, thread, start, end) for lane in nesting.lanes()]
