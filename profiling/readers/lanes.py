"""Spreads spans that may cross over lanes in which they do not."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]


def spread(thread: Column, start: Column, end: Column, crossing: NDArray[np.bool_]) -> Column:
    """[n] a lane for each ``crossing`` span such that the spans of one thread and lane lie beside each other.

    Spans that are not crossing get lane 0. The number of lanes is the largest number of spans open at a time.
    """
    lanes = np.zeros(len(start), np.int64)
    rows = np.flatnonzero(crossing)
    open_until: list[tuple[int, int]] = []
    current = None
    for row in rows[np.lexsort((start[rows], thread[rows]))].tolist():
        if thread[row] != current:
            current, open_until = thread[row], []
        lane = len(open_until)
        if open_until and open_until[0][0] <= start[row]:
            lane = heapq.heappop(open_until)[1]
        heapq.heappush(open_until, (int(end[row]), lane))
        lanes[row] = lane
    return lanes
