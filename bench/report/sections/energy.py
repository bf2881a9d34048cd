"""The table of joules per token, what each baseline says, and the reasons for joules that were not collected."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.baselines import NAMES, Kind
from bench.analysis.energy import EnergyGroup, EnergyRow
from bench.analysis.statistics import Estimate
from bench.report import units
from bench.report.content import Cell, Column, Table, drop_uniform, table
from bench.report.words import interval_text, ratio_cell, short_labels, verdict_cell

Row = tuple[Cell | str, ...]
_SETTING = Column("Setting")


def energy(groups: Sequence[EnergyGroup]) -> Table:
    """Joules per token by source, gross and net of each baseline. ``missing_energy`` says what is not in it."""
    labels = short_labels([group.setting for group in groups])
    kinds = _kinds(groups)
    columns = (
        _SETTING,
        Column("Source"),
        Column("Scheme"),
        Column("Gross per token", right=True),
        *(Column(f"Net of {NAMES[kind]}", right=True, detail=True) for kind in kinds),
        Column("÷ reference", right=True),
        Column("Verdict"),
        Column("Power" + "".join(f" / {_SHORT[kind]}" for kind in kinds), right=True, detail=True),
        Column("Windows", right=True, detail=True),
    )
    rows = [(labels[group.setting], *_energy(row, group, kinds)) for group in groups for row in group.rows if row.gross]
    guesses = dict.fromkeys(row.estimated for group in groups for row in group.rows if row.gross and row.estimated)
    note = "Gross: joules of the work, the wait for the counter's tick taken off at idle power. "
    note += "Net: less a baseline's power times the work's time. " if kinds else ""
    note += "".join(f"Estimated, not measured: {guess}. " for guess in guesses)
    note += interval_text((row.gross for group in groups for row in group.rows), "windows") + "."
    return drop_uniform(table("Energy", columns, rows, note), "Setting")


_SHORT: dict[Kind, str] = {"held": "context held", "unused": "card unused"}


def _kinds(groups: Sequence[EnergyGroup]) -> tuple[Kind, ...]:
    known = {net.kind for group in groups for row in group.rows for net in row.nets}
    return tuple(kind for kind in NAMES if kind in known)


def baselines(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """Per baseline and source one sentence: of which schemes the net joules are more than the reference's, or less, as
    measured, and of which of them the interval says so."""
    told = []
    for source in dict.fromkeys(row.source for group in groups for row in group.rows if row.nets):
        for kind in _kinds(groups):
            text = _baseline(groups, source, kind)
            told += [text] if text else []
    return tuple(told)


def _baseline(groups: Sequence[EnergyGroup], source: str, kind: Kind) -> str:
    labels = short_labels([group.setting for group in groups])
    watts, having = [], []
    for group in groups:
        nets = [(row.scheme, net) for row in group.rows if row.source == source and (net := row.above(kind))]
        watts += [net.power for _, net in nets]
        told = [(scheme, net.more) for scheme, net in nets if net.more is not None]
        having += [(group, told)] if told else []
    references = {group.reference for group, _ in having}
    if not references:
        return ""
    parts, sure = [], []
    for group, told in having:
        label, against = labels[group.setting], f"against {group.reference}"
        sure += [scheme + (f" ({label})" if label else "") for scheme, more in told if _is_sure(more)]
        place = ", ".join(filter(None, (label, against if len(references) > 1 else "")))
        parts.append(f"{place}: {_signs(told)}" if place else _signs(told))
    where = f"{source}, net of {NAMES[kind]} ({_watts(watts)})" + (f", {against}" if len(references) == 1 else "")
    return f"{where}: {'; '.join(parts)}. {_sure(sure, sum(len(told) for _, told in having))}"


def _is_sure(more: Estimate) -> bool:
    return more.low is not None and more.high is not None and not more.low <= 0 <= more.high


def _signs(told: Sequence[tuple[str, Estimate]]) -> str:
    """Such as "bf16 took less, int8, nf4 took more"."""
    sides = (("less", [s for s, more in told if more.value <= 0]), ("more", [s for s, more in told if more.value > 0]))
    return ", ".join(f"{', '.join(schemes)} took {word}" for word, schemes in sides if schemes)


def _sure(sure: Sequence[str], count: int) -> str:
    if not sure:
        return "None of it is sure: every interval holds 0."
    return "All of it is sure." if len(sure) == count else f"Sure, as the interval leaves 0 out: {', '.join(sure)}."


def _watts(watts: Sequence[float]) -> str:
    low, high = min(watts), max(watts)
    return f"{low:.0f} W" if round(low) == round(high) else f"{low:.0f} to {high:.0f} W"


def doubts(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """One sentence per reason for which no verdict is given."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.rows if row.doubt):
        told.setdefault((row.source, row.doubt), []).append(row.scheme)
    return tuple(
        f"{source}: no verdict on {', '.join(dict.fromkeys(schemes))} ({why})."
        for (source, why), schemes in told.items()
    )


def missing_energy(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """One sentence per source and reason for joules that were not collected."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.rows if row.gross is None):
        told.setdefault((row.source, row.reason), []).append(row.scheme)
    return tuple(
        f"{source}: not collected for {', '.join(dict.fromkeys(schemes))} ({reason})."
        for (source, reason), schemes in told.items()
    )


def _energy(row: EnergyRow, group: EnergyGroup, kinds: Sequence[Kind]) -> Row:
    nets = [row.above(kind) for kind in kinds]
    powers = [units.si(watts, "W") for watts in (row.power, *(net.power if net else None for net in nets))]
    windows = f"{row.windows} in {row.processes}" if row.processes > 1 else str(row.windows)
    return (
        f"{row.source} – estimated" if row.estimated else row.source,
        row.scheme,
        units.estimate(row.gross, "J"),
        *(units.estimate(net.per_token if net else None, "J") for net in nets),
        ratio_cell(row.energy_ratio, row.scheme == group.reference),
        Cell("no verdict", "muted")
        if row.energy_ratio and not row.verdict
        else verdict_cell(row.verdict, amounts=True),
        " / ".join(powers),
        windows,
    )
