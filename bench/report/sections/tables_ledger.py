"""Tables of the ledger: lines, sources of idle time, causes, joules."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.assumed import mark
from bench.analysis.baselines import NAMES
from bench.analysis.energy_ledger import EnergyPair, Split
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import Pair, SourceLine
from bench.record import causes as c
from bench.report import units
from bench.report.content import Cell, Column, Table, Tone, drop_uniform, table
from bench.report.points import Shared, share_cell, share_note, shared, sides
from bench.report.words import short_labels

_MOST_SOURCES = 8


def ledger(pair: Pair) -> Table:
    """Every line of one ledger; they add up to the wall times exactly."""
    return lines(f"Ledger: {pair.reference} → {pair.scheme}", pair.reference, pair.scheme, pair.closed, _note(pair))


def differences(pairs: Sequence[Pair]) -> Table | None:
    """Every cause for each scheme of the first setting."""
    shown = [pair for pair in pairs if pair.setting == pairs[0].setting]
    found = [{cause.cause: cause for cause in pair.causes} for pair in shown]
    names = [name for name in c.LINES if any(name in causes for causes in found)]
    columns = (Column("Cause"), *(Column(pair.scheme, right=True, detail=_minor(pair)) for pair in shown))
    rows: list[tuple[Cell | str, ...]] = [
        (c.LABELS[name], *(_difference(causes.get(name)) for causes in found)) for name in names
    ]
    rows.append(("time per token", *(_difference(pair.closed.delta) for pair in shown)))
    note = f"ms per token more (+) or less (−) than {shown[0].reference}; coloured where the 95 % interval excludes 0."
    return table("Differences by cause", columns, rows, note)


def _minor(pair: Pair) -> bool:
    return pair.scheme in ("fp32", "bf16", "int8-planted")


def _difference(line: Line | None) -> Cell:
    if line is None:
        return Cell(units.ABSENT, "muted")
    return Cell(f"{line.delta_ms:+.3f}", ("bad" if line.delta_ms > 0 else "good") if line.sure else "")


def lines(title: str, reference: str, scheme: str, closed: Closed, note: str, unit: str = "token") -> Table:
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


def _note(pair: Pair) -> str:
    if not pair.instrument:
        return f"No lines: {pair.missing}."
    unknown = "; ".join(f"{name} {share:.0%}" for name, share in pair.unknown)
    told = f" In other: {unknown}." if unknown else ""
    return (
        f"ms per token. Lines from {pair.instrument} timelines of {pair.observed_steps[0]} and "
        f"{pair.observed_steps[1]} decode steps, less the modelled cost of observing. Idle lines are whole here; among "
        f"the causes, a part of them stands with the work that it leads to.{told}"
    )


def _line(line: Line, meaning: str) -> tuple[Cell | str, ...]:
    tone: Tone = ("bad" if line.delta_ms > 0 else "good") if line.sure else ""
    return (
        line.cause,
        _ms(line.reference_ms),
        _ms(line.scheme_ms),
        Cell(f"{line.delta_ms:+.4f}", tone),
        _interval(line.low, line.high, 1.0) + mark(line.assumed),
        meaning,
    )


def _ms(value: float) -> str:
    return f"{value:.4f}"


def _interval(low: float | None, high: float | None, scale: float) -> str:
    return units.ABSENT if low is None or high is None else f"{low * scale:+.3f} to {high * scale:+.3f}"


def causes(pair: Pair) -> Table | None:
    """The causes in order, each with its parts; they add up to the difference."""
    columns = (
        Column("Cause"),
        Column("GPU ms" if pair.device != "cpu" else "Operators ms", right=True, detail=True),
        Column("Host ms", right=True, detail=True),
        Column("Together ms", right=True),
        Column("95 % interval", right=True, detail=True),
        Column("Share", right=True),
    )
    rows = [_cause(one) for one in shared(pair.causes, None)]
    rows += [(f"all that is {word}", "", "", f"{ms:+.4f}", "", "100 %") for word, ms in sides(pair.causes)]
    rows.append(("difference", "", "", *_total(pair), ""))
    note = (
        "They add up to the difference exactly. Work that only one of the two does takes along the host's time that "
        f"leads to it; coloured where sure. {share_note(pair.causes)}"
    )
    return table(f"Causes: {pair.scheme}", columns, rows, note) if pair.causes else None


def _cause(one: Shared) -> tuple[Cell | str, ...]:
    cause = one.cause
    return (
        c.LABELS[cause.cause],
        units.ABSENT if cause.work_ms is None else f"{cause.work_ms:+.4f}",
        units.ABSENT if cause.host_ms is None else f"{cause.host_ms:+.4f}",
        Cell(f"{cause.delta_ms:+.4f}", ("bad" if cause.delta_ms > 0 else "good") if cause.sure else ""),
        _interval(cause.low, cause.high, 1.0) + mark(cause.assumed),
        share_cell(one),
    )


def _total(pair: Pair) -> tuple[str, str]:
    delta = pair.closed.delta
    return f"{delta.delta_ms:+.4f}", _interval(delta.low, delta.high, 1.0) + mark(delta.assumed)


def sources(title: str, found: Sequence[SourceLine]) -> Table | None:
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
            _ms(part.scheme_ms), f"{part.delta_ms:+.4f}",
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


def energy(pairs: Sequence[EnergyPair]) -> Table | None:
    """ΔE = P_ref·Δt + t·ΔP."""
    labels = short_labels([pair.setting for pair in pairs])
    columns = (
        Column("Setting"),
        Column("Scheme"),
        Column("Source"),
        Column("Reference J", right=True, detail=True),
        Column("Scheme J", right=True, detail=True),
        Column("Difference J", right=True),
        Column("Longer time", right=True),
        Column("Other power", right=True),
        Column("Kind"),
    )
    rows = []
    for pair in pairs:
        kind = ("ESTIMATED" if pair.estimated else "measured") + (", no verdict" if pair.doubt else "")
        nets = ((f"net of {NAMES[name]}", split) for name, split in pair.nets.items())
        for name, split in (("gross", pair.gross), *nets):
            if split is not None:
                rows.append((labels[pair.setting], pair.scheme, pair.source, *_split(split), f"{name}, {kind}"))
    note = "Joules per token: ΔE = P_ref·Δt + t_scheme·ΔP, exactly. [low, high]: 95 % interval; of gross joules it is "
    note += "that of the ratio in the table of energy, in J."
    return drop_uniform(table("Energy ledger", columns, rows, note), "Setting") if rows else None


def _split(split: Split) -> tuple[str, ...]:
    delta = split.delta
    bounds = "" if delta.low is None or delta.high is None else f" [{delta.low:+.3g}, {delta.high:+.3g}]"
    bounds += mark(delta.assumed)
    return (
        f"{split.reference:.4g}", f"{split.scheme:.4g}", f"{delta.value:+.3g}{bounds}", f"{split.longer:+.3g}",
        f"{split.power:+.3g}",
    )  # fmt: skip
