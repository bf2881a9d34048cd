"""CO2-equivalent per token as CodeCarbon reports it, beside the grid whose intensity it took."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.codecarbon import Emissions
from bench.report import units
from bench.report.content import Cell, Column, Table, drop_uniform, table
from bench.report.words import short_labels

_NOTE = (
    "Estimated, not measured: CodeCarbon's joules times the mean intensity of a country's grid, by its own table. "
    "Another country or hour gives another figure, in proportion to its intensity: compare joules, not these."
)


def emissions(found: Sequence[Emissions]) -> Table:
    """A row a setting and scheme; none where CodeCarbon did not run."""
    labels = short_labels([one.setting for one in found])
    columns = (
        Column("Setting"),
        Column("Scheme"),
        Column("CO2e per 1,000 tokens", right=True),
        Column("Grid"),
        Column("Its intensity", right=True),
        Column("Joules per token", right=True, detail=True),
        Column("Windows", right=True, detail=True),
    )
    rows = [_row(one, labels[one.setting]) for one in found]
    return drop_uniform(table("Emissions, as CodeCarbon reports them", columns, rows, _NOTE), "Setting")


def _row(one: Emissions, setting: str) -> tuple[Cell | str, ...]:
    return (
        setting,
        one.scheme,
        units.si(one.per_token * 1e6, "g"),
        one.country,
        f"{one.intensity * 1e3:.0f} g/kWh",
        units.si(one.joules, "J"),
        str(one.windows),
    )
