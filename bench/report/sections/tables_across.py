"""Checkpoints against each other, each with the label of its weights."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.across import Across
from bench.report import units
from bench.report.content import Column, Table, table
from bench.report.words import setting_text, verdict_cell


def across(found: Sequence[Across]) -> Table | None:
    """A row per checkpoint that has no unquantised scheme of its own; None where there is none."""
    columns = (
        Column("Checkpoint"), Column("Scheme"), Column("Its weights"), Column("Against"), Column("Verdict"),
        Column("Time per token ÷ that", right=True), Column("Setting", detail=True),
    )  # fmt: skip
    rows = [
        (
            one.model, one.scheme, one.label or units.ABSENT, f"{one.reference} of {one.reference_model}",
            verdict_cell(one.verdict), units.ratio(one.ratio), setting_text(one.setting),
        )
        for one in found
    ]  # fmt: skip
    note = "Two checkpoints, not two schemes of one: their weights, and the tokens of their prompts, may differ."
    return table("Checkpoints against each other", columns, rows, note) if rows else None
