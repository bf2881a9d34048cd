"""Which ranges of a trace look like steps: repeated, one after the other, with GPU work, and covering most of it.

Serving engines write sizes and counters into the names of their ranges (``execute_32_context_0(sq0sk0)…``,
``ProfilerStep#7``), so ranges belong together whose names differ in numbers only: a family. Within a family, numbers
that change at every step are counters; steps that differ in the others have other sizes, and are groups of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.errors import RecordError
from bench.record.timeline import Timeline

from ..ledger.classes import exchanging
from ..ledger.costs import TOUCHING_NS
from ..ledger.read import STEP_RANGE
from ..timeline import Analysis
from .sizes import names_of, pattern_of, template

Rows = NDArray[np.int64]
# Names that engines and trainers give to a step. Where one covers nearly as much as the largest family, it is meant.
_STEP_WORDS = re.compile(
    r"(?i)step|execute|forward_(decode|extend)|decode(?!r)|iteration|run_batch|generate_token|batch_\d"
)
_EXCHANGES = re.compile(r"(nccl|gloo|ucc|mpi|c10d)(:|::)|ncclGroup|record_param_comms")
_NEARLY = 0.8
_MOST_NAMES = 200_000


@dataclass(frozen=True, eq=False)
class RangeFamily:
    """``rows`` of Timeline.ranges, by start and one after the other, on one thread of ``process``. ``label``: a name
    or pattern for --step-range that finds them; ``total``: ns that they cover, ``share`` of the trace."""

    label: str
    process: int
    rows: Rows
    total: int
    share: float

    @property
    def named_as_step(self) -> bool:
        """Whether its name says that it is a step."""
        return _STEP_WORDS.search(self.label) is not None

    @property
    def described(self) -> str:
        """For a refusal: such as "'ProfilerStep' (3 instances, 98 % of the trace)"."""
        return f"{self.label!r} ({len(self.rows)} instances, {self.share:.0%} of the trace)"


def families(analysis: Analysis, processes: Sequence[int] | None = None) -> list[RangeFamily]:
    """What may be a step, the likeliest first. ``processes``: only of these. Ranges that ask for no work are none, and
    those around an exchange between GPUs."""
    timeline = analysis.timeline
    if not len(timeline.ranges):
        return []
    begin, end = extent(timeline)
    length = max(end - begin, 1)
    works = _WorkTimes(analysis)
    found = [
        RangeFamily(_label(timeline, rows), process, rows, total, total / length)
        for process, every in _by_template(timeline)
        if (processes is None or process in processes)
        if (rows := one_after_the_other(timeline, every)) is not None and len(rows) > 1
        if works.mostly_inside(rows, process) and not _EXCHANGES.match(timeline.strings[timeline.ranges.name[rows[0]]])
        if (total := int((timeline.ranges.end[rows] - timeline.ranges.start[rows]).sum()))
    ]
    most = max((family.total for family in found), default=0)
    return sorted(found, key=lambda family: _place(family, most))


def _place(family: RangeFamily, most: int) -> tuple[bool, bool, int, int]:
    """The step of our own recordings first, then a step by its name that covers nearly the most, then what covers the
    most; of equal ones the outer, which has fewer instances."""
    by_name = family.total >= _NEARLY * most and family.named_as_step
    return family.label != STEP_RANGE, not by_name, -family.total, len(family.rows)


def extent(timeline: Timeline) -> tuple[int, int]:
    """When the first thing in a trace begins and the last one ends. Raises RecordError where it holds nothing."""
    every = (timeline.kernels, timeline.copies, timeline.calls, timeline.operators, timeline.ranges)
    tables = [table for table in every if len(table)]
    if not tables:
        raise RecordError("the trace holds nothing that takes time")
    return int(min(table.start.min() for table in tables)), int(max(table.end.max() for table in tables))


def _by_template(timeline: Timeline) -> list[tuple[int, Rows]]:
    """(process, rows by start) of the ranges of one thread whose names differ in numbers only."""
    ranges = timeline.ranges
    used = distinct(ranges.name)
    if len(used) > _MOST_NAMES:
        return []
    templates: dict[str, int] = {}
    code = np.zeros(len(timeline.strings), np.int64)
    for name in used.tolist():
        code[name] = templates.setdefault(template(timeline.strings[name]), len(templates))
    key = code[ranges.name] * len(timeline.threads) + ranges.thread
    order = np.lexsort((-ranges.end, ranges.start, key))
    edges = np.flatnonzero(np.diff(key[order])) + 1
    parts = np.split(order, edges)
    return [(int(timeline.threads.process[ranges.thread[rows[0]]]), rows) for rows in parts]


def one_after_the_other(timeline: Timeline, rows: Rows) -> Rows | None:
    """The rows, by start, without those that lie inside others; None where two cross by more than rounding."""
    start, end = timeline.ranges.start[rows], timeline.ranges.end[rows]
    reach = np.maximum.accumulate(end)
    before = np.concatenate((start[:1], reach[:-1]))
    outer = (start >= before) | ((end > before) & (start >= before - TOUCHING_NS))
    outer[:1] = True
    crossing = ~outer & (end > before)
    return None if crossing.any() else rows[outer]


class _WorkTimes:
    """When each process asked for work: launches of what the GPU ran, or operators where there is no GPU work; and how
    long the GPU computed for each."""

    def __init__(self, analysis: Analysis) -> None:
        timeline = analysis.timeline
        if analysis.devices:
            call = np.concatenate((analysis.launch, analysis.copy_call))
            known = call >= 0
            call = call[known]
            self._time, thread = timeline.calls.start[call], timeline.calls.thread[call]
            computed = np.where(exchanging(timeline), 0, timeline.kernels.end - timeline.kernels.start)
            self._length = np.concatenate((computed, np.zeros(len(timeline.copies), np.int64)))[known]
        else:
            self._time, thread = timeline.operators.start, timeline.operators.thread
            self._length = np.zeros(len(self._time), np.int64)
        self._process = timeline.threads.process[thread]
        self._ranges = timeline.ranges
        self._of: dict[int, tuple[Rows, Rows]] = {}

    def inside(self, rows: Rows, process: int) -> Rows:
        """[rows] how much work was asked for in each range."""
        return self.between(self._ranges.start[rows], self._ranges.end[rows], process)

    def between(self, start: Rows, end: Rows, process: int) -> Rows:
        """[n] how much work was asked for in each of some times."""
        times, _ = self._by_time(process)
        return np.searchsorted(times, end) - np.searchsorted(times, start)

    def lengths_inside(self, rows: Rows, process: int) -> Rows:
        """[rows] ns that the GPU computed for what was asked for in each range."""
        times, lengths = self._by_time(process)
        sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        start, end = (np.searchsorted(times, edge[rows]) for edge in (self._ranges.start, self._ranges.end))
        return sums[end] - sums[start]

    def _by_time(self, process: int) -> tuple[Rows, Rows]:
        if process not in self._of:
            mine = np.flatnonzero(self._process == process)
            mine = mine[np.argsort(self._time[mine], kind="stable")]
            self._of[process] = self._time[mine], self._length[mine]
        return self._of[process]

    def count(self, process: int) -> int:
        """All that the process asked for."""
        return int(np.count_nonzero(self._process == process))

    def mostly_inside(self, rows: Rows, process: int) -> bool:
        """Whether at least half of the ranges ask for work."""
        return bool(2 * np.count_nonzero(self.inside(rows, process)) >= len(rows))


def asked_between(analysis: Analysis, rows: Rows) -> float:
    """Of the kernels, copies or operators that are asked for from the first of some ranges, one after the other, to the
    last, the part that is asked for between them: by another thread, or by code that no range is around."""
    timeline, works = analysis.timeline, _WorkTimes(analysis)
    start, end = timeline.ranges.start[rows], timeline.ranges.end[rows]
    process = int(timeline.threads.process[timeline.ranges.thread[rows[0]]])
    every = works.between(start[:1], end[-1:], process)
    return 1.0 - float(works.between(start, end, process).sum() / every.sum()) if every.sum() else 0.0


def work_share(analysis: Analysis, family: RangeFamily) -> float:
    """The part of its process's kernels, copies or operators that a family's ranges ask for; all where it is not known
    who asks for any."""
    works = _WorkTimes(analysis)
    count = works.count(family.process)
    return int(works.inside(family.rows, family.process).sum()) / count if count else 1.0


def work_inside(analysis: Analysis, family: RangeFamily) -> Rows:
    """[rows] how many kernels, copies or operators each step of a family asks for."""
    return _WorkTimes(analysis).inside(family.rows, family.process)


def gpu_time_inside(analysis: Analysis, family: RangeFamily) -> Rows:
    """[rows] ns that the GPU computed for what each step of a family asks for; copies, and exchange with other GPUs,
    which waits for these, are in none. 0 where it did nothing that is known."""
    return _WorkTimes(analysis).lengths_inside(family.rows, family.process)


def _label(timeline: Timeline, rows: Rows) -> str:
    """One name; or without its number after "#"; or a pattern with a star for each number that varies."""
    names = names_of(timeline, rows)
    if len(names) == 1 and "#" not in names[0]:
        return names[0]
    stem, hash_, number = names[0].rpartition("#")
    if hash_ and number.isdigit() and all(name.rpartition("#")[0] == stem for name in names):
        return stem
    return pattern_of(names)
