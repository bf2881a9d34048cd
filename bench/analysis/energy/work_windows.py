"""The windows of an energy record: work between two ticks of a counter, and nothing to do between two others.

A window opens and closes at ticks, and work seldom ends at one. So a window holds a wait: from the work's end to the
next tick, and from the opening tick to the work's begin. Wait and work are told apart here, once for all figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Record

from .sources import EnergySource


@dataclass(frozen=True)
class WorkWindow:
    """``joules`` between the ticks ``opened`` and ``closed`` of one counter, in which ``tokens`` were made in ``work``
    seconds. Times in s from the first work window's opening; 0 throughout where no times were recorded."""

    opened: float
    closed: float
    work: float
    tokens: float
    joules: float

    @property
    def wait(self) -> float:
        """Seconds of the window in which nothing was done."""
        return max(0.0, self.closed - self.opened - self.work)

    @property
    def middle(self) -> float:
        return 0.5 * (self.opened + self.closed)


@dataclass(frozen=True)
class IdleWindow:
    """Nothing to do for ``seconds`` around ``middle`` (s, negative before the work); ``after``: after the work."""

    middle: float
    seconds: float
    joules: float
    after: bool = False

    @property
    def power(self) -> float:
        return self.joules / self.seconds


def work_windows(record: Record, source: EnergySource) -> tuple[WorkWindow, ...]:
    """Those that made tokens and moved the counter: one that did not is no measurement."""
    joules, tokens = record.values(source.energy), record.values("window_tokens")
    spans = _work_spans(record, source, min(len(joules), len(tokens)))
    windows = (WorkWindow(*span, *held) for span, held in zip(spans, zip(tokens, joules, strict=False), strict=False))
    return tuple(window for window in windows if window.tokens > 0 and window.joules > 0)


def _work_spans(record: Record, source: EnergySource, count: int) -> list[tuple[float, float, float]]:
    """(opened, closed, work) of each window: by the counter's own ticks where they are recorded, else one after the
    other, each with its tail."""
    times, tails = record.values("window_time"), record.values("window_tail_time")
    begin, end = record.values("work_begin"), record.values("work_end")
    edges = ticks(record, f"edge_time_{source.counter}", count)
    if edges and len(begin) == len(end) == count:
        return [(*edge, done - begun) for edge, begun, done in zip(edges, begin, end, strict=True)]
    tails = tails if len(tails) == len(times) else (0.0,) * len(times)
    found, opened = [], 0.0
    for time, tail in zip(times, tails, strict=True):
        found.append((opened, opened + time, time - tail))
        opened += time
    return found if len(found) >= count else [(0.0, 0.0, 0.0)] * count


def idle_windows(record: Record, source: EnergySource) -> tuple[IdleWindow, ...]:
    """In order of time; records of before know only those before the work, and not when. So is taken what would lie
    within the work, where nothing is idle: its times are of another clock."""
    if source.idle is None:
        return ()
    joules, times = record.values(source.idle), record.values("idle_time")
    begins = record.values("idle_begin")
    edges = ticks(record, f"idle_edge_time_{source.counter}", len(joules))
    if edges:
        spans = list(edges)
    elif len(begins) == len(times):
        spans = [(begin, begin + time) for begin, time in zip(begins, times, strict=True)]
    else:
        spans = _until_zero(times)
    worked = max(record.values(f"edge_time_{source.counter}") or record.values("work_end"), default=0.0)
    if any(0.0 < 0.5 * (opened + closed) < worked for opened, closed in spans):
        spans = _until_zero(times)
    return tuple(
        IdleWindow(0.5 * (opened + closed), closed - opened, value, opened > 0)
        for (opened, closed), value in zip(spans, joules, strict=False)
        if closed > opened
    )


def _until_zero(times: Sequence[float]) -> list[tuple[float, float]]:
    """One after the other, the last ending where the work begins."""
    found, opened = [], -sum(times)
    for time in times:
        found.append((opened, opened + time))
        opened += time
    return found


def ticks(record: Record, name: str, count: int) -> list[tuple[float, float]]:
    """Pairs of ticks, one a window; [] where there are not two for each."""
    edges = record.values(name)
    return list(zip(edges[::2], edges[1::2], strict=True)) if count and len(edges) == 2 * count else []
