"""``python -m bench explain --reference A --candidate B``: two traces that anyone made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.ledger.closure import Line
from bench.analysis.statistics import Estimate
from bench.analysis.traces.findings import UNLIKE
from bench.analysis.traces.pair import Timed, TracePair, explain_traces
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.analysis.traces.taken import Taken
from bench.record.errors import UsageError
from bench.report.answer_traces import TracesAsked
from bench.report.content import Table
from bench.report.visible import dumps, visible
from bench.verbs.answer_json import balance_document, causes_document
from bench.verbs.choosing import refuse_choices
from bench.verbs.opened import opened, options_again


def main(options: argparse.Namespace) -> int:
    """Print why one trace's steps take longer than the other's."""
    if options.run is not None:
        raise UsageError("give either a run folder or two traces, not both")
    refuse_choices(options)
    if options.reference is None:
        raise UsageError("--candidate needs --reference: the trace to set it against")
    paths = Path(options.reference), options.candidate
    times = options.reference_time, options.candidate_time
    ranges = options.reference_range, options.candidate_range
    both = [opened(options, *each) for each in zip(paths, times, ranges, strict=True)]
    pair = explain_traces(both[0][0], both[1][0])
    asked = TracesAsked(
        *_short(*paths), *paths, tuple(options_again(options)), tuple(options_again(options, single=True))
    )
    told = both[0][1], both[1][1]
    if options.json:
        print(dumps(document(pair, asked, told)))
    else:
        _print(pair, asked, told)
    return 0


def _print(pair: TracePair, asked: TracesAsked, told_of: Sequence[Taken]) -> None:
    from rich.text import Text

    from bench.report import tables_traces
    from bench.report.answer_traces import answer, basis
    from bench.report.console import console as make_console
    from bench.report.sections import tables_ledger
    from bench.report.terminal import print_answer, print_finding_line, print_table

    console = make_console()
    names = asked.reference, asked.candidate
    told = answer(pair, asked)
    for finding in pair.findings:
        if finding.code == UNLIKE:
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
            tables_ledger.lines(
                f"Ledger: {names[0]} → {names[1]}", "Reference", "Candidate", pair.timed.closed, note, pair.timed.unit
            ),
            tables_traces.causes(pair.timed),
            None if pair.timed.diagnosis.refused else tables_traces.savings(pair.timed.diagnosis),
            tables_ledger.sources("Idle time", pair.timed.sources),
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
        if finding.code != UNLIKE:
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
    if reference.name != candidate.name:
        return reference.name, candidate.name
    return f"{reference.parent.name}/{reference.name}", f"{candidate.parent.name}/{candidate.name}"


def document(pair: TracePair, asked: TracesAsked, told: Sequence[Taken]) -> dict[str, Any]:
    """Two traces' explanation as JSON, in the form of a run's. What is not known is null, or an empty list."""
    timed = pair.timed
    return {
        "pairs": [
            {
                "model": None,
                "device": pair.device,
                "reference": str(asked.reference_path),
                "scheme": str(asked.candidate_path),
                "steps": list(pair.steps),
                "taken": [_taken(item) for item in told],
                "copies": [[vars(line) for line in lines] for lines in pair.copies],
                **(_no_time(pair) if timed is None else _timed(timed)),
                "recorded": _recorded(pair.recorded),
                "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
            }
        ],
        "energy": [],
        "hypotheses": [],
        "remedies": [],
        "findings": [vars(finding) for finding in pair.findings],
    }


def _taken(item: Taken) -> dict[str, Any]:
    return {
        "steps": item.step_range,
        "said": item.said,
        "notes": list(item.notes),
        "inferred": item.inferred,
        "facts": dict(item.analysis.timeline.facts),
    }


def _no_time(pair: TracePair) -> dict[str, Any]:
    return {
        "verdict": pair.recorded.verdict, "ratio": None, "times": None, "answer_of_run": None,
        "times_missing": f"no time is known {pair.missing}",
        "unit": "step", "wall_ms": None, "delta_ms": None, "delta_ci": None, "lines": [],
        "lost_ms": None, "won_ms": None, "causes": [],
        "unexplained_ms": None, "predicted_savings": [], "predicted_missed_ms": None, "played": None, "refused": None,
        "uniform_factor": None, "sources": [],
    }  # fmt: skip


def _timed(timed: Timed) -> dict[str, Any]:
    closed, found = timed.closed, timed.diagnosis
    return {
        "verdict": timed.verdict,
        "ratio": _ratio(timed.ratio, timed.seen),
        "times": [{"ms": time.seconds * 1e3, "said": time.said} for time in timed.times],
        "times_missing": None,
        "answer_of_run": timed.run or None,
        "unit": timed.unit,
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
        "lines": [_line(line) for line in closed.lines],
        "unexplained_ms": closed.unexplained_ms if closed.lines else None,
        **balance_document(timed.causes),
        "causes": causes_document(timed.causes),
        "predicted_savings": [
            {
                "cause": cost.cause, "ms": cost.mean * 1e-6, "sure": cost.sure,
                "ci": None if cost.reach is None
                else [(cost.mean - cost.reach) * 1e-6, (cost.mean + cost.reach) * 1e-6],
            }
            for cost in found.costs
        ],
        "predicted_missed_ms": None if found.refused else found.rest * 1e-6,
        "played": found.played or None,
        "refused": found.refused or None,
        "uniform_factor": found.uniform,
        "sources": [{**vars(part), "delta_ms": part.delta_ms} for part in timed.sources],
    }  # fmt: skip


def _ratio(ratio: Estimate, seen: bool) -> dict[str, Any]:
    return {
        "value": ratio.value, "ci": [ratio.low, ratio.high], "basis": ratio.basis,
        "assumed": None if seen else "how much processes differ",
    }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause, "reference_ms": line.reference_ms, "scheme_ms": line.scheme_ms, "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
    }  # fmt: skip


def _recorded(found: Recorded) -> dict[str, Any]:
    return {
        "wall_ms": {"reference": found.wall_ms[0], "scheme": found.wall_ms[1]},
        "at_least_ms": {"reference": found.floor_ms[0], "scheme": found.floor_ms[1]},
        "ratio_between": [found.low, found.high],
        "lines": [_recorded_line(line) for line in found.lines],
    }


def _recorded_line(line: RecordedLine) -> dict[str, Any]:
    told = not line.inflated or line.sure
    return {
        "cause": line.cause, "reference_ms": line.reference_ms, "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms if told else None, "ci": [line.low, line.high] if told else None,
        "inflated": line.inflated,
    }  # fmt: skip
