"""A CPU trace's steps as sequences of segments: at every moment the innermost operator, or the gap before the next.

The gap before an operator belongs to that operator: it is the host's work to get there (Python, dispatch, the model's
code). Operators that only make views do no work of their own; they and the gaps before them belong to the next that
does, as on a GPU, where they launch nothing. This is the form that the CPU's ledger and its replay share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.record import causes as c
from bench.record.timeline import Timeline

from ..nesting import nest
from .classes import Classes, Classified, Operator
from .costs import END, IdleSource, host_windows, step_rows
from .paths import Names, Paths, innermost_of_lanes


@dataclass(frozen=True)
class Segment:
    """``ns`` long. ``cause``: its line. ``source``: what it leads to (a gap) or is (an operator). ``work``: the cause
    of the operator that it is or leads to; removing that work removes the segment. ``operators`` and ``ranges``: how
    many recorded operators and annotations began or ended their recording inside it."""

    ns: int
    cause: str
    source: IdleSource
    operators: int = 0
    ranges: int = 0


@dataclass(frozen=True)
class Step:
    """One step's segments in order, without a hole: their sum is the step's range. ``begun``: (range, cause) → how many
    times work of that cause began there: operators inside work of their own cause are part of it."""

    segments: tuple[Segment, ...]
    begun: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def ns(self) -> int:
        return sum(segment.ns for segment in self.segments)


_NOTHING = IdleSource(c.HOST_GAP, END, "", "")


def cpu_steps(timeline: Timeline, classes: Classes, step_range: str) -> tuple[list[Step], dict[str, int]]:
    """The steps called ``step_range``, and name → ns of the operators that no rule knows. Raises RecordError where
    there is no such range."""
    rows = step_rows(timeline, step_range)
    start, end = host_windows(timeline, rows)
    reader = _Reader(timeline, classes, step_range)
    steps = [reader.step(*places) for places in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True)]
    return steps, reader.unknown


class _Reader:
    """Reads one step after the other; what is known of the trace as a whole is made once, as plain lists: a step is
    walked operator by operator, and numpy's scalars would cost more than the walk."""

    def __init__(self, timeline: Timeline, classes: Classes, step_range: str) -> None:
        self._timeline, self._classes, self._step_range = timeline, classes, step_range
        spans = timeline.operators
        nesting = nest(spans)
        self._ranges = nest(timeline.ranges)
        self._paths = Paths(timeline, nesting), Paths(timeline, self._ranges, step_range)
        self._order = np.lexsort((-spans.end, spans.start))
        self._starts = spans.start[self._order]
        self.start: list[int] = spans.start.tolist()
        self.end: list[int] = spans.end.tolist()
        self.parent: list[int] = nesting.parent.tolist()
        self.name = [timeline.strings[name] for name in spans.name.tolist()]
        self.unknown: dict[str, int] = {}

    def step(self, row: int, start: int, end: int) -> Step:
        thread = int(self._timeline.ranges.thread[row])
        operators = self._inside(start, end, thread)
        ranges = self._ranges_of(operators, thread)
        answers = self._answers(operators, ranges)
        marks = self._range_marks(start, end, thread)
        segments = _Sweep(self, operators, ranges, answers, marks).run(start, end)
        for segment in segments:
            if segment.cause == c.OTHER:
                name = segment.source.operator
                self.unknown[name] = self.unknown.get(name, 0) + segment.ns
        return Step(tuple(segments), self._begun(operators, ranges, answers))

    def _begun(
        self, operators: list[int], ranges: dict[int, Names], answers: dict[int, Classified]
    ) -> dict[tuple[str, str], int]:
        begun: dict[tuple[str, str], int] = {}
        for row in operators:
            around = answers.get(self.parent[row])
            if around is None or around.cause != answers[row].cause:
                key = (ranges[row][-1] if ranges[row] else "", answers[row].cause)
                begun[key] = begun.get(key, 0) + 1
        return begun

    def _inside(self, start: int, end: int, thread: int) -> list[int]:
        """The operators of the step, outer before inner."""
        spans = self._timeline.operators
        a, b = np.searchsorted(self._starts, (start, end))
        rows = self._order[a:b]
        kept: list[int] = rows[(spans.thread[rows] == thread) & (spans.end[rows] <= end)].tolist()
        return kept

    def _ranges_of(self, operators: list[int], thread: int) -> dict[int, Names]:
        """For each operator the names of the ranges around it."""
        if not operators:
            return {}
        spans, rows = self._timeline.operators, np.array(operators)
        where = (np.full(len(rows), thread), spans.start[rows], spans.end[rows])
        lanes = [lane.tolist() for lane in innermost_of_lanes(self._ranges, *where)]
        of = self._paths[1].of
        return {row: tuple(name for lane in lanes for name in of(lane[place])) for place, row in enumerate(operators)}

    def _answers(self, operators: list[int], ranges: dict[int, Names]) -> dict[int, Classified]:
        answers: dict[int, Classified] = {}
        following = self._following(operators)
        callers = {self.parent[row] for row in operators}
        for row in operators:
            around = self._paths[0].of(row)
            asked = Operator(around[-1], around[:-1], ranges[row], following[row], row in callers)
            answers[row] = self._classes.operator(asked, answers.get(self.parent[row]))
        return answers

    def _following(self, operators: list[int]) -> dict[int, str]:
        """For each operator the name of the next one beside it, or ""."""
        following: dict[int, str] = {}
        next_of: dict[int, str] = {}
        for row in reversed(operators):
            parent = self.parent[row]
            following[row] = next_of.get(parent, "")
            next_of[parent] = self.name[row]
        return following

    def _range_marks(self, start: int, end: int, thread: int) -> list[int]:
        """The times inside a step at which an annotated range begins or ends, in order."""
        ranges = self._timeline.ranges
        mine = (ranges.thread == thread) & (ranges.end > start) & (ranges.start < end)
        times = np.concatenate((ranges.start[mine], ranges.end[mine]))
        marks: list[int] = np.sort(times[(times > start) & (times < end)]).tolist()
        return marks


