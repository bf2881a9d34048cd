"""How a decode step's time grows with the tokens before it."""

from __future__ import annotations

from bench.analysis.positions import LEAST_STEPS
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Column, Section, drop_uniform, table
from bench.report.words import short_labels

from .common import SCHEME, SETTING


def section(analysed: Analysed) -> Section | None:
    """None where no call is long enough to show it."""
    found = analysed.positions
    if not found:
        return None
    labels = short_labels(tuple(dict.fromkeys(row.setting for row in found)))
    columns = (
        SETTING, SCHEME, Column("Tokens before the step", right=True), Column("First quarter of the steps", right=True),
        Column("Last quarter", right=True), Column("Last ÷ first", right=True),
    )  # fmt: skip
    rows = [
        (
            labels[row.setting],
            row.scheme,
            f"{row.tokens[0]} to {row.tokens[1]}",
            units.estimate(row.first, "s"),
            units.estimate(row.last, "s"),
            units.ratio(row.growth),
        )
        for row in found
    ]
    note = (
        "Median step of the first and of the last quarter of each call's decode steps, and the one over the other "
        f"within each call. Calls of {LEAST_STEPS} steps and more in which every length had been met before."
    )
    made = drop_uniform(table("Step time by position", columns, rows, note), "Setting")
    return Section("positions", "Step time by position", tables=(made,), folded=True)
