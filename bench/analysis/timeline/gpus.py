"""What each GPU did, kernels and copies apart: one that is busy with copies must not read as one that computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.record.codes import distinct
from bench.record.timeline import COPY_KINDS, Copies

from ..timeline import Analysis, Breakdown
from .intervals import Cover

# Work that was launched before the recording began has no call in it either.
_MANY = 0.1


@dataclass(frozen=True)
class Gpu:
    """``time``: from its first to its last work; ``copy_only_ns``: of ``time.busy`` the part in which no kernel ran,
    only copies and memsets."""

    device: int
    kernels: int
    time: Breakdown
    copy_only_ns: int


@dataclass(frozen=True)
class CopySum:
    """Copies of one direction. ``ns``: their lengths added up."""

    direction: str
    count: int
    ns: int
    bytes: int

    @property
    def bytes_per_s(self) -> float | None:
        """The rate while they ran; None where they took no time or carried nothing that was counted."""
        return self.bytes / (self.ns * 1e-9) if self.ns and self.bytes else None


def gpus(analysis: Analysis) -> tuple[Gpu, ...]:
    """One for each GPU that did work."""
    times = analysis.breakdowns
    return tuple(_gpu(analysis, device, times[device]) for device in analysis.devices)


def _gpu(analysis: Analysis, device: int, time: Breakdown) -> Gpu:
    kernels, copies = analysis.timeline.kernels, analysis.timeline.copies
    mine = kernels.device == device
    count = int(np.count_nonzero(mine))
    if not (copies.device == device).any():
        return Gpu(device, count, time, 0)
    ran = Cover.union(kernels.start[mine], kernels.end[mine]).total if count else 0
    return Gpu(device, count, time, time.busy - ran)


def not_joined(analysis: Analysis) -> str:
    """A note where many kernels have no call that launched them in the trace, "" where few have none."""
    lone = int(np.count_nonzero(analysis.launch < 0))
    if lone <= _MANY * len(analysis.launch):
        return ""
    return f"{lone} of {len(analysis.launch)} kernels are joined to no call that launched them"


def joined_by_time(analysis: Analysis) -> str:
    """A note where ids of kernels do not tell which of several calls launched them, "" where they do."""
    shared = analysis.calls_by_id.shared(analysis.timeline.kernels)
    count, untold = int(np.count_nonzero(shared)), int(np.count_nonzero(shared & (analysis.launch < 0)))
    if not count:
        return ""
    told = f"; of {untold} the times do not tell, and they are joined to none" if untold else ""
    return (
        f"{count} of {len(analysis.launch)} kernels have a correlation id that several calls have: they are joined to "
        f"these in turn, by time{told}"
    )


def copy_sums(copies: Copies) -> tuple[CopySum, ...]:
    """By direction, the longest first; memsets too."""
    found = []
    for kind in distinct(copies.kind).tolist():
        mine = copies.kind == kind
        length = int((copies.end[mine] - copies.start[mine]).sum())
        found.append(CopySum(COPY_KINDS.get(kind, "unknown"), int(mine.sum()), length, int(copies.bytes[mine].sum())))
    return tuple(sorted(found, key=lambda each: -each.ns))
