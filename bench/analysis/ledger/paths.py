"""What is around a span or a call, by name, outermost first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct, encode, order_of
from bench.record.timeline import Timeline

from ..timeline.nesting import Nesting
from .costs import is_step

Rows = NDArray[np.int64]
Names = tuple[str, ...]


class Paths:
    """Names of the spans around other things, in one forest. Every path is made once and kept."""

    def __init__(self, timeline: Timeline, nesting: Nesting, skip: str = "") -> None:
        self._strings, self._skip = timeline.strings, skip
        self._name, self._parent, self._depth = nesting.spans.name, nesting.parent, nesting.depth
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

    def codes(self) -> Rows:
        """[spans + 1] a number for each row; rows of one number have one path. The last one is for row -1."""
        name, known = self._name_codes(), 1
        codes, width = np.zeros(len(name) + 1, np.int64), int(name.max(initial=0)) + 1
        by_depth = order_of(self._depth)
        edges = np.searchsorted(self._depth[by_depth], np.arange(int(self._depth.max(initial=-1)) + 2))
        for begin, end in pairwise(edges.tolist()):
            rows = by_depth[begin:end]
            values, code = encode(codes[self._parent[rows]] * width + name[rows])
            codes[rows], known = code + known, known + len(values)
        return codes

    def _name_codes(self) -> Rows:
        """[spans] the name of each; all that are left out have the same one."""
        names = self._name.astype(np.int64)
        if not self._skip:
            return names
        used = distinct(names)
        left_out = used[[is_step(self._strings[int(name)], self._skip) for name in used]] if len(used) else used
        return np.where(np.isin(names, left_out), left_out[:1].sum(), names)


def innermost_of_lanes(nesting: Nesting, thread: Rows, start: Rows, end: Rows) -> list[Rows]:
    """For each lane the innermost span around each interval, or -1: domains nest each on their own."""
    return [nesting.innermost_in(lane, thread, start, end) for lane in nesting.lanes()]
