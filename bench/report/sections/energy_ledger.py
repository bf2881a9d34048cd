"""Where the joules go: ΔE = P_ref·Δt + t_scheme·ΔP, as a table of the ledger's section and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.energy.baselines import NAMES
from bench.analysis.energy.ledger import EnergyPair, Split
from bench.analysis.explain import Explanation
from bench.analysis.statistics.assumed import mark
from bench.report.content import Column, Table, drop_uniform, table
from bench.report.words import AMOUNTS, short_labels


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


def document(found: Explanation) -> dict[str, Any]:
    """Every pair's joules as JSON."""
    return {"energy": [_document(pair) for pair in found.energy]}


def _document(pair: EnergyPair) -> dict[str, Any]:
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
