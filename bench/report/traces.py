"""The explanation of two traces: in a terminal, short or with its tables (the lines as recorded, the causes on real
time, what removing each would save); and as JSON, in the form of a run's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.analysis.ledger.closure import Line
from bench.analysis.replay.diagnosis import Diagnosis
from bench.analysis.statistics import Estimate
from bench.analysis.traces.findings import FIRST
from bench.analysis.traces.pair import Timed, TracePair
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.analysis.traces.taken import Taken
from bench.record import causes as c

from . import units
from .answer_json import balance_document, causes_document
from .answer_traces import TracesAsked, answer, basis
from .content import Answer, Cell, Column, Table, Tone, table
from .lines import Shared, interval, lines_table, share_cell, share_note, shared, source_document, sources_table
from .short import SAME_WITH_V, Passage, answer_passages, line, print_passages
from .terminal import print_answer, print_finding_line, print_table

# In a cell; the note says by what.
INFLATED = "inflated"
# Copies that take less of a step than this are in the JSON, and not worth a line.
_LEAST_COPIED = 0.01
# What goes where not all has room: notes before warnings, and all of them before the answer.
_WARNING, _TAKEN, _TIMES, _NOTE = 4, 9, 10, 11


def recorded_table(found: Recorded) -> Table:
    """Every line as recorded; a difference only where recording does not decide it."""
    columns = (
        Column("Line"),
        Column("Reference", right=True),
        Column("Candidate", right=True),
        Column("Difference", right=True),
        Column("95 % interval", right=True),
    )
    rows = [_recorded_row(line) for line in sorted(found.lines, key=_place)]
    wall = [f"{ms:.4f}" for ms in found.wall_ms]
    rows.append(("recorded step", *(Cell(ms, "muted") for ms in wall), Cell(INFLATED, "muted"), units.ABSENT))
    note = (
        f"What is {INFLATED} by the profiler is in no difference and in no order. Intervals: the steps' variation, and "
        "an assumed one between processes; for lines that recording is in, with the most that can be."
    )
    return table("As recorded, ms per step", columns, rows, note)


def _place(line: RecordedLine) -> tuple[bool, float, int]:
    """By the size of the difference; what is inflated last, in the order of the ledger."""
    hidden = line.inflated and not line.sure
    return hidden, 0.0 if hidden else -abs(line.delta_ms), c.CAUSES.index(line.cause)


def _recorded_row(line: RecordedLine) -> tuple[Cell | str, ...]:
    both = tuple(units.decimals(ms, 4) for ms in (line.reference_ms, line.scheme_ms))
    if line.inflated and not line.sure:
        return (line.cause, *(Cell(ms, "muted") for ms in both), Cell(INFLATED, "muted"), units.ABSENT)
    return (line.cause, *both, _delta(line.delta_ms, line.sure), interval(line.low, line.high))


def _delta(ms: float, sure: bool) -> Cell:
    tone: Tone = ("bad" if ms > 0 else "good") if sure else ""
    return Cell(units.fixed(ms, 4), tone)


def causes_table(timed: Timed) -> Table | None:
    """The one accounting: all causes add up to the difference exactly."""
    columns = (
        Column("Cause"),
        Column("Costs ms", right=True),
        Column("95 % interval", right=True),
        Column("Work ms", right=True, detail=True),
        Column("Host ms", right=True, detail=True),
        Column("Share", right=True),
    )
    rows = [_cause(one) for one in shared(timed.causes, timed.verdict)]
    note = (
        f"ms per {timed.unit}. Work that only one of the two does takes along the host's time that leads to it. All "
        f"together are the difference exactly; coloured where sure. {share_note(timed.causes)}"
    )
    return table("Causes", columns, rows, note) if rows else None


def _cause(one: Shared) -> tuple[Cell | str, ...]:
    cause = one.cause
    work, host = (units.ABSENT if part is None else units.fixed(part, 4) for part in (cause.work_ms, cause.host_ms))
    return (
        c.LABELS[cause.cause], _delta(cause.delta_ms, cause.sure), interval(cause.low, cause.high), work, host,
        share_cell(one),
    )  # fmt: skip


def savings_table(found: Diagnosis) -> Table | None:
    """What a replay predicts for each cause alone as in the reference."""
    columns = (Column("Cause"), Column("Saves ms", right=True), Column("95 % interval", right=True))
    rows = [
        (
            c.LABELS[cost.cause], _delta(cost.mean * 1e-6, cost.sure),
            units.ABSENT if cost.reach is None
            else interval((cost.mean - cost.reach) * 1e-6, (cost.mean + cost.reach) * 1e-6),
        )
        for cost in found.costs
    ]  # fmt: skip
    note = (
        "Predicted: each cause alone set to what it is in the reference, and the candidate replayed. These overlap "
        "and need not add up. With all of them the replay misses the reference by "
        f"{units.fixed(found.rest * 1e-6, 4)} ms, which is in every interval."
    )
    if found.uniform is not None:
        note += (
            f" Everything takes ×{found.uniform:.2f}: that is a slower (or faster) machine, a clock or a neighbour, "
            "and no cause of its own."
        )
    return table("Predicted savings, by replay", columns, rows, note) if rows else None


def print_traces_short(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken], console: Console) -> None:
    """At most 25 lines. That the two are not of the same thing is said before any number."""
    first_screen = answer(pair, asked)
    first = [Passage(partial(print_finding_line, each)) for each in pair.findings if each.code in FIRST]
    others = [each for each in pair.findings if each.code not in FIRST]
    parts = [
        *first,
        *answer_passages(first_screen),
        *(Passage(partial(print_finding_line, each), _WARNING, each.severity) for each in others),
        *(line(text, _TAKEN, style="dim") for text in _taken_lines(asked, taken)),
        *([line(first_screen.note, _TIMES, "line on the times", style="dim")] if pair.timed is None else []),
        *(line(text, _NOTE, "note", style="dim") for text in (*_note_lines(asked, taken, pair), *_unknown(pair))),
    ]
    tables = "The lines as recorded" if pair.timed is None else "Ledger, causes, predicted savings, idle time"
    print_passages(parts, console, f"{tables}: {SAME_WITH_V}")


def print_traces(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken], console: Console) -> None:
    """All of it."""
    first_screen = answer(pair, asked)
    for finding in pair.findings:
        if finding.code in FIRST:
            print_finding_line(finding, console)  # before any number: it says what the numbers are of
    print_answer(first_screen, console)
    for text in (*_taken_lines(asked, taken), *_note_lines(asked, taken, pair)):
        console.print(Text(text, style="dim"))
    for found in _tables(pair, asked, first_screen, console):
        if found is not None:
            print_table(found, console)
    for text in _unknown(pair):
        console.print(Text(text, style="dim"))
    for finding in pair.findings:
        if finding.code not in FIRST:
            print_finding_line(finding, console)


def _tables(pair: TracePair, asked: TracesAsked, first_screen: Answer, console: Console) -> list[Table | None]:
    timed = pair.timed
    if timed is None:
        console.print(Text(first_screen.note, style="dim"))
        return [recorded_table(pair.recorded)]
    title = f"Ledger: {asked.reference} → {asked.candidate}"
    note = f"ms per {timed.unit}. {basis(timed, pair)}"
    return [
        lines_table(title, "Reference", "Candidate", timed.closed, note, timed.unit),
        causes_table(timed),
        None if timed.diagnosis.refused else savings_table(timed.diagnosis),
        sources_table("Idle time", timed.sources),
    ]


def _taken_lines(asked: TracesAsked, taken: Sequence[Taken]) -> Iterator[str]:
    """What of each trace is explained, and its versions and hardware."""
    for name, item in zip((asked.reference, asked.candidate), taken, strict=True):
        facts = "; ".join(f"{what} {value}" for what, value in item.analysis.timeline.facts)
        yield f"{name}: {item.said}." + (f" {facts}." if facts else "")


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


def traces_document(pair: TracePair, asked: TracesAsked, taken: Sequence[Taken]) -> dict[str, Any]:
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
                "taken": [_taken(item) for item in taken],
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
        "sources": [source_document(part) for part in timed.sources],
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
    sure = not line.inflated or line.sure
    return {
        "cause": line.cause, "reference_ms": line.reference_ms, "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms if sure else None, "ci": [line.low, line.high] if sure else None,
        "inflated": line.inflated,
    }  # fmt: skip
