"""Steps of a trace without any ranges, from its kernels alone: decoding launches the same sequence again and again.

The period is looked for in the order in which the GPU began its kernels. A name that comes once per step returns at
equal distances; the sequence shifted by that distance must be the same again. A layer's period is shorter than a
step's and fits worse, because of what comes once per step. All of it is inferred, and called so.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c
from bench.record.codes import distinct
from bench.record.timeline import BLOCKING_COPY, SYNC, Timeline

from ..ledger.classes import classes_of
from ..timeline import Analysis

Rows = NDArray[np.int64]
# So much of the sequence must be the same one period later, and so many periods make steps.
_SAME = 0.9
_STEPS = 3
# Names that come in at most so many places are tried as marks of a step, the rarest first.
_TRIED = 64
_MOST_KERNELS = 400_000
_DTOH = 2


def inferred_steps(analysis: Analysis) -> tuple[Rows, Rows, int] | None:
    """(start, end) of each step on the host's clock where calls are known, else on the GPU's, and the thread (-1: not
    known); None where the sequence does not repeat."""
    timeline = analysis.timeline
    kernels = timeline.kernels
    order = np.argsort(kernels.start, kind="stable")[:_MOST_KERNELS]
    order = order[_of_main_thread(analysis, order)]
    names = kernels.name[order].astype(np.int64)
    period = _period(names)
    if period is None:
        return None
    begins = _begins(kernels.start[order], kernels.end[order], names, period)
    found = _on_host(analysis, order, begins)
    return found if found is not None and _hands_over(analysis, order, begins, *found[:2]) else None


def _hands_over(analysis: Analysis, order: Rows, begins: Rows, start: Rows, end: Rows) -> bool:
    """Whether each period chooses a token, or the host waits or takes something back in it. Layers repeat too, and in
    a trace of one step nothing else does, but they do none of this."""
    timeline, classes = analysis.timeline, classes_of(analysis)
    first = set(timeline.kernels.name[order[begins[0] : begins[1]]].tolist())
    if any(classes.kernel(timeline.strings[name], (), ()) == c.SAMPLING for name in first):
        return True
    times = _waits(timeline)
    return bool((np.searchsorted(times, end) > np.searchsorted(times, start)).mean() >= _SAME)


def _waits(timeline: Timeline) -> Rows:
    """When the host waits or takes something back, by time."""
    calls, copies = timeline.calls, timeline.copies
    waits = calls.start[(calls.kind == SYNC) | (calls.kind == BLOCKING_COPY)]
    return np.sort(np.concatenate((waits, copies.start[copies.kind == _DTOH])))


def ranges_a_step(analysis: Analysis, rows: Rows) -> tuple[int, Rows] | None:
    """(how many of some ranges a step holds, the rows that begin one) where a token is chosen, or the host waits, only
    after every so many of them, as of layers without numbers; None where it is after each, or not regular. ``rows``: by
    start."""
    timeline, classes = analysis.timeline, classes_of(analysis)
    known = np.flatnonzero(analysis.launch >= 0)
    names = timeline.kernels.name[known]
    choosing = [
        name for name in distinct(names).tolist() if classes.kernel(timeline.strings[name], (), ()) == c.SAMPLING
    ]
    chosen = timeline.calls.start[analysis.launch[known[np.isin(names, choosing)]]]
    times = np.sort(chosen) if len(chosen) else _waits(timeline)
    edges = np.searchsorted(times, timeline.ranges.start[rows])
    begins = np.flatnonzero(edges[1:] > edges[:-1]) + 1
    distances = np.diff(begins)
    if len(distances) < _STEPS - 1:
        return None
    count = int(np.bincount(distances).argmax())
    return (count, rows[begins]) if count > 1 and (distances == count).mean() >= _SAME else None


def _of_main_thread(analysis: Analysis, order: Rows) -> NDArray[np.bool_]:
    """The kernels that the busiest launching thread asked for; all where no launch is known."""
    call = analysis.launch[order]
    if not (call >= 0).any():
        return np.ones(len(order), bool)
    thread = analysis.timeline.calls.thread[np.maximum(call, 0)].astype(np.int64)
    busiest = int(np.argmax(np.bincount(thread[call >= 0])))
    mine: NDArray[np.bool_] = (call >= 0) & (thread == busiest)
    return mine


def _period(names: Rows) -> int | None:
    """Kernels per step: the shortest distance at which nearly all of the sequence is the same as best as it gets."""
    tried = {distance for distance in _distances(names) if _STEPS * distance <= len(names)}
    found = {distance: float((names[distance:] == names[:-distance]).mean()) for distance in tried}
    best = max(found.values(), default=0.0)
    return min((d for d, same in found.items() if same >= max(_SAME, best - 0.005)), default=None)


def _distances(names: Rows) -> set[int]:
    """At which the rarest repeated names return, each its commonest."""
    found: set[int] = set()
    counts = Counter(names.tolist())
    for name, count in sorted(counts.items(), key=lambda item: item[1]):
        if count < _STEPS:
            continue
        steps = np.diff(np.flatnonzero(names == name))
        values, times = np.unique(steps, return_counts=True)
        found.add(int(values[np.argmax(times)]))
        if len(found) >= _TRIED or count * _STEPS > len(names):
            break
    return found


def _begins(start: Rows, end: Rows, names: Rows, period: int) -> Rows:
    """Where each step begins in the sequence: of all places in a period the one before which the GPU idles longest,
    because there the host chooses the token."""
    reach = np.maximum.accumulate(end)
    idle = np.concatenate((start[:1] * 0, np.maximum(start[1:] - reach[:-1], 0)))
    first = int(np.argmax(names[period:] == names[:-period]))
    count = (len(names) - first) // period
    mean = idle[first : first + count * period].reshape(count, period)[1:].mean(axis=0)
    phase = int(np.argmax(mean)) if mean.any() else 0
    return np.arange(first + phase, len(names) + 1, period)


def _on_host(analysis: Analysis, order: Rows, begins: Rows) -> tuple[Rows, Rows, int] | None:
    """The steps between two beginnings; ``begins`` ends with the length of the sequence where its last is whole."""
    timeline, call = analysis.timeline, analysis.launch[order]
    whole = begins[begins < len(order)]
    if len(begins) <= _STEPS:
        return None
    launches = call[whole]
    hosted = bool((launches >= 0).all()) and len(set(launches.tolist())) == len(whole)
    if hosted:
        edges, thread = timeline.calls.start[launches], int(timeline.calls.thread[launches[0]])
        last = int(timeline.calls.end[call[-1]])
    elif (launches >= 0).any():
        return None  # one launch holds several periods: they are layers of a graph, and no steps
    else:
        edges, thread = timeline.kernels.start[order[whole]], -1
        last = int(timeline.kernels.end[order].max())
    edges = np.append(edges, last) if len(whole) < len(begins) else edges
    return (edges[:-1], edges[1:], thread) if (np.diff(edges) > 0).all() else None
