"""The ranks of a trace: nsys records every process of a job in one file, and the GPU work of one explains no step of
another.

A rank is a process that did GPU work. They are numbered from 0 by their lowest GPU, then by process id, as launchers
number them. They meet in every exchange: who comes early waits inside the kernel of the exchange, so that the rank
which the others wait for is the one whose exchanges are short. A trace of a fast rank says "exchange between GPUs"
where another's work is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.errors import RecordError
from bench.record.timeline import Timeline

from ..ledger.classes import exchanging
from .families import extent

_DEVICES = 1 << 24


@dataclass(frozen=True)
class Rank:
    """``process``: index as in Timeline.threads.process; ``pid``: the system's, -1 where not known; ``devices``: the
    GPUs that it used."""

    process: int
    pid: int
    devices: tuple[int, ...]

    def said(self, number: int) -> str:
        """Such as "rank 1 (process 4242, GPU 1)"."""
        numbers = ", ".join(map(str, self.devices))
        gpus = f"GPU{'s' if len(self.devices) > 1 else ''} {numbers}" if self.devices else "CPU"
        return f"rank {number} ({f'process {self.pid}, ' if self.pid >= 0 else ''}{gpus})"


def ranks(timeline: Timeline) -> tuple[Rank, ...]:
    """The processes that did GPU work, in order; without any those that ran operators."""
    pairs: set[tuple[int, int]] = set()
    for table in (timeline.kernels, timeline.copies):
        if len(table):
            both = distinct(table.process.astype(np.int64) * _DEVICES + table.device)
            pairs |= {divmod(int(code), _DEVICES) for code in both}
    pid = dict(zip(timeline.threads.process.tolist(), timeline.threads.pid.tolist(), strict=True))
    found = [
        Rank(process, pid.get(process, -1), tuple(sorted(d for p, d in pairs if p == process)))
        for process in {process for process, _ in pairs} or _with_operators(timeline)
    ]
    return tuple(sorted(found, key=lambda rank: (rank.devices, rank.pid, rank.process)))


def _with_operators(timeline: Timeline) -> set[int]:
    return set(distinct(timeline.threads.process[timeline.operators.thread]).tolist())


def only_process(timeline: Timeline, process: int) -> Timeline:
    """The trace without what other processes did."""
    if not _has_other_processes(timeline, process):
        return timeline
    mine = timeline.threads.process == process
    return replace(
        timeline,
        kernels=timeline.kernels.where(timeline.kernels.process == process),
        copies=timeline.copies.where(timeline.copies.process == process),
        calls=timeline.calls.where(mine[timeline.calls.thread]),
        ranges=timeline.ranges.where(mine[timeline.ranges.thread]),
        operators=timeline.operators.where(mine[timeline.operators.thread]),
        frames=timeline.frames.where(mine[timeline.frames.thread]),
    )


def only_device(timeline: Timeline, device: int) -> Timeline:
    """The trace without what ran on other GPUs. Raises RecordError where nothing ran on this one."""
    found = sorted({int(d) for table in (timeline.kernels, timeline.copies) for d in np.unique(table.device)})
    if device not in found:
        known = f"it has work on GPU {', '.join(map(str, found))}" if found else "it has no GPU work"
        raise RecordError(f"the trace has no work on GPU {device}: {known}")
    if len(found) == 1:
        return timeline
    return replace(
        timeline,
        kernels=timeline.kernels.where(timeline.kernels.device == device),
        copies=timeline.copies.where(timeline.copies.device == device),
    )


def _has_other_processes(timeline: Timeline, process: int) -> bool:
    """Whether anything of another process is in the trace."""
    gpu = any(bool((table.process != process).any()) for table in (timeline.kernels, timeline.copies))
    return gpu or bool((timeline.threads.process != process).any())


# The others wait where they spend so much more of the trace in exchanges, and so much more than that rank does.
_LEAST, _MORE = 0.02, 1.25
# The longest eighth of a rank's exchanges does not count: the first of all lasts until every rank has begun.
_LONGEST = 8


def waited_for(timeline: Timeline) -> int | None:
    """The number of the rank that all others wait for; None where there is none, or one rank only."""
    known = ranks(timeline)
    if len(known) < 2:
        return None
    kernels = timeline.kernels
    exchanges = kernels.where(exchanging(timeline))
    length = exchanges.end - exchanges.start
    spent = [_usual(length[exchanges.process == rank.process]) for rank in known]
    least = min(spent)
    others = median(sorted(spent)[1:])
    begin, end = extent(timeline)
    if not least or others - least < _LEAST * (end - begin) or others < _MORE * least:
        return None
    return spent.index(least)


def _usual(length: NDArray[np.int64]) -> int:
    """ns of exchanges in all, without the longest."""
    return int(np.sort(length)[: len(length) - math.ceil(len(length) / _LONGEST)].sum())


def common_rank(found: Sequence[Timeline]) -> list[int | None]:
    """For each trace the rank to take: the one that is waited for, or where no rank is, the other trace's."""
    each = [waited_for(timeline) for timeline in found]
    some = next((rank for rank in each if rank is not None), None)
    return [
        rank if rank is not None else some if some is not None and some < len(ranks(timeline)) else None
        for rank, timeline in zip(each, found, strict=True)
    ]
