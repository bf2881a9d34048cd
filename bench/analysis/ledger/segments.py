"""A CPU trace's steps as sequences of segments: at every moment the innermost operator, or the gap before the next.

The gap before an operator belongs to that operator: it is the host's work to get there (Python, dispatch, the model's
code); what comes before a step's first one is the step's own. Operators that only make views do no work of their own;
they and the gaps before them belong to the next that does, as on a GPU, where they launch nothing. This is the form
that the CPU's ledger and its replay share.

A walk over the operators finds where each moment lies, by names alone (``walked``); the table of classes is asked
afterwards, once for each place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bench.record import causes as c
from bench.record.timeline import Timeline

from ..timeline.nesting import nest
from .classes import Classes, Classified, Operator
from .costs import END, START, IdleSource, host_windows, step_rows
from .paths import Names, Paths, innermost_of_lanes

# A chain holds so many kinds of outermost operators: so many views of unlike kinds do not follow each other.
LONGEST_CHAIN = 8
# Of torch's own operators, which are compiled: in them no Python runs between those that they call, and nothing is
# told apart by what comes next. Only they make views.
_OWN = "aten::"


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


_NOTHING, _INTO_STEP = (IdleSource(c.HOST_GAP, name, "", "") for name in (END, START))


@dataclass(frozen=True)
class OperatorKind:
    """All that a rule looks at of an operator. ``parent``: the kind of the one that calls it in the step, -1: none;
    ``path``: the names around it, outermost first, and its own; ``ranges``: around it; ``after``: the next operator
    beside it, or ""; ``calls``: whether it calls others."""

    parent: int
    path: Names
    ranges: Names
    after: str
    calls: bool

    @property
    def range(self) -> str:
        """The innermost range around it, or ""."""
        return self.ranges[-1] if self.ranges else ""

    def asked(self) -> Operator:
        """What the table of classes is asked."""
        return Operator(self.path[-1], self.path[:-1], self.ranges, self.after, self.calls)


class StepPlace(NamedTuple):
    """Where a moment of a step lies. ``operator``: the kind of the innermost one that runs, -1: a gap; ``calling``: the
    kind of the one that it calls next, -1: none; of the gap before all operators the kind of the first; ``chain``:
    which chain of outermost operators it is in or leads to."""

    operator: int
    calling: int
    chain: int


@dataclass(frozen=True)
class Places:
    """All places of some steps, and what they are classified by. ``kinds``: callers stand before those that they call;
    ``chains``: the kinds of outermost operators from one on, each where it comes first."""

    kinds: tuple[OperatorKind, ...]
    chains: tuple[tuple[int, ...], ...]
    places: tuple[StepPlace, ...]

    def answers(self, classes: Classes) -> list[Classified]:
        """[kinds] by a table of classes."""
        found: list[Classified] = []
        for kind in self.kinds:
            found.append(classes.operator(kind.asked(), found[kind.parent] if kind.parent >= 0 else None))
        return found

    def sources(self, answers: Sequence[Classified]) -> list[IdleSource]:
        """[places] what each is (an operator) or leads to (a gap); its ``cause`` is its line."""
        return [self._source(place, answers) for place in self.places]

    def _source(self, place: StepPlace, answers: Sequence[Classified]) -> IdleSource:
        kind = place.operator
        if kind < 0 <= place.calling:
            return _INTO_STEP
        if kind < 0 or answers[kind].cause == c.HOST_GAP:
            does_work = (one for one in self.chains[place.chain] if answers[one].cause != c.HOST_GAP)
            kind = next(does_work, -1)
            return self._named(c.HOST_GAP, kind, answers[kind].cause) if kind >= 0 else _NOTHING
        if answers[kind].glue and self.kinds[kind].calls:
            # Python inside an operator: it leads to the next operator that this one calls, but is this one's.
            leads_to = place.calling if place.calling >= 0 else kind
            return self._named(c.HOST_GAP, kind, answers[leads_to].cause)
        return self._named(answers[kind].cause, kind, answers[kind].cause)

    def _named(self, cause: str, kind: int, work: str) -> IdleSource:
        return IdleSource(cause, self.kinds[kind].range, self.kinds[kind].path[-1], work)

    def groups(self, answers: Sequence[Classified]) -> list[tuple[str, str] | None]:
        """[kinds] the (range, cause) of which work begins with it; None where it is part of work of its cause."""
        return [
            None if kind.parent >= 0 and answers[kind.parent].cause == own.cause else (kind.range, own.cause)
            for kind, own in zip(self.kinds, answers, strict=True)
        ]


class Piece(NamedTuple):
    """A segment before it is classified; ``place``: index into the places."""

    ns: int
    place: int
    operators: int
    ranges: int


@dataclass(frozen=True)
class Walked:
    """Steps before they are classified: each one's pieces in order, and kind → how many operators it had of it."""

    places: Places
    pieces: list[list[Piece]]
    counts: list[Mapping[int, int]]

    def steps(self, classes: Classes) -> tuple[list[Step], dict[str, int]]:
        """The steps by a table of classes, and name → ns of the operators that no rule knows."""
        answers = self.places.answers(classes)
        sources, groups = self.places.sources(answers), self.places.groups(answers)
        steps: list[Step] = []
        for pieces, counts in zip(self.pieces, self.counts, strict=True):
            begun: Counter[tuple[str, str]] = Counter()
            for kind, count in counts.items():
                if (group := groups[kind]) is not None:
                    begun[group] += count
            segments = (Segment(ns, sources[place].cause, sources[place], *told) for ns, place, *told in pieces)
            steps.append(Step(tuple(segments), begun))
        unknown: Counter[str] = Counter()
        for segment in (segment for step in steps for segment in step.segments if segment.cause == c.OTHER):
            unknown[segment.source.operator] += segment.ns
        return steps, dict(unknown)


