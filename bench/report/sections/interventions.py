"""Tables of what was tried and judged: interventions, causes removed together, hypotheses, what to change."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis import user_code
from bench.analysis.assumed import mark
from bench.analysis.hypotheses import Judged
from bench.analysis.interventions import InterventionRow, Removals
from bench.analysis.remedies import Remedy
from bench.analysis.statistics import Estimate
from bench.report import units
from bench.report.content import Cell, Column, Point, Table, Tone, table, without
from bench.report.words import verdict_cell

_NEW_LENGTHS = "Gain at new lengths"
_TONES: dict[str, Tone] = {"supported": "bad", "refuted": "good", "ambiguous": "unsure", "not tested": "muted"}


def interventions(rows: Sequence[InterventionRow]) -> Table | None:
    """Each switch: predicted, measured, and what it did to the output."""
    columns = (
        Column("Scheme"),
        Column("Switch"),
        Column("Predicted gain", right=True),
        Column("Measured gain", right=True),
        Column(_NEW_LENGTHS, right=True),
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
    if not body:
        return None
    made = table("Interventions", columns, body, note)
    return made if any(row.first_gain for row in rows) else without(made, _NEW_LENGTHS)


def _gain(gain: Estimate) -> str:
    return f"{gain.value * 1e3:+.3g} [{_signed(gain.low)}, {_signed(gain.high)}]{mark(gain.assumed)}"


def _intervention(row: InterventionRow) -> tuple[Cell | str, ...]:
    within = {True: Cell("yes", "good"), False: Cell("no", "bad"), None: Cell(units.ABSENT, "muted")}[row.agrees]
    agreement = "not compared" if row.output.agreement is None else f"{row.output.agreement:.0%}"
    error = "" if row.output.error is None else f", {row.output.error:.2g}"
    before, after = row.footprint
    return (
        row.scheme,
        row.name,
        units.ABSENT if row.predicted is None else f"{row.predicted * 1e3:+.3g}",
        _gain(row.gain),
        _gain(row.first_gain) if row.first_gain else units.ABSENT,
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
    """What to change, in order."""
    columns = (
        Column("Scheme"),
        Column("Change"),
        Column("Gain ms", right=True),
        Column("Price"),
        Column("Keeps of the saving", detail=True),
        Column("Memory", right=True, detail=True),
    )
    rows = [_remedy(item) for item in found]
    note = (
        "ms per token less, as measured in this run, or predicted where it says so; green where sure. What keeps the "
        "memory saving comes first, what gives quantisation up last."
    )
    return table("What to change", columns, rows, note) if rows else None


def _remedy(item: Remedy) -> tuple[Cell | str, ...]:
    bounds = "" if item.low is None or item.high is None else f" [{item.low * 1e3:.3g}, {item.high * 1e3:.3g}]"
    bounds += mark(item.assumed)
    return (
        item.scheme,
        ("predicted: " if item.predicted else "") + item.title,
        Cell(f"{item.gain * 1e3:.3g}{bounds}", "good" if item.sure else ""),
        item.price,
        item.keeps,
        units.ABSENT if item.memory is None else units.si(item.memory, "B"),
    )


def codes(found: Sequence[Remedy], device: str) -> tuple[Point, ...]:
    """The code of each remedy, once, after the lines that all of it expects."""
    named: dict[str, list[str]] = {}
    for item in found:
        if item.code:
            named.setdefault(item.code, []).append(f"{item.scheme}: {item.title}")
    if not named:
        return ()
    first = Point("Before each of these", "Imports, your model and a prompt.", user_code.preamble(device))
    return (first, *(Point("; ".join(dict.fromkeys(names)), "", text) for text, names in named.items()))
