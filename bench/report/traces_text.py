"""The answer of two traces in a terminal: the verdict, why, what to do, what was taken of each; or with all tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.text import Text

from bench.analysis.traces.findings import FIRST
from bench.analysis.traces.pair import TracePair
from bench.analysis.traces.taken import Taken

from . import tables_traces
from .answer_traces import TracesAsked, answer, basis
from .brief import answer_passages
from .content import Answer, Table
from .lines import lines_table, sources_table
from .short import SAME_WITH_V, Passage, line, print_passages
from .terminal import print_answer, print_finding_line, print_table

# Copies that take less of a step than this are in the JSON, and not worth a line.
_LEAST_COPIED = 0.01
# What goes where not all has room: notes before warnings, and all of them before the answer.
_WARNING, _TAKEN, _TIMES, _NOTE = 4, 9, 10, 11


def print_traces_short(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken], console: Console) -> None:
    """At most 25 lines. That the two are not of the same thing is said before any number."""
    told = answer(pair, asked)
    first = [Passage(partial(print_finding_line, each)) for each in pair.findings if each.code in FIRST]
    others = [each for each in pair.findings if each.code not in FIRST]
    parts = [
        *first,
        *answer_passages(told),
        *(Passage(partial(print_finding_line, each), _WARNING, each.severity) for each in others),
        *(line(text, _TAKEN, style="dim") for text in _taken_lines(asked, taken)),
        *([line(told.note, _TIMES, "line on the times", style="dim")] if pair.timed is None else []),
        *(line(text, _NOTE, "note", style="dim") for text in (*_note_lines(asked, taken, pair), *_unknown(pair))),
    ]
    tables = "The lines as recorded" if pair.timed is None else "Ledger, causes, predicted savings, idle time"
    print_passages(parts, console, f"{tables}: {SAME_WITH_V}")


def print_traces(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken], console: Console) -> None:
    """All of it."""
    told = answer(pair, asked)
    for finding in pair.findings:
        if finding.code in FIRST:
            print_finding_line(finding, console)  # before any number: it says what the numbers are of
    print_answer(told, console)
    for text in (*_taken_lines(asked, taken), *_note_lines(asked, taken, pair)):
        console.print(Text(text, style="dim"))
    for table in _tables(pair, asked, told, console):
        if table is not None:
            print_table(table, console)
    for text in _unknown(pair):
        console.print(Text(text, style="dim"))
    for finding in pair.findings:
        if finding.code not in FIRST:
            print_finding_line(finding, console)


def _tables(pair: TracePair, asked: TracesAsked, told: Answer, console: Console) -> list[Table | None]:
    timed = pair.timed
    if timed is None:
        console.print(Text(told.note, style="dim"))
        return [tables_traces.recorded(pair.recorded)]
    title = f"Ledger: {asked.reference} → {asked.candidate}"
    note = f"ms per {timed.unit}. {basis(timed, pair)}"
    return [
        lines_table(title, "Reference", "Candidate", timed.closed, note, timed.unit),
        tables_traces.causes(timed),
        None if timed.diagnosis.refused else tables_traces.savings(timed.diagnosis),
        sources_table("Idle time", timed.sources),
    ]


def _taken_lines(asked: TracesAsked, taken: Sequence[Taken]) -> Iterator[str]:
    """What of each trace is explained, and its versions and hardware."""
    for name, item in zip((asked.reference, asked.candidate), taken, strict=True):
        told = "; ".join(f"{what} {value}" for what, value in item.analysis.timeline.facts)
        yield f"{name}: {item.said}." + (f" {told}." if told else "")


def _note_lines(asked: TracesAsked, taken: Sequence[Taken], pair: TracePair) -> Iterator[str]:
    """Of each trace its copies, and what was left out or assumed."""
    names = asked.reference, asked.candidate
    for name, item, lines, wall in zip(names, taken, pair.copies, pair.recorded.wall_ms, strict=True):
        yield from (f"{name}: copies per step: {one.said}." for one in lines if one.ms >= _LEAST_COPIED * wall)
        yield from (f"{name}: {note}." for note in item.notes)


def _unknown(pair: TracePair) -> Iterator[str]:
    """Kernels of no known class."""
    if pair.unknown:
        named = "; ".join(f"{name} {share:.0%}" for name, share in pair.unknown)
        yield f"Not known, so in other: {named}. Rules of your own: --classes FILE."
