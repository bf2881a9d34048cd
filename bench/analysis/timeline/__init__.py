"""What a trace says: who launched each kernel, when the GPU was busy, and what it waited for when it was not.

Definitions (all in ns, on the trace's clock):

- A kernel or copy is joined to the host call of the same process with the same correlation id (``joins`` says to which
  where several have it). It belongs to a range when its call lies inside the range, on the range's thread:
  range.start ≤ call.start, call.end ≤ range.end.
  A range without duration holds nothing; a call without duration where two ranges touch belongs to the later one.
- A device is *busy* while at least one kernel, copy or memset runs on it. Overlapping streams count once.
- The window goes from the device's first kernel or copy to its last, unless a window is given.
  busy + idle = span.
- Idle time after the window's last GPU work is *tail*. Other idle time is *sync_stall* while a thread that
  launches work is inside a synchronising call, and *host_gap* otherwise: the host was busy with something else
  (Python, dispatch, the launch itself). idle = sync_stall + host_gap + tail.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.timeline import BLOCKING_COPY, COPY, LAUNCH, MEMSET, SYNC, Timeline

from .intervals import Cover
from .joins import AskedWork, CallsById, both, calls_by_id
from .nesting import Nesting, nest

if TYPE_CHECKING:
    from ..ledger.class_table import Rule

Rows = NDArray[np.int64]
Times = NDArray[np.int64]


@dataclass(frozen=True)
class Breakdown:
    """Where the time of one window of one or more devices went, ns. Over several devices each line is a sum."""

    span: int = 0
    busy: int = 0
    sync_stall: int = 0
    host_gap: int = 0
    tail: int = 0

    @property
    def idle(self) -> int:
        """span - busy, and also sync_stall + host_gap + tail."""
        return self.span - self.busy

    def __add__(self, other: Breakdown) -> Breakdown:
        return Breakdown(
            self.span + other.span,
            self.busy + other.busy,
            self.sync_stall + other.sync_stall,
            self.host_gap + other.host_gap,
            self.tail + other.tail,
        )


@dataclass(frozen=True, eq=False)
class Windows:
    """Breakdowns of many windows: the columns of Breakdown, int64 ns."""

    span: Times
    busy: Times
    sync_stall: Times
    host_gap: Times
    tail: Times

    def columns(self) -> tuple[Times, Times, Times, Times, Times]:
        """In the order of Breakdown's fields."""
        return self.span, self.busy, self.sync_stall, self.host_gap, self.tail

    def at(self, row: int) -> Breakdown:
        """One of them."""
        return Breakdown(*(int(column[row]) for column in self.columns()))

    def __add__(self, other: Windows) -> Windows:
        return Windows(*(a + b for a, b in zip(self.columns(), other.columns(), strict=True)))


@dataclass(frozen=True, eq=False)
class Latencies:
    """Per kernel, ns, and only meaningful where ``known`` (its launching call is in the trace).

    ``api``: how long the call took. ``queue``: from the call's return to the kernel's start, 0 where the kernel
    started before the call returned. ``launch``: from the call's start to the kernel's start. ``total``: from the
    call's start to the kernel's end. The same quantities as ``nsys stats --report cuda_kern_exec_sum``.
    """

    known: NDArray[np.bool_]
    api: Times
    queue: Times
    launch: Times
    total: Times


@dataclass(frozen=True, eq=False)
class Steps:
    """One row per range of a given name, in order of start: what the host asked for and what the GPU did.

    ``row`` is the range's row. ``launches``, ``syncs`` and ``copies`` count calls inside the range on its thread
    (a blocking copy is a copy). ``kernels`` counts the kernels that the range's calls launched. ``time`` breaks
    down the range's own window of host time, in which kernels of an earlier step may still run.
    """

    row: Rows
    launches: Rows
    syncs: Rows
    copies: Rows
    kernels: Rows
    time: Windows


