"""The lines of a closed ledger, and what its idle time waited for: as tables and as JSON, of runs and of traces; and
the causes of a difference as the first screen lists them: the largest, and all others together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.ledger.accounting import Cause
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import REST, Pair, SourceLine
from bench.analysis.ledger.sharing import Balance, Way, balance, shares, way
from bench.analysis.statistics.assumed import mark
from bench.analysis.statistics.verdict import Verdict
from bench.record import causes as c
from bench.record.causes import CORRECTIONS

from . import units
from .content import Cell, Column, Point, Table, Tone, table

_MOST_SOURCES = 8
MOST = 3


def lines_table(title: str, reference: str, scheme: str, closed: Closed, note: str, unit: str = "token") -> Table:
    """The lines of a closed ledger as a table."""
    columns = (
        Column("Line"),
        Column(f"{reference} ms", right=True),
        Column(f"{scheme} ms", right=True),
        Column("Difference ms", right=True),
        Column("95 % interval", right=True, detail=True),
        Column("Meaning", detail=True),
    )
    rows = [_line(line, c.MEANINGS.get(line.cause, "")) for line in closed.lines]
    rows.append(_line(closed.delta, f"time per {unit}"))
    return table(title, columns, rows, note)


def _line(line: Line, meaning: str) -> tuple[Cell | str, ...]:
    tone: Tone = ("bad" if line.delta_ms > 0 else "good") if line.sure else ""
    return (
        line.cause,
        _ms(line.reference_ms),
        _ms(line.scheme_ms),
        Cell(units.fixed(line.delta_ms, 4), tone),
        interval(line.low, line.high) + mark(line.assumed),
        meaning,
    )


def _ms(value: float) -> str:
    return units.decimals(value, 4)


def interval(low: float | None, high: float | None) -> str:
    """Both bounds with their signs, in ms."""
    return units.ABSENT if low is None or high is None else f"{units.fixed(low, 3)} to {units.fixed(high, 3)}"


def sources_table(title: str, found: Sequence[SourceLine]) -> Table | None:
    """What the idle lines waited for."""
    columns = (
        Column("Line"),
        Column("Range"),
        Column("Waited for"),
        Column("Before ms", right=True, detail=True),
        Column("After ms", right=True, detail=True),
        Column("Difference ms", right=True),
    )
    shown = sorted(found, key=lambda part: -abs(part.delta_ms))[:_MOST_SOURCES]
    rows = [
        (
            part.cause, part.range or "(outside modules)", _waited_for(part), _ms(part.reference_ms),
            _ms(part.scheme_ms), units.fixed(part.delta_ms, 4),
        )
        for part in shown
    ]  # fmt: skip
    note = "Idle time by what was to start next: the range it is in, what launched it, and which line that is."
    return table(title, columns, rows, note) if rows else None


def _waited_for(part: SourceLine) -> str:
    """Both, because one operator may launch work of several lines."""
    return (
        f"{part.operator} ({part.work})" if part.operator and part.work else part.operator or part.work or units.ABSENT
    )


def closed_document(closed: Closed) -> dict[str, Any]:
    """A closed ledger as JSON; all times in ms."""
    return {
        "wall_ms": {"reference": closed.reference_ms, "scheme": closed.scheme_ms},
        "delta_ms": closed.delta.delta_ms,
        "delta_ci": [closed.delta.low, closed.delta.high],
        "delta_assumed": closed.delta.assumed,
        "lines": [_line_document(line) for line in ranked(closed)],
        "unexplained_ms": closed.unexplained_ms,
    }


def ranked(closed: Closed) -> list[Line]:
    """The largest difference first; the corrections last."""
    last = {name: place for place, name in enumerate(CORRECTIONS, 1)}
    return sorted(closed.lines, key=lambda line: (last.get(line.cause, 0), -abs(line.delta_ms)))


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "cause": line.cause,
        "reference_ms": line.reference_ms,
        "scheme_ms": line.scheme_ms,
        "delta_ms": line.delta_ms,
        "ci": [line.low, line.high],
        "assumed": line.assumed,
    }


def source_document(part: SourceLine) -> dict[str, Any]:
    """What one wait was for as JSON."""
    return {**vars(part), "delta_ms": part.delta_ms}


def cause_points(pair: Pair, verdict: Verdict | None) -> tuple[Point, ...]:
    """The largest causes with their evidence, then the others as one: together they are the difference."""
    if not pair.instrument:
        return (Point("Not known", f"{pair.missing[:1].upper()}{pair.missing[1:]}."),)
    causes = shared(pair.causes, verdict)
    points = [_cause(one, pair) for one in causes[:MOST]]
    rest = causes[MOST:]
    return (*points, other_causes(rest, pair.phase.unit)) if rest else tuple(points)


@dataclass(frozen=True)
class Shared:
    """A cause with its share in per cent. ``of``: of what, in words; "" where it is too small a part of what is left
    of all causes to be told."""

    cause: Cause
    percent: int
    of: str


def shared(causes: Sequence[Cause], verdict: Verdict | None) -> list[Shared]:
    """Each cause with its share: of the difference where all causes pull one way, else of what is lost or won."""
    total = balance(causes)
    return [
        Shared(cause, share, _share_text(way(cause), total, verdict))
        for cause, share in zip(causes, shares(causes), strict=True)
    ]


def _share_text(side: Way, total: Balance, verdict: Verdict | None) -> str:
    if total.cancels:
        return f"the {units.number(total.of(side))} ms {_word(side, total)}"
    what = {"SLOWER": "time added", "FASTER": "time saved"}.get(str(verdict), "difference")
    return f"the {what}" if side == total.main else ""


def _word(side: Way, total: Balance) -> str:
    if side == total.main:
        return side
    return "won back" if side == "won" else "lost again"


def balance_text(causes: Sequence[Cause]) -> str:
    """Such as "9.81 ms lost, 6.23 ms won back", of causes that cancel each other in part; else ""."""
    parts = [f"{units.number(abs(ms))} ms {word}" for word, ms in sides(causes)]
    return ", ".join(parts) if len(parts) > 1 else ""


def sides(causes: Sequence[Cause]) -> list[tuple[str, float]]:
    """What all causes together lose and win, by the word for it, with its sign; the side of the difference alone where
    nothing cancels."""
    total = balance(causes)
    ways: list[Way] = [total.main, "won" if total.main == "lost" else "lost"]
    shown = ways if total.cancels else ways[:1]
    return [(_word(side, total), total.of(side) * (1 if side == "lost" else -1)) for side in shown]


def share_cell(one: Shared) -> str:
    """A share within a table, which says below of what it is one."""
    return f"{one.percent} %" if one.of else units.ABSENT


def share_note(causes: Sequence[Cause]) -> str:
    """Of what the shares of a table are."""
    totals = " and ".join(f"{units.number(abs(ms))} ms {word}" for word, ms in sides(causes))
    apart = ", each 100 % by itself" if balance(causes).cancels else ""
    return f"Shares are of the {totals}{apart}."


def cause_title(name: str, ms: float, causes: Sequence[Shared], unit: str = "token") -> str:
    """Such as "Casts: +1.2 ms per token, 12 % of the time added"; of several causes the shares of either side."""
    sums: dict[str, int] = {}
    for one in causes:
        if one.of:
            sums[one.of] = sums.get(one.of, 0) + one.percent
    told_of = {of: percent for of, percent in sums.items() if percent} or sums
    part = " and ".join(f"{percent} % of {of}" for of, percent in told_of.items())
    return f"{name[0].upper()}{name[1:]}: {signed_ms(ms)} per {unit}" + (f", {part}" if part else "")


def of_whole(cause: Cause) -> str:
    """A cause within a sentence."""
    what = "is unexplained" if cause.cause == c.UNEXPLAINED else f"for {c.LABELS[cause.cause]}"
    return f"{signed_ms(cause.delta_ms)} {what}"


def _cause(one: Shared, pair: Pair) -> Point:
    cause, bounds = one.cause, ""
    if cause.low is not None and cause.high is not None:
        bounds = f" 95 % interval{mark(cause.assumed)} {units.signed(cause.low)} to {units.signed(cause.high)} ms."
        chance = " Not sure: of so many causes chance alone makes one look so."
        bounds += "" if cause.sure else chance if cause.by_chance else " Not sure: it holds 0."
    elif cause.basis == "one value":
        bounds = " One value only, so no interval."
    title = cause_title(c.LABELS[cause.cause], cause.delta_ms, [one], pair.phase.unit)
    return Point(title, _evidence(cause, pair) + bounds, sure=cause.sure)


def other_causes(rest: Sequence[Shared], unit: str = "token") -> Point:
    """Of the others the largest by name."""
    causes = [one.cause for one in rest]
    named = sorted(causes, key=lambda cause: -abs(cause.delta_ms))[:MOST]
    text = ", ".join(f"{c.LABELS[cause.cause]} {units.signed(cause.delta_ms)} ms" for cause in named)
    more = f" and {len(rest) - len(named)} smaller" if len(rest) > len(named) else ""
    name = "one more cause" if len(rest) == 1 else f"{len(rest)} more causes together"
    return Point(cause_title(name, sum(cause.delta_ms for cause in causes), rest, unit), f"{text}{more}.")


def _evidence(cause: Cause, pair: Pair) -> str:
    """What kind of work it is with its two parts, or where the idle time comes from."""
    meaning = f"{c.MEANINGS[cause.cause][0].upper()}{c.MEANINGS[cause.cause][1:]}."
    if cause.cause in c.IDLE:
        return _sources(cause, pair) or meaning
    if not cause.host_ms:
        return meaning
    busy = "GPU" if pair.device != "cpu" else "Operators"
    work, host = signed_ms(cause.work_ms or 0.0), signed_ms(cause.host_ms)
    return f"{meaning} {busy} {work}, the host on the way there {host}."


def signed_ms(ms: float) -> str:
    """A difference in ms with its sign."""
    return f"{units.signed(ms)} ms"


def _sources(cause: Cause, pair: Pair) -> str:
    """What most of an idle cause waited for; the waits that another cause has taken along are not its own."""
    sign = 1.0 if cause.delta_ms >= 0 else -1.0
    taken = {other.cause for other in pair.causes if other.cause in c.BUSY and other.host_ms}
    totals: dict[str, float] = {}
    for source in pair.sources:
        own = source.cause == cause.cause and source.work not in taken and source.range != REST
        if own and source.delta_ms * sign > 0:
            name = source.operator or source.range or "what is outside modules"
            totals[name] = totals.get(name, 0.0) + source.delta_ms
    return _mostly(totals)


def _mostly(totals: Mapping[str, float]) -> str:
    named = sorted(totals.items(), key=lambda item: -abs(item[1]))[:2]
    return "Mostly at " + " and ".join(f"{name} ({signed_ms(ms)})" for name, ms in named) + "." if named else ""
