"""Causes removed one by one, and together: predicted, measured, and what that did to the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.explain import Explanation
from bench.analysis.interventions import InterventionRow, Removals
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.assumed import mark
from bench.report import units
from bench.report.content import Cell, Column, Section, Table, table, without
from bench.report.units import ms
from bench.report.words import verdict_cell

_NEW_LENGTHS = "Gain at new lengths"


def section(explanation: Explanation) -> Section | None:
    """None where nothing was tried."""
    found = (interventions_table(explanation.interventions), removals_table(explanation.removals))
    made = tuple(item for item in found if item)
    if not made:
        return None
    text = ("Each cause removed, or added, by its own switch, in the same interleaved repeats as the unchanged arm.",)
    return Section("interventions", "Causes removed one by one", text, tables=made)


def interventions_table(rows: Sequence[InterventionRow]) -> Table | None:
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
    body = [_row(row) for row in rows]
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


def _row(row: InterventionRow) -> tuple[Cell | str, ...]:
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


def removals_table(found: Sequence[Removals]) -> Table | None:
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


def document(found: Explanation) -> dict[str, Any]:
    """Every switch as JSON; its gains in ms."""
    return {"interventions": [_document(row) for row in found.interventions]}


def _document(row: InterventionRow) -> dict[str, Any]:
    return {
        "scheme": row.scheme, "name": row.name, "cause": row.cause, "sense": row.sense,
        "before_ms": row.before.value * 1e3, "after_ms": row.after.value * 1e3,
        "gain_ms": row.gain.value * 1e3, "gain_ci": [ms(row.gain.low), ms(row.gain.high)],
        "gain_assumed": row.gain.assumed, "gain_basis": row.gain.basis,
        "predicted_gain_ms": ms(row.predicted), "within": row.agrees, "verdict": row.verdict,
        "first_gain_ms": ms(row.first_gain.value if row.first_gain else None),
        "token_agreement": row.output.agreement, "logit_error": row.output.error,
    }  # fmt: skip
