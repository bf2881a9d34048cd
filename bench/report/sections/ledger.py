"""Where the time goes: the ledger of each scheme with its causes, and their waterfalls. And where the joules go:
ΔE = P_ref·Δt + t_scheme·ΔP, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.energy.baselines import NAMES
from bench.analysis.energy.ledger import EnergyPair, Split
from bench.analysis.explain import Explanation
from bench.analysis.ledger.closure import Line
from bench.analysis.ledger.pairs import Pair
from bench.analysis.statistics.assumed import mark
from bench.record import causes as c
from bench.report import units
from bench.report.answer import first_setting, focus_of, waterfall_of
from bench.report.answer_json import balance_document, causes_document
from bench.report.content import Cell, Column, Section, Table, drop_uniform, table
from bench.report.lines import (
    Shared,
    closed_document,
    interval,
    lines_table,
    share_cell,
    share_note,
    shared,
    sides,
    source_document,
    sources_table,
)
from bench.report.words import AMOUNTS, short_labels
from bench.schemes import ARMS

MOST_FIGURES = 6


def section(explanation: Explanation) -> Section | None:
    """Every cause of every scheme, and the ledger of the one that the first screen explains."""
    pairs = [pair for pair in explanation.pairs if pair.instrument]
    if not pairs:
        why = dict.fromkeys(pair.missing for pair in explanation.pairs)
        text = tuple(f"No ledger: {reason}." for reason in why)
        return Section("ledger", "Where the time goes", text) if text else None
    focus = _focus(explanation)
    shown = pair_tables(focus) if focus and focus.instrument else ()
    found = [differences_table(pairs), *shown, energy_ledger_table(explanation.energy)]
    text = (
        "The causes add up to the difference of the unprofiled times exactly, as the lines of a ledger do; what no "
        "line explains is one of its own.",
    )
    return Section("ledger", "Where the time goes", text, tables=tuple(item for item in found if item))


def pair_tables(pair: Pair) -> tuple[Table, ...]:
    """The causes of one scheme, its ledger, and what its idle time waited for."""
    found = (causes_table(pair), ledger_table(pair), sources_table(f"Idle time: {pair.scheme}", pair.sources))
    return tuple(item for item in found if item)


def others(explanation: Explanation) -> Section | None:
    """The ledgers that the first screen does not show."""
    focus = _focus(explanation)
    pairs = [pair for pair in explanation.pairs if pair.instrument and pair is not focus]
    if not pairs:
        return None
    figures = tuple(waterfall_of(pair, explanation) for pair in pairs[:MOST_FIGURES])
    found = [item for pair in pairs for item in pair_tables(pair)]
    return Section("ledgers", "Ledgers of the other schemes", (), figures, tuple(found), folded=True, files_only=True)


def _focus(explanation: Explanation) -> Pair | None:
    """The pair that the first screen draws already."""
    return focus_of(first_setting(explanation.pairs), explanation.generation_rows)


def ledger_table(pair: Pair) -> Table:
    """Every line of one ledger; they add up to the wall times exactly."""
    return lines_table(
        f"Ledger: {pair.reference} → {pair.scheme}",
        pair.reference,
        pair.scheme,
        pair.closed,
        _note(pair),
        pair.phase.unit,
    )


def differences_table(pairs: Sequence[Pair]) -> Table | None:
    """Every cause for each scheme of the first setting."""
    shown = [pair for pair in pairs if pair.setting == pairs[0].setting]
    found = [{cause.cause: cause for cause in pair.causes} for pair in shown]
    names = [name for name in c.LINES if any(name in causes for causes in found)]
    columns = (Column("Cause"), *(Column(pair.scheme, right=True, detail=_minor(pair)) for pair in shown))
    rows: list[tuple[Cell | str, ...]] = [
        (c.LABELS[name], *(_difference(causes.get(name)) for causes in found)) for name in names
    ]
    rows.append((f"time per {shown[0].phase.unit}", *(_difference(pair.closed.delta) for pair in shown)))
    note = (
        f"ms per {shown[0].phase.unit} more (+) or less (−) than {shown[0].reference}; coloured where the 95 % "
        "interval excludes 0."
    )
    return table("Differences by cause", columns, rows, note)


def _minor(pair: Pair) -> bool:
    return pair.scheme in ARMS and ARMS[pair.scheme].minor


def _difference(line: Line | None) -> Cell:
    if line is None:
        return Cell(units.ABSENT, "muted")
    return Cell(units.fixed(line.delta_ms, 3), ("bad" if line.delta_ms > 0 else "good") if line.sure else "")


def _note(pair: Pair) -> str:
    if not pair.instrument:
        return f"No lines: {pair.missing}."
    unknown = "; ".join(f"{name} {share:.0%}" for name, share in pair.unknown)
    kernels = f" In other: {unknown}." if unknown else ""
    return (
        f"ms per {pair.phase.unit}. Lines from {pair.instrument} timelines of {pair.observed_steps[0]} and "
        f"{pair.observed_steps[1]} {pair.phase.observed}, less the modelled cost of observing. Idle lines are whole "
        f"here; among the causes, a part of them stands with the work that it leads to.{kernels}"
    )


def causes_table(pair: Pair) -> Table | None:
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
    rows += [(f"all that is {word}", "", "", units.fixed(ms, 4), "", "100 %") for word, ms in sides(pair.causes)]
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
        units.ABSENT if cause.work_ms is None else units.fixed(cause.work_ms, 4),
        units.ABSENT if cause.host_ms is None else units.fixed(cause.host_ms, 4),
        Cell(units.fixed(cause.delta_ms, 4), ("bad" if cause.delta_ms > 0 else "good") if cause.sure else ""),
        interval(cause.low, cause.high) + mark(cause.assumed),
        share_cell(one),
    )


def _total(pair: Pair) -> tuple[str, str]:
    delta = pair.closed.delta
    return units.fixed(delta.delta_ms, 4), interval(delta.low, delta.high) + mark(delta.assumed)


def document(found: Explanation) -> dict[str, Any]:
    """Every pair's ledger and its joules as JSON."""
    return {"pairs": [pair_document(pair) for pair in found.pairs], **energy_document(found)}


