"""Tables of the ledger: lines, sources of idle time, causes, joules, interventions, hypotheses, remedies."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.assumed import mark
from bench.analysis.energy_ledger import EnergyPair, Split
from bench.analysis.hypotheses import Judged
from bench.analysis.interventions import InterventionRow, Removals
from bench.analysis.ledger.closure import Closed, Line
from bench.analysis.ledger.pairs import Pair, SourceLine
from bench.analysis.remedies import Remedy
from bench.analysis.replay.align import Diagnosis
from bench.record import causes as c

from . import units
from .content import Cell, Column, Table, Tone, table
from .words import verdict_cell

_MOST_SOURCES = 8
_TONES: dict[str, Tone] = {"supported": "bad", "refuted": "good", "ambiguous": "unsure", "not tested": "muted"}


def ledger(pair: Pair) -> Table:
    """Every line of one ledger; they add up to the wall times exactly."""
    return lines(f"Ledger: {pair.reference} → {pair.scheme}", pair.reference, pair.scheme, pair.closed, _note(pair))


def differences(pairs: Sequence[Pair]) -> Table | None:
    """Every line's difference for each scheme of the first setting."""
    shown = [pair for pair in pairs if pair.setting == pairs[0].setting]
    names = [name for name in c.LINES if any(pair.closed.line(name) for pair in shown)]
    columns = (Column("Line"), *(Column(pair.scheme, right=True, detail=_minor(pair)) for pair in shown))
    rows: list[tuple[Cell | str, ...]] = [
        (name, *(_difference(pair.closed.line(name)) for pair in shown)) for name in names
    ]
    rows.append(("time per token", *(_difference(pair.closed.delta) for pair in shown)))
    note = f"ms per token more (+) or less (−) than {shown[0].reference}; coloured where the 95 % interval excludes 0."
    return table("Differences by line", columns, rows, note)


def _minor(pair: Pair) -> bool:
    return pair.scheme in ("fp32", "bf16", "int8-planted")


def _difference(line: Line | None) -> Cell:
    if line is None:
        return Cell(units.ABSENT, "muted")
    return Cell(f"{line.delta_ms:+.3f}", ("bad" if line.delta_ms > 0 else "good") if line.sure else "")


def lines(title: str, reference: str, scheme: str, closed: Closed, note: str) -> Table:
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
    rows.append(_line(closed.delta, "time per token"))
    return table(title, columns, rows, note)


