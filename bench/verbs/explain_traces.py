"""``python -m bench explain --reference A --candidate B``: two traces that anyone made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.analysis.traces.findings import FIRST
from bench.analysis.traces.pair import TracePair, explain_traces
from bench.analysis.traces.taken import Taken
from bench.record.errors import UsageError
from bench.report.answer_traces import TracesAsked
from bench.report.content import Table
from bench.report.traces_json import document
from bench.report.visible import dumps, visible
from bench.verbs.choosing import refuse_choices
from bench.verbs.opened import AskedTrace, opened, options_again
from bench.verbs.stray import refuse


def main(options: argparse.Namespace) -> int:
    """Print why one trace's steps take longer than the other's."""
    pair, asked, told = explained_traces(options)
    if options.json:
        print(dumps(document(pair, asked, told)))
    else:
        _print(pair, asked, told)
    return 0


def explained_traces(options: argparse.Namespace) -> tuple[TracePair, TracesAsked, Sequence[Taken]]:
    """What the two traces say, how they were asked for, and what was taken of each. Raises UsageError for options that
    contradict each other, RecordError for a trace that cannot be read or has no steps."""
    if options.run is not None:
        raise UsageError("give either a run folder or two traces, not both")
    refuse_choices(options)
    if options.reference is None:
        raise UsageError("--candidate needs --reference: the trace to set it against")
    if options.reference_range and options.candidate_range:
        refuse(options, ("step_range",), "both traces have a range of their own: leave it, or one of theirs, out")
    paths = Path(options.reference), options.candidate
    times = options.reference_time, options.candidate_time
    ranges = options.reference_range, options.candidate_range
    both = opened(options, [AskedTrace(*each) for each in zip(paths, times, ranges, strict=True)])
    pair = explain_traces(both[0][0], both[1][0])
    told = both[0][1], both[1][1]
    again = (
        tuple(options_again(options, single=each, period=told[0].period, rank=told[1].rank, size=told[1].size))
        for each in (False, True)
    )
    return pair, TracesAsked(*_short(*paths), *paths, *again), told


def _print(pair: TracePair, asked: TracesAsked, told_of: Sequence[Taken]) -> None:
    from rich.text import Text

    from bench.report import tables_traces
    from bench.report.answer_traces import answer, basis
    from bench.report.console import console as make_console
    from bench.report.lines import lines_table, sources_table
    from bench.report.terminal import print_answer, print_finding_line, print_table

    console = make_console()
    names = asked.reference, asked.candidate
    told = answer(pair, asked)
    for finding in pair.findings:
        if finding.code in FIRST:
            print_finding_line(finding, console)  # before any number: it says what the numbers are of
    print_answer(told, console)
    for line in _taken_lines(names, told_of, pair):
        console.print(Text(visible(line), style="dim"))
    if pair.timed is None:
        tables: list[Table | None] = [tables_traces.recorded(pair.recorded)]
        console.print(Text(told.note, style="dim"))
    else:
        note = f"ms per {pair.timed.unit}. {basis(pair.timed, pair)}"
        tables = [
            lines_table(
                f"Ledger: {names[0]} → {names[1]}", "Reference", "Candidate", pair.timed.closed, note, pair.timed.unit
            ),
            tables_traces.causes(pair.timed),
            None if pair.timed.diagnosis.refused else tables_traces.savings(pair.timed.diagnosis),
            sources_table("Idle time", pair.timed.sources),
        ]
    for table in tables:
        if table is not None:
            print_table(table, console)
    if pair.unknown:
        named = "; ".join(f"{name} {share:.0%}" for name, share in pair.unknown)
        console.print(
            Text(visible(f"Not known, so in other: {named}. Rules of your own: --classes FILE."), style="dim")
        )
    for finding in pair.findings:
        if finding.code not in FIRST:
            print_finding_line(finding, console)


# Copies that take less of a step than this are in the JSON, and not worth a line.
_LEAST_COPIED = 0.01


def _taken_lines(names: tuple[str, str], found: Sequence[Taken], pair: TracePair) -> Iterator[str]:
    """What of each trace is explained, its versions and hardware, its copies, what was left out or assumed."""
    for name, item, lines, wall in zip(names, found, pair.copies, pair.recorded.wall_ms, strict=True):
        copies = [line for line in lines if line.ms >= _LEAST_COPIED * wall]
        told = "; ".join(f"{what} {value}" for what, value in item.analysis.timeline.facts)
        yield f"{name}: {item.said}." + (f" {told}." if told else "")
        yield from (f"{name}: copies per step: {line.said}." for line in copies)
        yield from (f"{name}: {note}." for note in item.notes)


def _short(reference: Path, candidate: Path) -> tuple[str, str]:
    """File names, or where they are the same, their folders' names too."""
    if reference.name != candidate.name or reference.resolve() == candidate.resolve():
        return reference.name, candidate.name
    one, other = reference.resolve(), candidate.resolve()
    return f"{one.parent.name}/{reference.name}", f"{other.parent.name}/{candidate.name}"