def pair_document(pair: Pair) -> dict[str, Any]:
    """One ledger as JSON, ms per ``unit``."""
    return {
        "model": pair.model,
        "device": pair.device,
        "unit": pair.phase.unit,
        "setting": dict(pair.setting),
        "reference": pair.reference,
        "scheme": pair.scheme,
        **closed_document(pair.closed),
        **balance_document(pair.causes),
        "causes": causes_document(pair.causes),
        "sources": [source_document(part) for part in pair.sources],
        "unknown": [{"name": name, "share": share} for name, share in pair.unknown],
        "instrument": pair.instrument or None,
        "missing": pair.missing or None,
        "observed_steps": list(pair.observed_steps),
    }


def energy_ledger_table(pairs: Sequence[EnergyPair]) -> Table | None:
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
                rows.append((labels[pair.setting], pair.scheme, pair.source, *_cells(split), f"{name}, {kind}"))
    note = "Joules per token: ΔE = P_ref·Δt + t_scheme·ΔP, exactly. [low, high]: 95 % interval; of gross joules it is "
    note += "that of the ratio in the table of energy, in J."
    return drop_uniform(table("Energy ledger", columns, rows, note), "Setting") if rows else None


def _cells(split: Split) -> tuple[str, ...]:
    delta = split.delta
    bounds = "" if delta.low is None or delta.high is None else f" [{delta.low:+.3g}, {delta.high:+.3g}]"
    bounds += mark(delta.assumed)
    return (
        f"{split.reference:.4g}", f"{split.scheme:.4g}", f"{delta.value:+.3g}{bounds}", f"{split.longer:+.3g}",
        f"{split.power:+.3g}",
    )  # fmt: skip


def energy_document(found: Explanation) -> dict[str, Any]:
    """Every pair's joules as JSON."""
    return {"energy": [_energy_pair(pair) for pair in found.energy]}


def _energy_pair(pair: EnergyPair) -> dict[str, Any]:
    return {
        "reference": pair.reference, "scheme": pair.scheme, "source": pair.source,
        "estimated": bool(pair.estimated), "estimated_why": pair.estimated or None,
        "ratio": pair.ratio.value, "ratio_ci": [pair.ratio.low, pair.ratio.high],
        "verdict": AMOUNTS[pair.verdict] if pair.verdict else None,
        "no_verdict": pair.doubt or None,
        "gross": _split(pair.gross), "net": _split(pair.net), "net_missing": pair.missing or None,
        "net_of_unused": _split(pair.nets.get("unused")),
        "power_w": pair.power, "time_s_per_token": pair.time,
    }  # fmt: skip


def _split(split: Split | None) -> dict[str, Any] | None:
    if split is None:
        return None
    return {
        "reference_j": split.reference, "scheme_j": split.scheme, "delta_j": split.longer + split.power,
        "longer_time_j": split.longer, "other_power_j": split.power, "delta_ci": [split.delta.low, split.delta.high],
        "delta_assumed": split.delta.assumed,
    }  # fmt: skip