class _Sweep:
    """One walk over a step's operators with a stack of those that are open."""

    def __init__(
        self,
        reader: _Reader,
        rows: list[int],
        ranges: dict[int, Names],
        answers: dict[int, Classified],
        marks: list[int],
    ) -> None:
        self._reader, self._rows, self._ranges, self._answers = reader, rows, ranges, answers
        self._parent = {row: reader.parent[row] for row in rows}
        self._callers = set(self._parent.values())
        self._leads_to = self._real_work()
        self._segments: list[Segment] = []
        self._sources: dict[tuple[str, int, str], IdleSource] = {}
        self._open: list[int] = []
        self._begun = 0
        self._recorded = 0
        self._marks, self._passed = marks, 0

    def run(self, start: int, end: int) -> list[Segment]:
        self._begun = start
        begins = self._reader.start
        for row in self._rows:
            self._close_until(begins[row], row)
            self._cut(begins[row], row)
            self._open.append(row)
        self._close_until(end + 1, None)
        self._cut(end, None)
        return self._segments

    def _close_until(self, time: int, coming: int | None) -> None:
        ends = self._reader.end
        while self._open and ends[row := self._open[-1]] <= time:
            if ends[row] == time and self._calls(row, coming):
                return
            self._cut(ends[row], coming)
            self._open.pop()
            self._recorded += 1

    def _calls(self, row: int, coming: int | None) -> bool:
        """Whether ``coming`` is inside ``row``: an operator of no length may begin where its caller ends."""
        while coming is not None and coming in self._parent:
            coming = self._parent[coming]
            if coming == row:
                return True
        return False

    def _cut(self, time: int, coming: int | None) -> None:
        """End the segment that is running at ``time``; ``coming`` is the next operator, for a gap."""
        time = max(time, self._begun)  # one that crosses another may be closed late
        if time > self._begun or self._recorded:
            cause, source = self._whose(coming)
            passed = self._passed
            while self._passed < len(self._marks) and self._marks[self._passed] < time:
                self._passed += 1
            self._segments.append(Segment(time - self._begun, cause, source, self._recorded, self._passed - passed))
        self._begun, self._recorded = time, 0

    def _real_work(self) -> dict[int, int]:
        """For each outermost operator the next one, itself included, that does work; -1: none in this step."""
        found: dict[int, int] = {}
        coming = -1
        for row in reversed([row for row in self._rows if self._parent[row] not in self._parent]):
            coming = row if self._answers[row].cause != c.HOST_GAP else coming
            found[row] = coming
        return found

    def _whose(self, coming: int | None) -> tuple[str, IdleSource]:
        if not self._open:
            return c.HOST_GAP, self._gap(-1 if coming is None else self._leads_to[coming])
        row = self._open[-1]
        answer = self._answers[row]
        if answer.cause == c.HOST_GAP:
            return c.HOST_GAP, self._gap(self._leads_to.get(self._open[0], -1))
        if answer.glue and row in self._callers:
            # Python inside an operator: it leads to the next operator that this one calls, but is this one's.
            inside = coming is not None and self._parent[coming] == row
            return c.HOST_GAP, self._source(c.HOST_GAP, row, coming if inside and coming is not None else row)
        return answer.cause, self._source(answer.cause, row)

    def _gap(self, leads_to: int) -> IdleSource:
        return _NOTHING if leads_to < 0 else self._source(c.HOST_GAP, leads_to)

    def _source(self, cause: str, row: int, leads_to: int = -1) -> IdleSource:
        work = self._answers[leads_to if leads_to >= 0 else row].cause
        key = (cause, row, work)
        if key not in self._sources:
            ranges = self._ranges[row]
            self._sources[key] = IdleSource(cause, ranges[-1] if ranges else "", self._reader.name[row], work)
        return self._sources[key]
