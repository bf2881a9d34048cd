"""Copies inside the steps by direction: time, bytes and rate, because a step may be all copies and no work."""

from __future__ import annotations

from dataclasses import dataclass

from ..ledger.costs import step_rows
from ..ledger.gpu import AskedWork, step_windows
from ..timeline import Analysis
from ..timeline.gpus import copy_sums
from ..timeline.intervals import Cover

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True)
class CopyLine:
    """Per step: ``count`` copies of one direction, ``ms`` of their lengths added up, ``bytes``."""

    direction: str
    count: float
    ms: float
    bytes: float

    @property
    def said(self) -> str:
        """Such as "HtoD 0.9 ms, 90 MB at 100 GB/s"."""
        rate = f" at {_bytes(self.bytes / (self.ms * 1e-3))}/s" if self.ms and self.bytes else ""
        size = f", {_bytes(self.bytes)}" if self.bytes else ""
        return f"{self.direction} {self.ms:.3g} ms{size}{rate}"


def _bytes(number: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS if number >= size), ("B", 1.0))
    return f"{number / size:.3g} {unit}"


def copies_per_step(analysis: Analysis, step_range: str) -> tuple[CopyLine, ...]:
    """Each direction's, the longest first; () where nothing is copied in the steps. Raises RecordError where there are
    no such steps."""
    copies = analysis.timeline.copies
    if not len(copies):
        return ()
    start, end = step_windows(analysis.timeline, step_rows(analysis.timeline, step_range), AskedWork.of(analysis))
    steps, inside = len(start), copies.where(Cover.union(start, end).holds(copies.start))
    return tuple(
        CopyLine(each.direction, each.count / steps, each.ns * 1e-6 / steps, each.bytes / steps)
        for each in copy_sums(inside)
    )
