"""``python -m bench explain --reference A --candidate B``: two traces that anyone made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.analysis.traces.pair import TracePair, explain_traces
from bench.analysis.traces.taken import Taken
from bench.record.errors import UsageError
from bench.report.answer_traces import TracesAsked
from bench.report.traces import traces_document
from bench.report.visible import dumps
from bench.verbs.opened import AskedTrace, opened, options_again
from bench.verbs.shared_options import refuse, refuse_choices


def main(options: argparse.Namespace) -> int:
    """Print why one trace's steps take longer than the other's."""
    pair, asked, told = explained_traces(options)
    if options.json:
        print(dumps(traces_document(pair, asked, told)))
    else:
        _print(pair, asked, told, verbose=options.verbose)
    return 0


def explained_traces(options: argparse.Namespace) -> tuple[TracePair, TracesAsked, Sequence[Taken]]:
    """What the two traces say, how they were asked for, and what was taken of each. Raises UsageError for options that
    contradict each other, RecordError for a trace that cannot be read or has no steps."""
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
    told = both[0][1], both[1][1]
    again = (
        tuple(options_again(options, single=each, period=told[0].period, rank=told[1].rank, size=told[1].size))
        for each in (False, True)
    )
    return pair, TracesAsked(*_short(*paths), *paths, *again), told


def _print(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken], *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.traces import print_traces, print_traces_short

    show = print_traces if verbose else print_traces_short
    show(pair, asked, taken, make_console())


def _short(reference: Path, candidate: Path) -> tuple[str, str]:
    """File names, or where they are the same, their folders' names too."""
    if reference.name != candidate.name or reference.resolve() == candidate.resolve():
        return reference.name, candidate.name
    one, other = reference.resolve(), candidate.resolve()
    return f"{one.parent.name}/{reference.name}", f"{other.parent.name}/{candidate.name}"
