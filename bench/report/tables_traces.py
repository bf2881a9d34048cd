"""Tables of two traces: the lines as recorded, the causes on real time, what removing each would save."""

from __future__ import annotations

from bench.analysis.replay.diagnosis import Diagnosis
from bench.analysis.traces.pair import Timed
from bench.analysis.traces.recorded import Recorded, RecordedLine
from bench.record import causes as c

from . import units
from .content import Cell, Column, Table, Tone, table
from .lines import interval
from .points import Shared, share_cell, share_note, shared

# In a cell; the note says by what.
INFLATED = "inflated"


def recorded(found: Recorded) -> Table:
    """Every line as recorded; a difference only where recording does not decide it."""
    columns = (
        Column("Line"),
        Column("Reference", right=True),
        Column("Candidate", right=True),
        Column("Difference", right=True),
        Column("95 % interval", right=True),
    )
    rows = [_recorded(line) for line in sorted(found.lines, key=_place)]
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


def _recorded(line: RecordedLine) -> tuple[Cell | str, ...]:
    both = tuple(units.decimals(ms, 4) for ms in (line.reference_ms, line.scheme_ms))
    if line.inflated and not line.sure:
        return (line.cause, *(Cell(ms, "muted") for ms in both), Cell(INFLATED, "muted"), units.ABSENT)
    return (line.cause, *both, _delta(line.delta_ms, line.sure), interval(line.low, line.high))


def _delta(ms: float, sure: bool) -> Cell:
    tone: Tone = ("bad" if ms > 0 else "good") if sure else ""
    return Cell(units.fixed(ms, 4), tone)


def causes(timed: Timed) -> Table | None:
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


def savings(found: Diagnosis) -> Table | None:
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