class Analysis:
    """One timeline and what follows from it; each part is computed when first asked for, and kept."""

    def __init__(self, timeline: Timeline, rules: tuple[Rule, ...] = ()) -> None:
        """``rules``: of the user, tried before the table of classes."""
        self.timeline, self.rules = timeline, rules

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """What others found out about this trace and may ask for again."""
        return {}

    @cached_property
    def calls_by_id(self) -> CallsById:
        """The calls, to look up who asked for what."""
        return calls_by_id(self.timeline)

    @cached_property
    def launch(self) -> Rows:
        """[kernels] the row of the call that launched each kernel, or -1."""
        return self.calls_by_id.of(self.timeline.kernels)

    @cached_property
    def copy_call(self) -> Rows:
        """[copies] the row of the call that asked for each copy, or -1."""
        return self.calls_by_id.of(self.timeline.copies)

    @cached_property
    def asked(self) -> AskedWork:
        """All GPU work, and who asked for it."""
        return AskedWork.of(self.timeline, both(self.launch, self.copy_call))

    @cached_property
    def nesting(self) -> Nesting:
        """How the ranges lie in each other."""
        return nest(self.timeline.ranges)

    @cached_property
    def calling(self) -> Nesting:
        """How the operators lie in each other: which one calls which."""
        return nest(self.timeline.operators)

    @cached_property
    def range(self) -> Rows:
        """[kernels] the row of the innermost range around each kernel's launching call, or -1."""
        return self.innermost(self.nesting, self.launch)

    @cached_property
    def operator(self) -> Rows:
        """[kernels] the row of the innermost operator around each kernel's launching call, or -1."""
        return self.innermost(self.calling, self.launch)

    def innermost(self, nesting: Nesting, call: Rows, lane: int | None = None) -> Rows:
        """[n] the innermost span (of one lane, or of any) around each of some calls (-1: no call), or -1."""
        calls = self.timeline.calls
        known = np.flatnonzero(call >= 0)
        at = call[known]
        where = calls.thread[at].astype(np.int64), calls.start[at], calls.end[at]
        found = np.full(len(call), -1, np.int64)
        found[known] = nesting.innermost(*where) if lane is None else nesting.innermost_in(lane, *where)
        return found

    @cached_property
    def latencies(self) -> Latencies:
        """How long each kernel took to start after the host asked for it."""
        kernels, calls, known = self.timeline.kernels, self.timeline.calls, self.launch >= 0
        if not len(calls):
            zero = np.zeros(len(kernels), np.int64)
            return Latencies(known, zero, zero, zero, zero)
        start, end = calls.start[self.launch], calls.end[self.launch]
        queue = np.maximum(kernels.start - end, 0)
        return Latencies(known, end - start, queue, kernels.start - start, kernels.end - start)

    @cached_property
    def devices(self) -> list[int]:
        """The devices that ran something."""
        tables = self.timeline.kernels, self.timeline.copies
        return [int(device) for device in distinct(np.concatenate([table.device for table in tables]))]

    @cached_property
    def busy(self) -> dict[int, Cover]:
        """By device: the time in which at least one kernel, copy or memset ran."""
        return {device: self._busy(device) for device in self.devices}

    def _busy(self, device: int) -> Cover:
        kernels, copies = self.timeline.kernels, self.timeline.copies
        mine, copied = kernels.device == device, copies.device == device
        return Cover.union(
            np.concatenate((kernels.start[mine], copies.start[copied])),
            np.concatenate((kernels.end[mine], copies.end[copied])),
        )

    @cached_property
    def waiting(self) -> Cover:
        """The time in which a thread that launches work was inside a synchronising call or a blocking copy.

        Threads that launch nothing (a loader's, a watchdog's) may wait for ever without holding up the GPU.
        """
        calls = self.timeline.calls
        waits = (calls.kind == SYNC) | (calls.kind == BLOCKING_COPY)
        launching = distinct(calls.thread[calls.kind == LAUNCH])
        if len(launching):
            waits &= np.isin(calls.thread, launching)
        return Cover.union(calls.start[waits], calls.end[waits])

    def breakdown(self, window: tuple[int, int] | None = None) -> Breakdown:
        """Busy and idle time, the idle time by cause, summed over the devices.

        ``window``: [start, end) for every device; without it each device's own, first to last GPU work.
        """
        found = self.breakdowns if window is None else self._broken_down_by_device(window)
        return sum(found.values(), Breakdown())

    @cached_property
    def breakdowns(self) -> dict[int, Breakdown]:
        """By device, from its first to its last work."""
        return self._broken_down_by_device(None)

    def _broken_down_by_device(self, window: tuple[int, int] | None) -> dict[int, Breakdown]:
        found: dict[int, Breakdown] = {}
        for device, busy in self.busy.items():
            if window is not None or len(busy.start):
                start, end = window or (int(busy.start[0]), int(busy.end[-1]))
                found[device] = _broken_down(busy, self.waiting, np.array([start]), np.array([end])).at(0)
            else:
                found[device] = Breakdown()
        return found

    def steps(self, name: str = "decode_step") -> Steps:
        """Launches, syncs, copies, kernels and the breakdown of every range called ``name``."""
        ranges, calls = self.timeline.ranges, self.timeline.calls
        wanted = np.array([text == name for text in self.timeline.strings], bool)[ranges.name]
        rows = np.flatnonzero(wanted)
        rows = rows[np.argsort(ranges.start[rows], kind="stable")]
        holder = self._holder(np.arange(len(calls)), wanted)

        def counted(*kinds: int) -> Rows:
            return self._count(holder[np.isin(calls.kind, kinds)], rows)

        return Steps(
            rows,
            launches=counted(LAUNCH),
            syncs=counted(SYNC),
            copies=counted(COPY, BLOCKING_COPY),
            kernels=self._count(holder[self.launch[self.launch >= 0]], rows),
            time=self._windows(ranges.start[rows], ranges.end[rows]),
        )

    def _holder(self, call: Rows, wanted: NDArray[np.bool_]) -> Rows:
        """[n] the innermost wanted range around each call, or -1."""
        found = np.full(len(call), -1, np.int64)
        for lane in distinct(self.timeline.ranges.lane[wanted]):
            holder = self.nesting.nearest(self.innermost(self.nesting, call, int(lane)), wanted)
            found = np.where(found < 0, holder, found)
        return found

    def _count(self, holder: Rows, rows: Rows) -> Rows:
        return np.bincount(holder[holder >= 0], minlength=len(self.timeline.ranges))[rows]

    def _windows(self, start: Times, end: Times) -> Windows:
        total = Windows(*(np.zeros(len(start), np.int64) for _ in range(5)))
        for busy in self.busy.values():
            total += _broken_down(busy, self.waiting, start, end)
        return total

    @cached_property
    def syncs(self) -> int:
        """How many calls only waited (cudaStreamSynchronize and its like). A blocking copy counts as a copy."""
        return int(np.count_nonzero(self.timeline.calls.kind == SYNC))

    @cached_property
    def blocking_copies(self) -> int:
        """How many calls copied and waited for it (cudaMemcpy, hipMemcpyWithStream)."""
        return int(np.count_nonzero(self.timeline.calls.kind == BLOCKING_COPY))

    @cached_property
    def copies(self) -> int:
        """How many memory copies the GPU made (memsets are not copies)."""
        return int(np.count_nonzero(self.timeline.copies.kind != MEMSET))


def _broken_down(busy: Cover, waiting: Cover, start: Times, end: Times) -> Windows:
    span, worked = end - start, busy.within(start, end)
    last = _last_work(busy, start, end)
    tail = end - last
    stalled = waiting.within(start, last) - busy.both(waiting).within(start, last)
    return Windows(span, worked, stalled, span - worked - stalled - tail, tail)


def _last_work(busy: Cover, start: Times, end: Times) -> Times:
    """Where the last GPU work of each window ends; the window's start where it holds none."""
    if not len(busy.start):
        return start
    at = np.searchsorted(busy.start, end) - 1
    reach = np.where(at >= 0, busy.end[np.maximum(at, 0)], start)
    return np.clip(reach, start, end)
