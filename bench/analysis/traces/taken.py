"""What of a trace is explained: whose work, and which ranges are its steps. Found by itself where nobody says.

Steps that are left out keep a name of their own, because their GPU work may reach into the next step's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import distinct
from bench.record.errors import RecordError
from bench.record.timeline import Spans, Timeline

from ..ledger.costs import is_step
from ..ledger.gpu import LEFT_OUT
from ..ledger.read import STEP_RANGE
from ..timeline import Analysis
from ..timeline.gpus import joined_by_time, not_joined
from ..timeline.range_names import one_name_each, with_timeline
from .families import RangeFamily, extent, families, one_after_the_other, work_share
from .inferred import inferred_steps, ranges_a_step
from .ranks import Rank, only_device, only_process, ranks
from .sizes import SizeGroup, are_parts, by_size, names_of, template
from .unusual import long_ones, with_usual_gpu_time, with_usual_work, without_first

Rows = NDArray[np.int64]
WHOLE, INFERRED = "(whole trace)", "(inferred step)"
_INSIDE = " (no step)"
_OFFERED = 5
# Steps that ask for less of the work than this are hardly what a trace was made for.
_SMALL = 0.5
HOW_TO_RECORD = (
    "record a range around each step: 'with torch.profiler.record_function(\"decode_step\"): …' or prof.step() under "
    "torch.profiler, 'with nvtx.annotate(\"decode_step\"): …' under nsys -t cuda,nvtx; or take all of it as one step "
    "with --steps whole"
)


@dataclass(frozen=True)
class Wanted:
    """What the user says: the name or pattern of the steps' ranges, the whole trace as one step, whose work.
    ``likely``: the rank to take where nobody says, if it has steps; ``beside``: another trace may be what shows it.
    ``size``: the label of the size of steps to take, where the steps are found and have several."""

    step_range: str | None = None
    whole: bool = False
    rank: int | None = None
    device: int | None = None
    likely: int | None = None
    beside: bool = False
    size: str | None = None


@dataclass(frozen=True, eq=False)
class Taken:
    """``analysis`` holds the work of one rank only, with its steps under the name ``step_range``. ``said``: what was
    taken, for people; ``notes``: what was left out or assumed. ``inferred``: the steps are a guess. ``period``: each
    lasts to the start of the next. ``rank``: whose it is, of several. ``sizes``: the steps that were found, by size,
    where nobody chose them; ``parts``: the ranges are parts of steps, which begin with these; ``size``: the label of
    the size that was wanted, where there are others."""

    analysis: Analysis
    step_range: str
    said: str
    notes: tuple[str, ...] = ()
    inferred: bool = False
    period: bool = False
    rank: int | None = None
    sizes: tuple[SizeGroup, ...] = ()
    parts: bool = False
    size: str | None = None


def taken(analysis: Analysis, wanted: Wanted, *, own: bool = False) -> Taken:
    """Narrow a trace to one rank's steps. ``own``: a trace of one of our runs, whose steps are all meant.

    Raises RecordError where there is no such rank, device or range, with what there is instead.
    """
    analysis, whose, rank = _ranked(one_name_each(analysis), wanted)
    if not own:
        whose = (*analysis.timeline.notes, *whose)  # what the tool lost or could not record comes first
        if told := joined_by_time(analysis):
            whose = (*whose, told)
    if wanted.whole:
        return replace(_whole_trace(analysis, whose), rank=rank)
    found = _named_family(analysis, wanted.step_range) if wanted.step_range else _likeliest_family(analysis, own=own)
    if found is None:
        return replace(_inferred(analysis, whose), rank=rank)
    if own:
        said = _steps_text(found.label, len(found.rows), len(found.rows))
        return Taken(analysis, found.label, said, whose, rank=rank)
    return replace(_steps(analysis, found, whose, wanted), rank=rank)


def _ranked(analysis: Analysis, wanted: Wanted) -> tuple[Analysis, tuple[str, ...], int | None]:
    """The work of one rank; where there are more, a note, and its number."""
    known = ranks(analysis.timeline)
    notes: tuple[str, ...] = ()
    chosen: int | None = None
    if wanted.device is not None:
        only_device(analysis.timeline, wanted.device)  # refused before a rank is chosen that lacks it
    if wanted.rank is not None and not 0 <= wanted.rank < max(len(known), 1):
        told = "; ".join(rank.said(number) for number, rank in enumerate(known))
        raise RecordError(f"the trace has no rank {wanted.rank}: it has {told}")
    # A process that is not known called nothing that was recorded: then the ranges may be its own.
    if known and (all(rank.pid >= 0 for rank in known) or (len(known) > 1 and wanted.rank is not None)):
        number = 0
        if len(known) > 1:
            number = chosen = wanted.rank if wanted.rank is not None else _with_steps(analysis, known, wanted)
            where = " here or in the other trace" if wanted.beside else ""
            waited = f", for which the others seem to wait{where}" if number == wanted.likely else ""
            rest = "; ".join(rank.said(place) for place, rank in enumerate(known) if place != number)
            notes = (
                f"of {len(known)} processes with work {known[number].said(number)} is taken{waited}, not {rest}: "
                "--rank N",
            )
        analysis = _narrowed(analysis, only_process(analysis.timeline, known[number].process))
    if wanted.device is not None:
        analysis = _narrowed(analysis, only_device(analysis.timeline, wanted.device))
    elif len(analysis.devices) > 1:
        gpus = ", ".join(map(str, analysis.devices))
        notes += (
            f"its work runs on {len(analysis.devices)} GPUs ({gpus}), taken together: --device N for one of them",
        )
    return analysis, notes, chosen


def _narrowed(analysis: Analysis, timeline: Timeline) -> Analysis:
    """The analysis of a part of the trace; itself where that is all of it."""
    return analysis if timeline is analysis.timeline else Analysis(timeline, analysis.rules)


def _with_steps(analysis: Analysis, known: Sequence[Rank], wanted: Wanted) -> int:
    """The number of the rank that has the steps; of several the one that used the asked GPU, then the first."""
    numbers = [n for n, rank in enumerate(known) if wanted.device is None or wanted.device in rank.devices]
    numbers = numbers or list(range(len(known)))
    timeline, processes = analysis.timeline, [known[number].process for number in numbers]
    if wanted.step_range and len(timeline.ranges):
        rows = rows_called(timeline, wanted.step_range)
        having = set(timeline.threads.process[timeline.ranges.thread[rows]].tolist())
    else:
        found = families(analysis, processes)
        having = {family.process for family in found if family.label == found[0].label}
    numbers = [number for number in numbers if known[number].process in having] or numbers
    return wanted.likely if wanted.likely in numbers else numbers[0]


def _named_family(analysis: Analysis, name: str) -> RangeFamily:
    timeline = analysis.timeline
    rows = rows_called(timeline, name)
    if not len(rows):
        raise RecordError(
            f"the trace has no range {name!r}: {offered(analysis)}; name the range of one step with --step-range"
        )
    outer = one_after_the_other(timeline, rows[np.lexsort((-timeline.ranges.end[rows], timeline.ranges.start[rows]))])
    if outer is None:
        raise RecordError(
            f"the ranges {name!r} overlap, so they are no steps: {offered(analysis)}; choose another with --step-range"
        )
    process = int(timeline.threads.process[timeline.ranges.thread[outer[0]]])
    return RangeFamily(name, process, outer, 0, 0.0)


def rows_called(timeline: Timeline, name: str) -> Rows:
    """The rows of the ranges that are called ``name``, a number after "#" not counted, or that a pattern with * and ?
    finds; in no order."""
    matches = _matcher(name)
    wanted = np.zeros(len(timeline.strings), bool)
    for text in distinct(timeline.ranges.name).tolist():
        wanted[text] = matches(timeline.strings[text])
    return np.flatnonzero(wanted[timeline.ranges.name]) if len(timeline.ranges) else np.empty(0, np.int64)


def _matcher(name: str) -> Callable[[str], bool]:
    if not any(sign in name for sign in "*?"):
        return lambda text: is_step(text, name)
    pattern = re.compile("".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in name), re.DOTALL)
    return lambda text: text == name or pattern.fullmatch(text) is not None


def offered(analysis: Analysis) -> str:
    """The likeliest names of steps, for a refusal."""
    likely = families(analysis)
    if likely:
        return f"its likely steps are {', '.join(family.described for family in likely[:_OFFERED])}"
    timeline = analysis.timeline
    if not len(timeline.ranges):
        return "it has no annotated ranges"
    names = [timeline.strings[name] for name in distinct(timeline.ranges.name).tolist()]
    more = f" and {len(names) - _OFFERED} more" if len(names) > _OFFERED else ""
    return f"it has {', '.join(map(repr, sorted(names)[:_OFFERED]))}{more}"


def _likeliest_family(analysis: Analysis, *, own: bool) -> RangeFamily | None:
    """The likeliest family; None where there is none."""
    if own or STEP_RANGE in analysis.timeline.strings:
        rows = rows_called(analysis.timeline, STEP_RANGE)
        if len(rows):
            return _named_family(analysis, STEP_RANGE)
    likely = families(analysis)
    alone = [family for family in likely if not _cross_on_threads(analysis.timeline, family)]
    if likely and not alone:
        label = likely[0].label
        raise RecordError(
            f"the ranges {label!r} of several threads overlap, so they are no steps: record a range around each step "
            "on one thread, or choose another with --step-range"
        )
    return alone[0] if alone else None


def _cross_on_threads(timeline: Timeline, family: RangeFamily) -> bool:
    """Whether ranges of these names, on all threads of the process, do not come one after the other."""
    ranges = timeline.ranges
    mine = timeline.threads.process[ranges.thread] == family.process
    rows = np.flatnonzero(mine & np.isin(ranges.name, distinct(ranges.name[family.rows])))
    return one_after_the_other(timeline, rows[np.lexsort((-ranges.end[rows], ranges.start[rows]))]) is None


def _steps(analysis: Analysis, found: RangeFamily, whose: tuple[str, ...], wanted: Wanted) -> Taken:
    """The steps of a family: of one size, and without first ones that are unlike the others."""
    timeline = analysis.timeline
    notes, rows, label = list(whose), found.rows, found.label
    if lone := not_joined(analysis):
        notes.append(f"{lone}: what runs in a step's time is taken for its work")
    aside, sizes, parts = found.rows, tuple[SizeGroup, ...](), False
    if wanted.step_range is not None:
        aside = _siblings(timeline, rows)
    elif are_parts(timeline, rows):
        rows, label, told = _first_parts(timeline, found)
        aside, parts = rows, True
        notes += told
    elif several := None if found.named_as_step else ranges_a_step(analysis, rows):
        count, rows = several
        aside, parts = rows, True
        notes.append(f"a step holds {count} of {label!r}: it lasts from every {count}th to the next such")
        label = f"{label} (1 of {count})"
    else:
        sizes = tuple(by_size(timeline, rows))
        rows, label, told = _of_one_size(found, sizes, wanted.size)
        notes += told
    if wanted.step_range is None:
        rows, told = with_usual_work(analysis, replace(found, rows=rows))
        notes += [*told, *_outside(analysis, found)]
    rows, told = without_first(analysis, rows, aside)
    notes += told
    if wanted.step_range is None:
        rows, told = with_usual_gpu_time(analysis, replace(found, rows=rows))
        notes += told
    notes += long_ones(analysis, rows, aside)
    said = _steps_text(label, len(rows), len(aside))
    made = _renamed(analysis, aside, rows, label)
    return Taken(
        made, label, said, tuple(notes), sizes=sizes, parts=parts, size=wanted.size if len(sizes) > 1 else None
    )


def _siblings(timeline: Timeline, rows: Rows) -> Rows:
    """Some steps, and those of other sizes between which they run: of one thread, with names that differ in numbers."""
    ranges = timeline.ranges
    if are_parts(timeline, rows):
        return rows
    wanted = {template(name) for name in names_of(timeline, rows)}
    alike = np.array([template(text) in wanted for text in timeline.strings], bool)
    every = np.flatnonzero(alike[ranges.name] & np.isin(ranges.thread, distinct(ranges.thread[rows])))
    outer = one_after_the_other(timeline, every[np.lexsort((-ranges.end[every], ranges.start[every]))])
    fits = outer is not None and np.isin(rows, outer).all() and not are_parts(timeline, outer)
    return outer if outer is not None and fits else rows


def _outside(analysis: Analysis, found: RangeFamily) -> list[str]:
    """A note where the steps ask for the smaller part of the work: what is explained is not what the trace is about."""
    share = work_share(analysis, found)
    if share >= _SMALL:
        return []
    return [f"only {share:.0%} of the trace's work is asked for in these ranges: --step-range chooses others"]


def _steps_text(label: str, taken: int, of: int) -> str:
    count = f"{taken} step{'s' if taken != 1 else ''}" if taken == of else f"{taken} of {of} steps"
    return f"{count} {label!r}"


def _first_parts(timeline: Timeline, found: RangeFamily) -> tuple[Rows, str, list[str]]:
    """The ranges that begin a step: those with the lowest number."""
    groups = {group.label: group for group in by_size(timeline, found.rows)}
    label = min(groups, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    told = f"{found.label!r} count up and start again, so they are parts of a step, which begins with {label!r}"
    return groups[label].rows, label, [told]


def _of_one_size(found: RangeFamily, groups: Sequence[SizeGroup], wanted: str | None) -> tuple[Rows, str, list[str]]:
    if len(groups) == 1:
        return groups[0].rows, found.label, []
    taken = next((group for group in groups if group.label == wanted), groups[0])
    others = ", ".join(
        f"{group.label!r} ({len(group.rows)})" for group in [g for g in groups if g is not taken][:_OFFERED]
    )
    told = [f"steps of other sizes are left out: {others}: --step-range takes them"]
    if wanted is not None:
        told.insert(0, f"{taken.label!r} are taken, since the other trace has steps of that size too")
    return taken.rows, taken.label, told


def _renamed(analysis: Analysis, family: Rows, steps: Rows, label: str) -> Analysis:
    """The trace with these ranges, and no others, as steps called ``label``. What is known of its launches is kept.
    ``family``: the steps, and those left out. Others of that name lie inside them, or on another thread."""
    timeline = analysis.timeline
    called = rows_called(timeline, label) if "*" not in label and "?" not in label else np.empty(0, np.int64)
    if len(family) == len(called) == len(steps) and set(called.tolist()) == set(steps.tolist()):
        return analysis
    strings = (*timeline.strings, f"{label}{_INSIDE}", f"{label}{LEFT_OUT}", label)
    name = timeline.ranges.name.copy()
    for place, rows in enumerate((called, family, steps)):  # a later one has the last word
        name[rows] = len(timeline.strings) + place
    return with_timeline(analysis, replace(timeline, strings=strings, ranges=replace(timeline.ranges, name=name)))


def _inferred(analysis: Analysis, whose: tuple[str, ...]) -> Taken:
    found = inferred_steps(analysis) if len(analysis.timeline.kernels) else None
    if found is None:
        known = "its kernels do not repeat" if len(analysis.timeline.kernels) else "without kernels none are inferred"
        raise RecordError(f"no steps are found in it: {offered(analysis)}, and {known}: {HOW_TO_RECORD}")
    start, end, thread = found
    analysis = _with_added(analysis, start, end, max(thread, 0), INFERRED)
    rows = rows_called(analysis.timeline, INFERRED)
    kept, told = without_first(analysis, rows, rows)
    told += long_ones(analysis, kept, rows)
    note = "the steps are inferred: the trace names none, and its kernels repeat so often in one order"
    made = _renamed(analysis, rows, kept, INFERRED)
    return Taken(made, INFERRED, _steps_text(INFERRED, len(kept), len(rows)), (*whose, note, *told), inferred=True)


def _whole_trace(analysis: Analysis, whose: tuple[str, ...]) -> Taken:
    timeline = analysis.timeline
    start, end = (np.array([time], np.int64) for time in extent(timeline))
    call = analysis.launch[analysis.launch >= 0]
    spans = timeline.calls.thread[call] if len(call) else timeline.operators.thread
    thread = int(np.bincount(spans).argmax()) if len(spans) else 0
    note = "the whole trace is taken as one step, so nothing shows how steps vary"
    return Taken(_with_added(analysis, start, end, thread, WHOLE), WHOLE, "the whole trace as one step", (*whose, note))


def _with_added(analysis: Analysis, start: Rows, end: Rows, thread: int, name: str) -> Analysis:
    """The trace with ranges of our own, in a lane of their own."""
    timeline, ranges = analysis.timeline, analysis.timeline.ranges
    strings = (*timeline.strings, name, "")
    count, lane = len(start), int(ranges.lane.max(initial=-1)) + 1
    added = {
        "start": start,
        "end": end,
        "thread": thread,
        "name": len(strings) - 2,
        "domain": len(strings) - 1,
        "lane": lane,
    }
    columns = {
        column: np.concatenate((getattr(ranges, column), np.broadcast_to(np.asarray(value), count)))
        for column, value in added.items()
    }
    threads = timeline.threads
    if not len(threads):
        threads = type(threads).build(process=[0], pid=[-1], tid=[-1])
    return with_timeline(analysis, replace(timeline, strings=strings, threads=threads, ranges=Spans.build(**columns)))
