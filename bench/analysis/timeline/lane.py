"""One decode step of a trace as lanes: what the host did above what the GPU did, moment by moment, each with its cause.

The lanes are the ledger's own pieces in order of time: of a GPU each moment belongs to the work that has it there
(ledger/overlap.py), the gap before it to what the host did meanwhile; of a CPU to the innermost operator or the gap
before the next one. So their sums are the step's lines as they were observed, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record import causes as c
from bench.record.timeline import BLOCKING_COPY, SYNC, Calls, Spans, Timeline

from ..ledger.classes import Classes
from ..ledger.costs import Ns, host_windows, step_rows
from ..ledger.gpu import Work, named_windows, work_of
from ..ledger.overlap import owned
from ..ledger.segments import walked
from ..timeline import Analysis
from .intervals import Cover

LAYER = "layer"


@dataclass(frozen=True)
class LanePiece:
    """ns from the step's start. ``cause``: of the work, or of the work that a gap leads to ("": none follows, or it is
    told of no cause); ``idle``: the line of a gap, "" for work."""

    begin: int
    end: int
    cause: str
    name: str
    idle: str = ""


@dataclass(frozen=True)
class Lane:
    """The step of middle length, ``step`` of ``steps`` from 1, ``ns`` long. ``gpu``: without a hole; () of a CPU, whose
    ``operators`` are without one. Of a GPU ``operators`` are the outermost ones, ``calls`` those of CUDA, ``waits``
    among them. ``layer``: begin and end of one decoder layer on the host, where the trace has its range."""

    ns: int
    step: int
    steps: int
    operators: tuple[LanePiece, ...]
    calls: tuple[LanePiece, ...] = ()
    waits: tuple[LanePiece, ...] = ()
    gpu: tuple[LanePiece, ...] = ()
    layer: tuple[int, int] | None = None


def lane_of(analysis: Analysis, classes: Classes, step_range: str) -> Lane:
    """The lanes of one step. Raises RecordError for a trace without steps of that name."""
    return _gpu_lane(analysis, classes, step_range) if analysis.devices else _cpu_lane(analysis, classes, step_range)


def _middle(start: Ns, end: Ns) -> int:
    """The step of middle length."""
    return int(np.argsort(end - start, kind="stable")[len(start) // 2])


def _cpu_lane(analysis: Analysis, classes: Classes, step_range: str) -> Lane:
    timeline = analysis.timeline
    rows = step_rows(timeline, step_range)
    start, end = host_windows(timeline, rows)
    at = _middle(start, end)
    steps, _ = walked(timeline, step_range).steps(classes)
    pieces, now = [], 0
    for segment in steps[at].segments:
        idle = segment.cause if segment.cause in c.IDLE else ""
        cause = segment.source.work if idle else segment.cause
        if segment.ns:
            pieces.append(LanePiece(now, now + segment.ns, cause, segment.source.operator, idle))
        now += segment.ns
    return Lane(now, at + 1, len(rows), tuple(pieces), layer=_layer(timeline, int(rows[at])))


def _gpu_lane(analysis: Analysis, classes: Classes, step_range: str) -> Lane:
    timeline = analysis.timeline
    rows = step_rows(timeline, step_range)
    work = work_of(analysis, step_range)
    start, end = named_windows(analysis, step_range)
    at = _middle(start, end)
    begin, stop = int(start[at]), int(end[at])
    thread = int(timeline.ranges.thread[rows[at]])
    calls = timeline.calls
    mine = (calls.thread == thread) & (calls.start < stop) & (calls.end > begin)
    waiting = np.isin(calls.kind, (SYNC, BLOCKING_COPY))
    outermost = analysis.calling.depth == 0
    operators = timeline.operators.where(outermost)
    operators = operators.where((operators.thread == thread) & (operators.start < stop) & (operators.end > begin))
    return Lane(
        stop - begin,
        at + 1,
        len(rows),
        _spans(timeline, operators, begin, stop),
        _spans(timeline, calls.where(mine & ~waiting), begin, stop),
        _spans(timeline, calls.where(mine & waiting), begin, stop),
        tuple(_gpu_pieces(analysis, work, classes, begin, stop)),
        _layer(timeline, int(rows[at]), begin),
    )


def _spans(timeline: Timeline, spans: Spans | Calls, begin: int, stop: int) -> tuple[LanePiece, ...]:
    """Spans or calls cut to a window, by start."""
    order = np.argsort(spans.start, kind="stable")
    columns = (spans.start[order], spans.end[order], spans.name[order])
    return tuple(
        LanePiece(max(a, begin) - begin, min(b, stop) - begin, "", timeline.strings[name])
        for a, b, name in zip(*(column.tolist() for column in columns), strict=True)
    )


def _gpu_pieces(analysis: Analysis, work: Work, classes: Classes, begin: int, stop: int) -> Iterator[LanePiece]:
    causes = [kind.cause(classes) for kind in work.kinds]
    names = [_name(kind.name, kind.operators) for kind in work.kinds]
    rows, starts, ends = owned(work.start, work.end, work.stream, work.kind, work.kinds)
    shown = (ends > begin) & (starts < stop)
    now = begin
    for row, first, last in zip(*(column[shown].tolist() for column in (rows, starts, ends)), strict=True):
        first, last = max(first, begin), min(last, stop)
        if first > now:
            following = int(work.kind[np.searchsorted(work.start, first, side="left")])
            yield from _gap(analysis.waiting, now, first, begin, causes[following], names[following])
        kind = int(work.kind[row])
        yield LanePiece(first - begin, last - begin, causes[kind], names[kind])
        now = last
    if stop > now:
        yield from _gap(analysis.waiting, now, stop, begin, "", "")


def _name(kernel: str | None, operators: Sequence[str]) -> str:
    called = kernel or "copy"
    return f"{called}, of {operators[-1]}" if operators else called


def _gap(waiting: Cover, start: int, end: int, zero: int, cause: str, name: str) -> Iterator[LanePiece]:
    """A gap in parts: those in which the host waited inside a call, and the others."""
    a, b = np.searchsorted(waiting.end, start, side="right"), np.searchsorted(waiting.start, end, side="left")
    now = start
    for first, last in zip(waiting.start[a:b].tolist(), waiting.end[a:b].tolist(), strict=True):
        first, last = max(first, start), min(last, end)
        if first > now:
            yield LanePiece(now - zero, first - zero, cause, name, c.HOST_GAP)
        yield LanePiece(first - zero, last - zero, cause, name, c.SYNC_STALL)
        now = last
    if end > now:
        yield LanePiece(now - zero, end - zero, cause, name, c.HOST_GAP)


def _layer(timeline: Timeline, step: int, zero: int | None = None) -> tuple[int, int] | None:
    """The middle one of the decoder layers inside a step, None where the trace has no such ranges."""
    ranges = timeline.ranges
    begin, end = int(ranges.start[step]), int(ranges.end[step])
    named = np.array([text == LAYER for text in timeline.strings] or [False], bool)[ranges.name]
    inside = np.flatnonzero(
        named & (ranges.thread == ranges.thread[step]) & (ranges.start >= begin) & (ranges.end <= end)
    )
    if not len(inside):
        return None
    middle = int(inside[np.argsort(ranges.start[inside], kind="stable")][len(inside) // 2])
    zero = begin if zero is None else zero
    return max(int(ranges.start[middle]) - zero, 0), int(ranges.end[middle]) - zero
