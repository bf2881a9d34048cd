"""Random timelines, and the obvious way to analyse them: one nanosecond, one pair of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from bench.record.timeline import (
    BLOCKING_COPY,
    COPY,
    LAUNCH,
    MEMSET,
    OTHER,
    SYNC,
    Calls,
    Copies,
    Kernels,
    Spans,
    Threads,
    Timeline,
)

STRINGS = (
    "",
    "decode_step",
    "layer",
    "q_proj",
    "gemm",
    "cast",
    "launch",
    "sync",
    "copy",
    "memcpy",
    "other",
    "bitledger",
)
_CALL_NAMES = {LAUNCH: 6, SYNC: 7, COPY: 8, BLOCKING_COPY: 9, OTHER: 10}
END = 60
THREADS = 3

moments = st.integers(0, END)


@st.composite
def _intervals(draw, count: int):
    """Disjoint intervals in ascending order; some may touch. A real call takes time."""
    edges = sorted(draw(st.lists(moments, min_size=2 * count, max_size=2 * count)))
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


@st.composite
def _nested(draw, start: int, end: int, depth: int):
    """Intervals inside [start, end] that lie inside or beside each other."""
    edges = sorted(draw(st.lists(st.integers(start, end), max_size=4)))
    found = []
    for a, b in zip(edges[::2], edges[1::2], strict=False):
        found.append((a, b))
        if depth and draw(st.booleans()):
            found += draw(_nested(a, b, depth - 1))
    return found


@st.composite
def timelines(draw) -> Timeline:
    calls = []
    for thread in range(THREADS):
        for start, end in draw(_intervals(draw(st.integers(0, 5)))):
            calls.append((start, end, thread, len(calls), draw(st.sampled_from(list(_CALL_NAMES)))))
    ranges = []
    for thread in range(THREADS):
        for lane in range(2):
            for start, end in draw(_nested(0, END, 3)):
                ranges.append((start, end, thread, draw(st.integers(1, 3)), 11 * lane, lane))
    ranges = draw(st.permutations(ranges))
    work = st.tuples(moments, st.integers(0, 9), st.integers(0, 1), st.integers(0, 2), st.integers(0, 1))
    ids = st.integers(-1, len(calls) + 1)
    kernels = [
        (s, s + d, dev, q, p, draw(ids), draw(st.sampled_from((4, 5)))) for s, d, dev, q, p in draw(_lists(work, 8))
    ]
    copies = [
        (s, s + d, dev, q, p, draw(ids), draw(st.sampled_from((1, 2, MEMSET))))
        for s, d, dev, q, p in draw(_lists(work, 3))
    ]
    return build(calls, ranges, kernels, copies)


def _lists(what, size):
    return st.lists(what, max_size=size)


def build(calls, ranges, kernels, copies) -> Timeline:
    """Threads 0 and 1 are of process 0, thread 2 of process 1."""
    c, r, k, m = (_columns(rows, width) for rows, width in ((calls, 5), (ranges, 6), (kernels, 7), (copies, 7)))
    names = [_CALL_NAMES[kind] for kind in c[4].tolist()]
    return Timeline(
        "test",
        STRINGS,
        Threads.build(process=[0, 0, 1], pid=[100, 100, 200], tid=[100, 101, 200]),
        Kernels.build(
            start=k[0], end=k[1], device=k[2], stream=k[3], process=k[4], correlation=k[5], name=k[6], graph_node=k[5]
        ),
        Calls.build(start=c[0], end=c[1], thread=c[2], correlation=c[3], name=names, kind=c[4]),
        Copies.build(
            start=m[0], end=m[1], device=m[2], stream=m[3], process=m[4], correlation=m[5], kind=m[6], bytes=m[1]
        ),
        Spans.build(start=r[0], end=r[1], thread=r[2], name=r[3], domain=r[4], lane=r[5]),
    )


def _columns(rows, width):
    return np.array(rows, np.int64).reshape(-1, width).T


@dataclass(frozen=True)
class Slow:
    """Answers by looping over everything."""

    t: Timeline

    def launch(self, work) -> list[int]:
        calls, process = self.t.calls, self.t.threads.process
        found = []
        for row in range(len(work)):
            fits = [
                c
                for c in range(len(calls))
                if calls.correlation[c] == work.correlation[row] and process[calls.thread[c]] == work.process[row]
            ]
            found.append(fits[0] if fits else -1)
        return found

    def around(self, call: int) -> list[int]:
        """Ranges around a call; a range without duration is around nothing."""
        r, c = self.t.ranges, self.t.calls
        return [
            row
            for row in range(len(r))
            if call >= 0
            and r.start[row] < r.end[row]
            and r.thread[row] == c.thread[call]
            and r.start[row] <= c.start[call]
            and r.end[row] >= c.end[call]
        ]

    def busy(self, device: int) -> set[int]:
        tables = self.t.kernels, self.t.copies
        return {
            ns
            for table in tables
            for start, end, where in zip(table.start, table.end, table.device, strict=True)
            if where == device
            for ns in range(start, end)
        }

    def waiting(self) -> set[int]:
        c = self.t.calls
        launching = {int(c.thread[i]) for i in range(len(c)) if c.kind[i] == LAUNCH}
        return {
            ns
            for i in range(len(c))
            if c.kind[i] in (SYNC, BLOCKING_COPY) and (not launching or int(c.thread[i]) in launching)
            for ns in range(c.start[i], c.end[i])
        }

    def breakdown(self, device: int, start: int, end: int) -> tuple[int, int, int, int, int]:
        """span, busy, sync_stall, host_gap, tail of one device's window."""
        busy, waiting = self.busy(device), self.waiting()
        window = set(range(start, end))
        last = max(busy & window, default=start - 1) + 1
        tail = {ns for ns in window if ns >= last}
        idle = window - busy - tail
        return len(window), len(busy & window), len(idle & waiting), len(idle - waiting), len(tail)

    def range_sums(self) -> dict[tuple[int, int], tuple[int, int, int, int]]:
        """(name, domain) → count, total, busy, kernels."""
        r, k, sums = self.t.ranges, self.t.kernels, {}
        launch = self.launch(k)
        for key in {(int(n), int(d)) for n, d in zip(r.name, r.domain, strict=True)}:
            rows = [i for i in range(len(r)) if (int(r.name[i]), int(r.domain[i])) == key]
            mine = {i for i in range(len(k)) if set(self.around(launch[i])) & set(rows)}
            busy = {(int(k.device[i]), ns) for i in mine for ns in range(k.start[i], k.end[i])}
            sums[key] = (len(rows), int(sum(r.end[i] - r.start[i] for i in rows)), len(busy), len(mine))
        return sums
