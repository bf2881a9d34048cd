"""Where the host's way to the first work of a step begins: before that the time is the step's own, whatever that is.

Python prepares a step before it asks for anything. A kernel that only one of two traces has, and that happens to come
first there, would take all of that along. So of the time at the start of a step only that is the first work's from
which the operator that asks for it runs (the outermost one in the step). Where no operator is recorded, that is taken
for as long as it usually is between two calls.
"""

from __future__ import annotations

import numpy as np

from ..timeline import Analysis
from .costs import Ns


def way_begins(analysis: Analysis, call: Ns, since: Ns) -> Ns:
    """[n] when the host begins to work for each call (a row), at ``since`` or later: when its step began there."""
    calling, begun = analysis.calling, analysis.timeline.calls.start[call]
    found = np.maximum(begun - usual_way(analysis), since)
    row = analysis.innermost(calling, call)
    while True:
        known = np.flatnonzero(row >= 0)
        known = known[calling.spans.start[row[known]] >= since[known]]
        if not len(known):
            return np.minimum(found, begun)
        found[known] = calling.spans.start[row[known]]
        outer = np.full(len(row), -1, np.int64)
        outer[known] = calling.parent[row[known]]
        row = outer


def usual_way(analysis: Analysis) -> int:
    """ns from the end of a call to the start of the thread's next one, the median over a trace."""
    key = "usual way"
    if key not in analysis.kept:
        calls = analysis.timeline.calls
        order = np.lexsort((calls.start, calls.thread))
        between = calls.start[order][1:] - calls.end[order][:-1]
        between = between[(calls.thread[order][1:] == calls.thread[order][:-1]) & (between > 0)]
        analysis.kept[key] = int(np.median(between)) if len(between) else 0
    usual: int = analysis.kept[key]
    return usual
