"""``python -m bench explain``: the ledger of a run, or of any two traces."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.explain import Explanation, explain
from bench.analysis.hardware import unlike_parts
from bench.analysis.held_lines import classified
from bench.analysis.ledger import phases
from bench.commandline import MILLISECONDS
from bench.record.errors import RecordError, UsageError
from bench.record.suggested import quoted
from bench.report.content import Commands
from bench.report.overview import not_measured
from bench.report.visible import dumps
from bench.verbs.planned import commands, plan_of
from bench.verbs.report import asked_reference
from bench.verbs.shared_options import (
    STEP_OPTIONS,
    add_choices,
    add_step_options,
    add_verbose,
    chosen,
    refuse,
    refuse_choices,
)

# What only two traces need, and what only JSON does, is imported where it is needed: a run must not wait for it.
if TYPE_CHECKING:
    from bench.analysis.traces.pair import TracePair
    from bench.analysis.traces.taken import Taken
    from bench.report.answer_traces import TracesAsked

# A sweep over unlike nodes is told of so many kinds of hardware without -v.
MOST_HARDWARE = 3
EXAMPLES = """
explain reports/runs/mine
explain reports/runs/mine --scheme nf4 --batch-size 8
explain reports/runs/mine --phase prefill
explain --reference fp16.sqlite --candidate nf4.sqlite
explain --reference a.json.gz --candidate b.json.gz --step-range 'execute_*' --json
explain --reference a.sqlite --candidate b.sqlite --reference-time 16 --candidate-time 20
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("run", type=Path, nargs="?", help="run folder")
    add("--reference", metavar="A", help="a trace (nsys SQLite or Kineto JSON); with a run folder: a scheme")
    add("--candidate", type=Path, metavar="B", help="the trace to explain")
    unprofiled = "ms per step of this trace's steps without a profiler (default: that of the run folder it lies in)"
    add("--reference-time", type=MILLISECONDS, metavar="MS", help=unprofiled)
    add("--candidate-time", type=MILLISECONDS, metavar="MS", help=unprofiled)
    add("--reference-range", metavar="NAME", help="the same, of the reference alone")
    add("--candidate-range", metavar="NAME", help="the same, of the candidate alone")
    add_step_options(parser)
    of_call = "of a run, what of a call: decode steps (default), or prefill, the pass over the prompt"
    add("--phase", choices=(phases.DECODE.name, phases.PREFILL.name), help=of_call)
    add("--json", action="store_true", help="as JSON")
    add_choices(parser)
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Print why."""
    if options.candidate is not None:
        return explain_two(options)
    if options.reference_time is not None or options.candidate_time is not None:
        raise UsageError("--reference-time and --candidate-time are of two traces: a run has times of its own")
    if options.run is None:
        raise UsageError("give a run folder, or two traces with --reference A --candidate B")
    refuse(options, STEP_OPTIONS, "it is of two traces: a run's steps are those that it observed")
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    found, next_, several = explained(options)
    if options.json:
        from bench.report.sections.order import run_document

        print(dumps(run_document(found, next_, several=several)))
    else:
        _print_run(found, next_, options, several=several)
    return 0


def explained(options: argparse.Namespace) -> tuple[dict[str, Explanation], Commands, bool]:
    """The explanations by hardware, what may be typed next, and whether the run has several kinds of hardware.

    Raises RecordError for a folder without Records, or without a scheme to compare; UsageError for a choice that is not
    there.
    """
    records = classified(options.run, options.read_timeline).records
    if not records:
        if options.run.is_file():
            two = quoted("explain --reference A --candidate", options.run)
            raise RecordError(f"{options.run} holds no records: of a trace give the one to compare with too, {two}")
        raise RecordError(f"{options.run} holds no records yet: run {quoted('run --out', options.run)}")
    planned = plan_of(options.run)
    reference = asked_reference(options.reference, records) or planned.reference
    # A sweep over unlike nodes is explained once per hardware, because no ledger may run from one to another.
    parts = unlike_parts(records)
    by_hardware = {part.name: explain(part.records, reference=reference, asked=planned.asked) for part in parts}
    found = {name: each for name, each in by_hardware.items() if each.pairs}
    if not found:
        untimed = " ".join(line.sentence for line in not_measured(records))
        why = f" ({untimed.rstrip('.')})" if untimed else ""
        raise RecordError(
            f"{options.run} holds no scheme beside an unquantised one{why}: measure fp16 and another scheme"
        )
    found, next_ = chosen(found, options), commands(options.run, records, planned.preset, options.reference)
    if getattr(options, "phase", None) == phases.PREFILL.name:
        found = {name: each.prefill for name, each in found.items() if each.prefill and each.prefill.pairs}
        if not found:
            raise RecordError(
                f"{options.run} holds no two schemes with a time to first token: measure fp16 and another"
            )
    return found, next_, len(by_hardware) > 1


def _print_run(
    found: Mapping[str, Explanation], commands: Commands, options: argparse.Namespace, *, several: bool
) -> None:
    from rich.text import Text

    from bench.report.console import console as make_console
    from bench.report.short import MOST_LINES

    shown = list(found.items()) if options.verbose else list(found.items())[:MOST_HARDWARE]
    for place, (name, each) in enumerate(shown, 1):
        if several:
            make_console().print(Text(f"On {name}", style="bold underline"))
        if options.verbose:
            _print(each, commands)
        else:
            left = len(found) - len(shown)
            lacking = [f"{left} more kinds of hardware"] if left else []
            rest = [*lacking, *_longer(each)] if place == len(shown) else []
            _print_short(each, commands, MOST_LINES // len(shown) - several, rest)


def _longer(found: Explanation) -> list[str]:
    """What an explanation has beside its short form."""
    others = [] if found.phase is phases.PREFILL else ["energy", "hypotheses", "every remedy with its code"]
    return ["ledger", *others]


def _print_short(found: Explanation, commands: Commands, most: int, rest: Sequence[str]) -> None:
    """``most``: so many lines of it; ``rest``: what else there is, to be named at its end."""
    from bench.report.answer import answer
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, print_brief

    left = ", ".join(rest)
    last = f"{left[0].upper()}{left[1:]}: {SAME_WITH_V}" if rest else ""
    print_brief(answer(found, commands), (), found.findings, make_console(), last, most=most)


def _print(found: Explanation, commands: Commands) -> None:
    from bench.report.answer import answer
    from bench.report.console import console as make_console
    from bench.report.sections.order import SECTIONS
    from bench.report.terminal import print_answer, print_finding_line, print_section

    console = make_console()
    first_screen = answer(found, commands)
    if first_screen is not None:
        print_answer(first_screen, console)
    for entry in SECTIONS:
        section = entry.why and entry.why(found)
        if section:
            print_section(section, console)
    for finding in found.findings:
        print_finding_line(finding, console)


def explain_two(options: argparse.Namespace) -> int:
    """Print why one trace's steps take longer than the other's."""
    from bench.report.traces import print_traces, print_traces_short, traces_document

    pair, asked, taken = explained_traces(options)
    if options.json:
        print(dumps(traces_document(pair, asked, taken)))
        return 0
    from bench.report.console import console as make_console

    (print_traces if options.verbose else print_traces_short)(pair, asked, taken, make_console())
    return 0


def explained_traces(options: argparse.Namespace) -> tuple[TracePair, TracesAsked, Sequence[Taken]]:
    """What the two traces say, how they were asked for, and what was taken of each. Raises UsageError for options that
    contradict each other, RecordError for a trace that cannot be read or has no steps."""
    from bench.analysis.traces.pair import explain_traces
    from bench.report.answer_traces import TracesAsked
    from bench.verbs.opened import AskedTrace, opened, options_again

    if options.run is not None:
        raise UsageError("give either a run folder or two traces, not both")
    refuse_choices(options)
    refuse(options, ("phase",), "it is of a run: of two traces name the range of one prefill with --step-range")
    if options.reference is None:
        raise UsageError("--candidate needs --reference: the trace to set it against")
    if options.reference_range and options.candidate_range:
        refuse(options, ("step_range",), "both traces have a range of their own: leave it, or one of theirs, out")
    paths = Path(options.reference), options.candidate
    times = options.reference_time, options.candidate_time
    ranges = options.reference_range, options.candidate_range
    both = opened(options, [AskedTrace(*each) for each in zip(paths, times, ranges, strict=True)])
    pair = explain_traces(both[0][0], both[1][0])
    taken = both[0][1], both[1][1]
    again = (
        tuple(options_again(options, single=each, period=taken[0].period, rank=taken[1].rank, size=taken[1].size))
        for each in (False, True)
    )
    return pair, TracesAsked(*_short(*paths), *paths, *again), taken


def _short(reference: Path, candidate: Path) -> tuple[str, str]:
    """File names, or where they are the same, their folders' names too."""
    if reference.name != candidate.name or reference.resolve() == candidate.resolve():
        return reference.name, candidate.name
    one, other = reference.resolve(), candidate.resolve()
    return f"{one.parent.name}/{reference.name}", f"{other.parent.name}/{candidate.name}"
