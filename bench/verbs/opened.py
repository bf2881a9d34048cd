"""Opens the traces that a user gives: one rank's steps of each, found where the user does not say which."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis.ledger.class_table import Rule
from bench.analysis.ledger.user_rules import user_rules
from bench.analysis.timeline import Analysis
from bench.analysis.traces.logits import with_chosen_tokens
from bench.analysis.traces.pair import Trace
from bench.analysis.traces.periods import as_periods, with_periods
from bench.analysis.traces.ranks import common_rank
from bench.analysis.traces.recorded import origin_of
from bench.analysis.traces.sizes import common_size
from bench.analysis.traces.taken import Taken, Wanted, taken
from bench.record.errors import UsageError
from bench.record.timeline import about


@dataclass(frozen=True)
class AskedTrace:
    """A file; ``time_ms`` of its steps without a profiler and ``own_range``, their name, where given for it alone."""

    path: Path
    time_ms: float | None = None
    own_range: str | None = None


def opened(options: argparse.Namespace, asked: Sequence[AskedTrace]) -> list[tuple[Trace, Taken]]:
    """The traces, read in one way, and what of each was taken.

    Raises RecordError, naming the file, for one that cannot be read or has no such steps; UsageError for options that
    contradict each other.
    """
    if options.steps == "whole" and any(each.own_range or options.step_range for each in asked):
        raise UsageError("--steps whole takes all of a trace: leave out the name of a range")
    analyses = [Analysis(options.read_timeline(each.path), rules_of(options)) for each in asked]
    likely = common_rank([analysis.timeline for analysis in analyses])
    beside = len(asked) > 1
    known = list(zip(asked, analyses, likely, strict=True))
    found = [_taken(options, *each, beside=beside) for each in known]
    sizes = common_size(found[0][1].sizes, found[1][1].sizes) if beside else None
    if sizes is not None:
        found = [_taken(options, *each, beside=beside, size=size) for each, size in zip(known, sizes, strict=True)]
    return _from_start_to_start(options, found)


def _taken(
    options: argparse.Namespace,
    asked: AskedTrace,
    analysis: Analysis,
    likely: int | None,
    *,
    beside: bool,
    size: str | None = None,
) -> tuple[Trace, Taken]:
    name = asked.own_range or options.step_range
    own = name is None and origin_of(asked.path).origin is not None
    wanted = Wanted(name, options.steps == "whole", options.rank, options.device, likely, beside, size)
    with about(asked.path):
        found = taken(analysis, wanted, own=own)
        found = found if own else with_chosen_tokens(found)
    return Trace(asked.path, found.analysis, asked.time_ms, found.step_range), found


def _from_start_to_start(options: argparse.Namespace, both: list[tuple[Trace, Taken]]) -> list[tuple[Trace, Taken]]:
    """The traces with steps from start to start where the user says so, or where their ranges leave time between them
    and nobody chose a range. Traces of runs, whose steps are known, stay as they are."""
    found = [taken for _, taken in both]
    if options.steps == "period":
        found = [as_periods(taken) for taken in found]
        for trace, taken in zip((trace for trace, _ in both), found, strict=True):
            if not taken.period:
                raise UsageError(f"{trace.path}: no step in it is followed by another: leave out --steps period")
    elif options.steps == "found" and not any(_chosen(options, *each) for each in both):
        found = with_periods(found, [trace.time_ms for trace, _ in both])
    pairs = zip(both, found, strict=True)
    return [(replace(trace, analysis=taken.analysis), taken) for (trace, _), taken in pairs]


def _chosen(options: argparse.Namespace, trace: Trace, taken: Taken) -> bool:
    names = (options.step_range, getattr(options, "reference_range", None), getattr(options, "candidate_range", None))
    return any(names) or taken.inferred or origin_of(trace.path).origin is not None


def rules_of(options: argparse.Namespace) -> tuple[Rule, ...]:
    """The user's rules; () where there are none."""
    return user_rules(options.classes) if options.classes is not None else ()


def options_again(
    options: argparse.Namespace,
    *,
    single: bool = False,
    period: bool = False,
    rank: int | None = None,
    size: str | None = None,
) -> list[str]:
    """The same options for a suggested command. ``single``: for a command on the candidate alone, of which ``rank`` and
    steps of ``size`` were taken, perhaps for what the reference shows; ``period``: steps were taken to the start of the
    next."""
    words: list[str] = []
    step_range = (getattr(options, "candidate_range", None) or size) if single else None
    words += ["--step-range", step_range or options.step_range] if step_range or options.step_range else []
    if not single:
        for name in ("reference_range", "candidate_range"):
            value = getattr(options, name, None)
            words += [f"--{name.replace('_', '-')}", value] if value else []
    steps = "period" if period else options.steps
    words += ["--steps", steps] if steps != "found" else []
    for name in ("rank", "device", "classes"):
        value = getattr(options, name)
        value = rank if name == "rank" and single and value is None else value
        words += [f"--{name}", str(value)] if value is not None else []
    return words