def _note(pair: Pair) -> str:
    if not pair.instrument:
        return f"No lines: {pair.missing}."
    unknown = "; ".join(f"{name} {share:.0%}" for name, share in pair.unknown)
    told = f" In other: {unknown}." if unknown else ""
    return (
        f"ms per token. Lines from {pair.instrument} timelines of {pair.observed_steps[0]} and "
        f"{pair.observed_steps[1]} decode steps, less the modelled cost of observing.{told}"
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
    """The causes in order: what the reference does not do takes the idle time along that leads to it."""
    columns = (
        Column("Cause"),
        Column("Costs ms", right=True),
        Column("95 % interval", right=True),
        Column("Share", right=True),
    )
    total = pair.closed.delta.delta_ms
    rows = [
        (
            c.LABELS[line.cause],
            Cell(f"{line.delta_ms:+.3f}", ("bad" if line.delta_ms > 0 else "good") if line.sure else ""),
            _interval(line.low, line.high, 1.0) + mark(line.assumed),
            f"{line.delta_ms / total:.0%}" if total else units.ABSENT,
        )
        for line in pair.causes
    ]
    note = "Work that the reference does not do takes along the host's time that leads to it; coloured where sure."
    return table(f"Causes: {pair.scheme}", columns, rows, note) if rows else None


def diagnosis(found: Diagnosis) -> Table | None:
    """The causes of a trace's difference, by replay."""
    columns = (
        Column("Cause"),
        Column("Costs ms", right=True),
        Column("95 % interval", right=True),
        Column("Share", right=True),
    )
    rows = [
        (
            c.LABELS[cost.cause],
            Cell(f"{cost.mean * 1e-6:+.4f}", ("bad" if cost.mean > 0 else "good") if cost.sure else ""),
            _interval(cost.mean - cost.reach, cost.mean + cost.reach, 1e-6),
            f"{cost.mean / found.delta:.0%}" if found.delta else units.ABSENT,
        )
        for cost in found.costs
    ]
    note = (
        "Each cause alone set to what it is in the reference, and the trace replayed; coloured where sure. With all of "
        f"them the replay misses the reference by {found.rest * 1e-6:+.4f} ms."
    )
    if found.uniform is not None:
        note += (
            f" Everything takes ×{found.uniform:.2f}: that is a slower (or faster) machine, a clock or a neighbour, "
            "and no cause of its own."
        )
    return table("Causes, by replay", columns, rows, note) if rows else None


def sources(title: str, found: Sequence[SourceLine]) -> Table | None:
    """What the idle lines waited for."""
    columns = (
        Column("Line"),
        Column("Range"),
        Column("Waited for"),
        Column("Work", detail=True),
        Column("Before ms", right=True, detail=True),
        Column("After ms", right=True, detail=True),
        Column("Difference ms", right=True),
    )
    shown = sorted(found, key=lambda part: -abs(part.delta_ms))[:_MOST_SOURCES]
    rows = [
        (
            part.cause, part.range or "(outside modules)", part.operator or units.ABSENT, part.work or units.ABSENT,
            _ms(part.reference_ms), _ms(part.scheme_ms), f"{part.delta_ms:+.4f}",
        )
        for part in shown
    ]  # fmt: skip
    note = "Idle time by what was to start next: the range it is in and what launched it."
    return table(title, columns, rows, note) if rows else None


def energy(pairs: Sequence[EnergyPair]) -> Table | None:
    """ΔE = P_ref·Δt + t·ΔP."""
    columns = (
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
        kind = "ESTIMATED" if pair.estimated else "measured"
        for name, split in (("gross", pair.gross), ("net of idle", pair.net)):
            if split is not None:
                rows.append((pair.scheme, pair.source, *_split(split), f"{name}, {kind}"))
    note = "Joules per token: ΔE = P_ref·Δt + t_scheme·ΔP, exactly. [low, high]: 95 % interval."
    return table("Energy ledger", columns, rows, note) if rows else None


def _split(split: Split) -> tuple[str, ...]:
    delta = split.delta
    bounds = "" if delta.low is None or delta.high is None else f" [{delta.low:+.3g}, {delta.high:+.3g}]"
    bounds += mark(delta.assumed)
    return (
        f"{split.reference:.4g}", f"{split.scheme:.4g}", f"{delta.value:+.3g}{bounds}", f"{split.longer:+.3g}",
        f"{split.power:+.3g}",
    )  # fmt: skip


def interventions(rows: Sequence[InterventionRow]) -> Table | None:
    """Each switch: predicted, measured, and what it did to the output."""
    columns = (
        Column("Scheme"),
        Column("Switch"),
        Column("Predicted gain", right=True),
        Column("Measured gain", right=True),
        Column("Within"),
        Column("Verdict"),
        Column("Output", detail=True),
        Column("Memory", right=True, detail=True),
    )
    body = [_intervention(row) for row in rows]
    note = (
        "ms per token less than without the switch; the prediction was stated by replay before. Within: it lies in the "
        "measured 95 % interval. Output: share of tokens before the first that differs, relative error of the logits."
    )
    return table("Interventions", columns, body, note) if body else None


def _intervention(row: InterventionRow) -> tuple[Cell | str, ...]:
    gain = f"{row.gain.value * 1e3:+.3g} [{_signed(row.gain.low)}, {_signed(row.gain.high)}]"
    gain += mark(row.gain.assumed)
    within = {True: Cell("yes", "good"), False: Cell("no", "bad"), None: Cell(units.ABSENT, "muted")}[row.agrees]
    agreement = "not compared" if row.output.agreement is None else f"{row.output.agreement:.0%}"
    error = "" if row.output.error is None else f", {row.output.error:.2g}"
    before, after = row.footprint
    return (
        row.scheme,
        row.name,
        units.ABSENT if row.predicted is None else f"{row.predicted * 1e3:+.3g}",
        gain,
        within,
        verdict_cell(row.verdict),
        agreement + error,
        units.si(after - before, "B") if after >= before else "−" + units.si(before - after, "B"),
    )


def _signed(value: float | None) -> str:
    return units.ABSENT if value is None else f"{value * 1e3:+.3g}"


def removals(found: Sequence[Removals]) -> Table | None:
    """Causes removed together and one by one, and what is left."""
    columns = (
        Column("Scheme"),
        Column("Together"),
        Column("Gain", right=True),
        Column("Removed alone", right=True),
        Column("Added alone", right=True, detail=True),
        Column("Interaction", right=True),
        Column("Left over the reference", right=True),
    )
    rows = [
        (
            item.scheme, item.together, _signed(item.all),
            "; ".join(f"{name} {_signed(value)}" for name, value in item.one.items()),
            "; ".join(f"{name} {_signed(value)}" for name, value in item.added.items()),
            _signed(item.interaction), _signed(item.rest),
        )
        for item in found
    ]  # fmt: skip
    note = "ms per token. Interaction: the gain of all together less the sum of the single gains."
    return table("Causes removed together", columns, rows, note) if rows else None


def hypotheses(found: Sequence[Judged]) -> Table:
    """H1 to H14 with their verdicts and evidence."""
    columns = (Column("Id"), Column("Hypothesis"), Column("Verdict"), Column("Evidence"))
    rows = [
        (
            item.id, item.statement + (f" (the study's {item.paper})" if item.paper else ""),
            Cell(item.verdict, _TONES[item.verdict]), "; ".join(item.evidence[:4]),
        )
        for item in found
    ]  # fmt: skip
    note = "supported: at least a tenth of a slower scheme's difference, surely; refuted: surely less in all of them."
    return table("Hypotheses", columns, rows, note)


def remedies(found: Sequence[Remedy]) -> Table | None:
    """What to change, by gain."""
    columns = (
        Column("Scheme"),
        Column("Change"),
        Column("Gain ms", right=True),
        Column("Price"),
        Column("Memory", right=True, detail=True),
        Column("Code", detail=True),
    )
    rows = [
        (
            item.scheme, item.title, Cell(f"{item.gain * 1e3:.3g}{_bounds(item)}", "good" if item.sure else ""),
            item.price, units.ABSENT if item.memory is None else units.si(item.memory, "B"), item.code,
        )
        for item in found
    ]  # fmt: skip
    return (
        table("What to change", columns, rows, "ms per token less, as measured in this run; green where sure.")
        if rows
        else None
    )


def _bounds(item: Remedy) -> str:
    bounds = "" if item.low is None or item.high is None else f" [{item.low * 1e3:.3g}, {item.high * 1e3:.3g}]"
    return bounds + mark(item.assumed)
