"""Joules per token by source, gross and net of each baseline; why some were not collected; CodeCarbon's emissions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.analysis.energy import EnergyGroup, EnergyRow
from bench.analysis.energy.baselines import NAMES, Kind
from bench.analysis.energy.codecarbon import Emissions
from bench.analysis.statistics import Estimate
from bench.report import units
from bench.report.analysed import Analysed
from bench.report.content import Cell, Column, FigureSpec, Row, Section, Table, drop_uniform, table
from bench.report.figures import dots, linear_ticks, notice, panels
from bench.report.palette import PAPER, colour, marker
from bench.report.words import (
    assumed_bars,
    chance_note,
    interval_text,
    ratio_cell,
    setting_text,
    short_labels,
    verdict_cell,
)

from .common import BARS, MOST_FIGURES, SETTING, numbered, times

_SHORT: dict[Kind, str] = {"held": "context held", "unused": "card unused"}
_OF_EMISSIONS = (
    "Estimated, not measured: CodeCarbon's joules times the mean intensity of a country's grid, by its own table. "
    "Another country or hour gives another figure, in proportion to its intensity: compare joules, not these."
)


def section(analysed: Analysed) -> Section:
    """A figure for each setting, joules by source, what baselines say and what was not collected; emissions."""
    what = "Measured: joules per new token, prefill included. Bars: " + BARS + ". Hollow marker: "
    what += "net of the context held with nothing to do."
    found = analysed.energy[:MOST_FIGURES] or (None,)
    figures = tuple(
        FigureSpec(
            numbered("energy", i),
            "Energy per token",
            f"{what} Setting: {setting_text(group.setting) if group else 'none'}. "
            f"Machine: {analysed.machine}. How often: "
            f"{_windows(group)} per scheme and source.{assumed_bars(row.gross for row in group.rows) if group else ''}",
            partial(energy_figure, group),
        )
        for i, group in enumerate(found)
    )
    rows = energy_table(analysed.energy)
    text = (
        (
            *baselines(analysed.energy),
            *doubts(analysed.energy),
            *missing_energy(analysed.energy),
        )
        if analysed.energy
        else ("Not collected: no energy pass was run.",)
    )
    emitted = emissions_table(analysed.emissions)
    return Section("energy", "Energy", text, figures, tuple(one for one in (rows, emitted) if one.rows))


def _windows(group: EnergyGroup | None) -> str:
    counts = [row.windows for row in group.rows if row.gross] if group else []
    return f"{times(counts, 'window')}" if counts else "no windows"


def energy_table(groups: Sequence[EnergyGroup]) -> Table:
    """Joules per token by source, gross and net of each baseline. ``missing_energy`` says what is not in it."""
    labels = short_labels([group.setting for group in groups])
    kinds = _kinds(groups)
    columns = (
        SETTING,
        Column("Source"),
        Column("Scheme"),
        Column("Gross per token", right=True),
        *(Column(f"Net of {NAMES[kind]}", right=True, detail=True) for kind in kinds),
        Column("÷ reference", right=True),
        Column("Verdict"),
        Column("Power" + "".join(f" / {_SHORT[kind]}" for kind in kinds), right=True, detail=True),
        Column("Windows", right=True, detail=True),
    )
    rows = [
        (labels[group.setting], *_energy_row(row, group, kinds)) for group in groups for row in group.rows if row.gross
    ]
    guesses = dict.fromkeys(row.estimated for group in groups for row in group.rows if row.gross and row.estimated)
    note = "Gross: joules of the work, the wait for the counter's tick taken off at idle power. "
    note += "Net: less a baseline's power times the work's time. " if kinds else ""
    note += "".join(f"Estimated, not measured: {guess}. " for guess in guesses)
    note += interval_text((row.gross for group in groups for row in group.rows), "windows") + "."
    note += chance_note((row.scheme, row.energy_ratio, row.verdict) for group in groups for row in group.rows)
    return drop_uniform(table("Energy", columns, rows, note), "Setting")


def _kinds(groups: Sequence[EnergyGroup]) -> tuple[Kind, ...]:
    known = {net.kind for group in groups for row in group.rows for net in row.nets}
    return tuple(kind for kind in NAMES if kind in known)


def baselines(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """Per baseline and source one sentence: of which schemes the net joules are more than the reference's, or less, as
    measured, and of which of them the interval says so."""
    sentences = []
    for source in dict.fromkeys(row.source for group in groups for row in group.rows if row.nets):
        for kind in _kinds(groups):
            text = _baseline(groups, source, kind)
            sentences += [text] if text else []
    return tuple(sentences)


def _baseline(groups: Sequence[EnergyGroup], source: str, kind: Kind) -> str:
    labels = short_labels([group.setting for group in groups])
    watts, having = [], []
    for group in groups:
        nets = [(row.scheme, net) for row in group.rows if row.source == source and (net := row.above(kind))]
        watts += [net.power for _, net in nets]
        known = [(scheme, net.more, net.sure) for scheme, net in nets if net.more is not None]
        having += [(group, known)] if known else []
    references = {group.reference for group, _ in having}
    if not references:
        return ""
    parts, named = [], []
    for group, known in having:
        label, against = labels[group.setting], f"against {group.reference}"
        named += [(scheme + (f" ({label})" if label else ""), more, sure) for scheme, more, sure in known]
        place = ", ".join(filter(None, (label, against if len(references) > 1 else "")))
        parts.append(f"{place}: {_signs(known)}" if place else _signs(known))
    where = f"{source}, net of {NAMES[kind]} ({_watts(watts)})" + (f", {against}" if len(references) == 1 else "")
    return f"{where}: {'; '.join(parts)}. {_sure_text(named)}"


# A scheme, how many J more it takes, and whether that is sure.
_More = tuple[str, Estimate, bool]


def _signs(entries: Sequence[_More]) -> str:
    """Such as "bf16 took less, int8, nf4 took more"."""
    less, more = ([s for s, than, _ in entries if (than.value > 0) is wanted] for wanted in (False, True))
    sides = (("less", less), ("more", more))
    return ", ".join(f"{', '.join(schemes)} took {word}" for word, schemes in sides if schemes)


def _sure_text(named: Sequence[_More]) -> str:
    sure = [name for name, _, one in named if one]
    if sure:
        of_some = f"Sure, as the interval leaves 0 out: {', '.join(sure)}."
        return of_some if len(sure) < len(named) else "All of it is sure."
    hold = all(more.low is None or more.high is None or more.low <= 0 <= more.high for _, more, _ in named)
    return f"None of it is sure: {'every interval holds 0' if hold else 'of so many chance makes one look so'}."


def _watts(watts: Sequence[float]) -> str:
    low, high = min(watts), max(watts)
    return f"{low:.0f} W" if round(low) == round(high) else f"{low:.0f} to {high:.0f} W"


def doubts(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """One sentence per reason for which no verdict is given."""
    schemes_of: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.rows if row.doubt):
        schemes_of.setdefault((row.source, row.doubt), []).append(row.scheme)
    return tuple(
        f"{source}: no verdict on {', '.join(dict.fromkeys(schemes))} ({why})."
        for (source, why), schemes in schemes_of.items()
    )


def missing_energy(groups: Sequence[EnergyGroup]) -> tuple[str, ...]:
    """One sentence per source and reason for joules that were not collected."""
    schemes_of: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.rows if row.gross is None):
        schemes_of.setdefault((row.source, row.reason), []).append(row.scheme)
    return tuple(
        f"{source}: not collected for {', '.join(dict.fromkeys(schemes))} ({reason})."
        for (source, reason), schemes in schemes_of.items()
    )


def _energy_row(row: EnergyRow, group: EnergyGroup, kinds: Sequence[Kind]) -> Row:
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


def emissions_table(found: Sequence[Emissions]) -> Table:
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
    rows = [_emissions_row(one, labels[one.setting]) for one in found]
    return drop_uniform(table("Emissions, as CodeCarbon reports them", columns, rows, _OF_EMISSIONS), "Setting")


def _emissions_row(one: Emissions, setting: str) -> tuple[Cell | str, ...]:
    return (
        setting,
        one.scheme,
        units.si(one.per_token * 1e6, "g"),
        one.country,
        f"{one.intensity * 1e3:.0f} g/kWh",
        units.si(one.joules, "J"),
        str(one.windows),
    )


def energy_figure(group: EnergyGroup | None) -> Any:
    """The panels of the sources with data; else a notice with the reasons."""
    if group is None:
        return notice("Energy: not collected.\nNo energy pass was run.")
    sources = list(dict.fromkeys(row.source for row in group.rows if row.gross is not None))
    if not sources:
        reasons = dict.fromkeys(f"{row.source}: {row.reason}" for row in group.rows)
        return notice("Energy: not collected.\n" + "\n".join(reasons))
    parts = [[row for row in group.rows if row.source == source] for source in sources]

    def draw(_figure: Any, axes: Any) -> None:
        for panel, source, rows in zip(axes[:, 0], sources, parts, strict=True):
            _panel(panel, source, rows)

    heights = [len(rows) + 1.8 for rows in parts]
    return panels(len(parts), 1, 0.30 * sum(heights) + 0.4, draw, height_ratios=heights)


def _panel(panel: Any, source: str, rows: Sequence[EnergyRow]) -> None:
    names = [row.scheme for row in rows]
    dots(panel, names, [row.gross for row in rows], lambda value: units.si(value.value, "J"))
    for place, row in enumerate(rows):
        if row.net is not None:
            shade = colour(row.scheme, names)
            if row.net.low is not None and row.net.high is not None:
                panel.plot([row.net.low, row.net.high], [place, place], color=shade, linewidth=1.2)
            panel.plot(
                [row.net.value], [place], marker=marker(row.scheme), color=shade, markerfacecolor=PAPER.light,
                markersize=6, linestyle="none",
            )  # fmt: skip
    panel.set_xlim(left=min(0.0, panel.get_xlim()[0]))
    linear_ticks(panel, "x", "J")
    kind = " – ESTIMATED" if any(row.estimated for row in rows) else ""
    hollow = f"; hollow: net of {NAMES['held']}" if any(row.net is not None for row in rows) else ""
    panel.set_title(f"{source}{kind}: J per token, gross{hollow}")