def cpu_steps(timeline: Timeline, classes: Classes, step_range: str) -> tuple[list[Step], dict[str, int]]:
    """The steps called ``step_range``, and name → ns of the operators that no rule knows. Raises RecordError where
    there is no such range."""
    return walked(timeline, step_range).steps(classes)


def walked(timeline: Timeline, step_range: str) -> Walked:
    """The same before they are classified."""
    rows = step_rows(timeline, step_range)
    start, end = host_windows(timeline, rows)
    reader = _Reader(timeline, step_range)
    found = [reader.step(*places) for places in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True)]
    places = Places(tuple(reader.kinds), tuple(reader.chains), tuple(StepPlace(*place) for place in reader.places))
    return Walked(places, [pieces for pieces, _ in found], [counts for _, counts in found])


class _Reader:
    """Reads one step after the other; what is known of the trace as a whole is made once, as plain lists: a step is
    walked operator by operator, and numpy's scalars would cost more than the walk."""

    def __init__(self, timeline: Timeline, step_range: str) -> None:
        self._timeline = timeline
        spans = timeline.operators
        nesting = nest(spans)
        self._ranges = nest(timeline.ranges)
        self._paths, self._range_paths = Paths(timeline, nesting), Paths(timeline, self._ranges, step_range)
        self._order = np.lexsort((-spans.end, spans.start))
        self._starts = spans.start[self._order]
        self.start: list[int] = spans.start.tolist()
        self.end: list[int] = spans.end.tolist()
        self.parent: list[int] = nesting.parent.tolist()
        self.name: list[str] = [timeline.strings[name] for name in spans.name.tolist()]
        # Whether each is one of torch's own.
        self.own: list[bool] = [name.startswith(_OWN) for name in self.name]
        self.kinds: dict[OperatorKind, int] = {}
        self._known: dict[tuple[int, str | Names, Names, str, bool], int] = {}
        self.chains: dict[tuple[int, ...], int] = {}
        self.places: dict[tuple[int, int, int], int] = {}

    def step(self, row: int, start: int, end: int) -> tuple[list[Piece], Mapping[int, int]]:
        thread = int(self._timeline.ranges.thread[row])
        operators = self._inside(start, end, thread)
        kinds = self._kinds_of(operators, thread)
        marks = self._range_marks(start, end, thread)
        return _Sweep(self, operators, kinds, marks).run(start, end), Counter(kinds.values())

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
        of = self._range_paths.of
        if len(lanes) == 1:
            return {row: of(around) for row, around in zip(operators, lanes[0], strict=True)}
        return {row: tuple(name for lane in lanes for name in of(lane[place])) for place, row in enumerate(operators)}

    def _kinds_of(self, operators: list[int], thread: int) -> dict[int, int]:
        """For each operator its kind."""
        ranges, following = self._ranges_of(operators, thread), self._following(operators)
        callers = {self.parent[row] for row in operators}
        found: dict[int, int] = {}
        for row in operators:
            around = found.get(self.parent[row], -1)
            # Inside a kind that is known its own name tells the path: made and compared is a path only once.
            path = self._paths.of(row) if around < 0 else self.name[row]
            told = (around, path, ranges[row], following[row], row in callers)
            kind = self._known.get(told)
            if kind is None:
                made = OperatorKind(around, self._paths.of(row), *told[2:])
                kind = self._known[told] = self.kinds.setdefault(made, len(self.kinds))
            found[row] = kind
        return found

    def _following(self, operators: list[int]) -> dict[int, str]:
        """For each operator the name of the next one beside it, or "" where there is none or it does not matter."""
        mine, following = set(operators), dict[int, str]()
        next_of: dict[int, str] = {}
        for row in reversed(operators):
            parent = self.parent[row]
            following[row] = "" if parent in mine and self.own[parent] else next_of.get(parent, "")
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

    def __init__(self, reader: _Reader, rows: list[int], kinds: dict[int, int], marks: list[int]) -> None:
        self._reader, self._rows, self._kinds = reader, rows, kinds
        self._parent = {row: reader.parent[row] for row in rows}
        self._chains = self._chains_from()
        self._pieces: list[Piece] = []
        self._open: list[int] = []
        self._begun = 0
        self._recorded = 0
        self._marks, self._passed = marks, 0

    def run(self, start: int, end: int) -> list[Piece]:
        # Whatever opens or closes ends the piece that is running, so that pieces fill the step without gap or overlap:
        # a ledger closes on the step's time because nothing is ever measured twice.
        self._begun = start
        begins = self._reader.start
        for row in self._rows:
            self._close_until(begins[row], row)
            self._cut(begins[row], row)
            self._open.append(row)
        # One past the end, because an operator that ends with the step is closed too.
        self._close_until(end + 1, None)
        self._cut(end, None)
        return self._pieces

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
        """End the piece that is running at ``time``; ``coming`` is the next operator, for a gap."""
        time = max(time, self._begun)  # one that crosses another may be closed late
        # A piece of no length is kept where operators ended in it: what recording them cost has to be somewhere.
        if time > self._begun or self._recorded:
            places = self._reader.places
            place = places.setdefault(self._place(-1 if coming is None else coming), len(places))
            passed = self._passed
            while self._passed < len(self._marks) and self._marks[self._passed] < time:
                self._passed += 1
            self._pieces.append(Piece(time - self._begun, place, self._recorded, self._passed - passed))
        self._begun, self._recorded = time, 0

    def _chains_from(self) -> dict[int, int]:
        """For each outermost operator, and -1 for none, which chain begins with it."""
        numbers = self._reader.chains
        chain: tuple[int, ...] = ()
        found = {-1: numbers.setdefault(chain, len(numbers))}
        # From the last one back, so that each chain is its own kind before the chain that follows. A kind stands in it
        # once, at its first place: a gap leads to the first that does work, and a second of it would change nothing.
        for row in reversed([row for row in self._rows if self._parent[row] not in self._parent]):
            kind = self._kinds[row]
            chain = (kind, *(one for one in chain if one != kind))[:LONGEST_CHAIN]
            found[row] = numbers.setdefault(chain, len(numbers))
        return found

    def _place(self, coming: int) -> tuple[int, int, int]:
        """As a StepPlace; ``coming``: -1 for none."""
        if not self._open:
            first = coming >= 0 and not self._pieces
            return -1, self._kinds[coming] if first else -1, self._chains[coming]
        row, outermost = self._open[-1], self._open[0]
        # Time of an operator of torch's own is its work, whatever it calls next; that of one made of Python (a layer's)
        # may lead to the next call.
        calls = coming >= 0 and self._parent[coming] == row and not self._reader.own[row]
        leads = self._reader.own[outermost] and outermost in self._chains
        return self._kinds[row], self._kinds[coming] if calls else -1, self._chains[outermost if leads else -1]
