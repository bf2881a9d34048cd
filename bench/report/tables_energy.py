"""The table of joules per token, and the reasons for those that were not collected."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.energy import EnergyGroup, EnergyRow

from . import units
from .content import Cell, Column, Table, drop_uniform, table
from .words import interval_text, ratio_cell, short_labels, verdict_cell

Row = tuple[Cell | str, ...]
_SETTING = Column("Setting")
_SCHEME = Column("Scheme")


def energy(groups: Sequence[EnergyGroup]) -> Table:
    """Joules per token by source, gross and net of idle. ``missing_energy`` says what is not in it."""
    labels = short_labels([group.setting for group in groups])
    columns = (
        _SETTING,
        Column("Source"),
        _SCHEME,
        Column("Gross per token", right=True),
        Column("Net of idle", right=True, detail=True),
        Column("÷ reference", right=True),
        Column("Verdict"),
        Column("Power / idle", right=True, detail=True),
        Column("Windows", right=True, detail=True),
    )
    rows = [(labels[group.setting], *_energy(row, group)) for group in groups for row in group.rows if row.gross]
    guesses = dict.fromkeys(row.estimated for group in groups for row in group.rows if row.gross and row.estimated)
    note = "Gross: all joules of a window over its tokens. Net: less the idle power times the window. "
    note += "".join(f"Estimated, not measured: {guess}. " for guess in guesses)
    note += interval_text((row.gross for group in groups for row in group.rows), "windows") + "."
    return drop_uniform(table("Energy", columns, rows, note), "Setting")


def missing_energy(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """One sentence per source and reason for joules that were not collected."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.rows if row.gross is None):
        told.setdefault((row.source, row.reason), []).append(row.scheme)
    return tuple(
        f"{source}: not collected for {', '.join(dict.fromkeys(schemes))} ({reason})."
        for (source, reason), schemes in told.items()
    )


def _energy(row: EnergyRow, group: EnergyGroup) -> Row:
    return (
        f"{row.source} – estimated" if row.estimated else row.source,
        row.scheme,
        units.estimate(row.gross, "J"),
        units.estimate(row.net, "J"),
        ratio_cell(row.energy_ratio, row.scheme == group.reference),
        verdict_cell(row.verdict, amounts=True),
        f"{units.si(row.power, 'W')} / {units.si(row.idle_power, 'W')}",
        str(row.windows),
    )
