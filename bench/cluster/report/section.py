"""The section on the nodes of a sweep. A report of one node has none."""

from __future__ import annotations

from functools import partial

from bench.cluster.analysis.nodes import Fleet, Node, Nodes, Rates
from bench.report import units
from bench.report.content import FigureSpec, Section
from bench.report.words import setting_text

from . import figure as figure_nodes
from . import tables as tables

MOST_FIGURES = 4


def section(found: Nodes | None) -> Section | None:
    """Variation, speeds by node, throughput by node and scheme."""
    if found is None:
        return None
    several = len(found.fleets) > 1
    text = (
        _counted(found),
        *(tables.variation(fleet, several) for fleet in found.fleets if len(fleet.nodes) > 1),
        *_outlying(found),
    )
    compared = [fleet for fleet in found.fleets if sum(node.factor is not None for node in fleet.nodes) > 1]
    drawn = [(fleet, rates) for fleet in compared for rates in fleet.rates][:MOST_FIGURES]
    figures = [_factors(compared)] if compared else []
    figures += [_heat(fleet, rates, place) for place, (fleet, rates) in enumerate(drawn)]
    made = [tables.throughput(fleet, rates, several) for fleet in found.fleets for rates in fleet.rates]
    return Section("nodes", "Nodes", text, tuple(figures), (tables.nodes(found), *made))


def _counted(found: Nodes) -> str:
    blocks = found.blocks
    counts = [units.plural(len(found.names), "node")]
    if len(found.fleets) > 1:
        counts.append(f"{len(found.fleets)} kinds of hardware")
    if blocks.count:
        counts.append(units.plural(blocks.count, "block"))
        counts.append(f"{len(blocks.split)} split over nodes, {len(blocks.incomplete)} incomplete")
    alike = " Nodes are compared within one kind of hardware only." if len(found.fleets) > 1 else ""
    return f"{', '.join(counts)}.{alike}"


def _outlying(found: Nodes) -> tuple[str, ...]:
    flagged: list[Node] = [node for node in found.nodes if node.outlying]
    if not flagged:
        return ()
    flagged.sort(key=lambda node: -abs(node.z or 0.0))
    names = ", ".join(f"{node.name} ×{node.factor:.3f}" for node in flagged[:MOST_FIGURES])
    more = f" and {len(flagged) - MOST_FIGURES} more" if len(flagged) > MOST_FIGURES else ""
    return (f"Outlying: {names}{more}. Kept in every figure; ratios within a block are not touched by it.",)


def _factors(fleets: list[Fleet]) -> FigureSpec:
    caption = (
        "Measured: decode time per token of each node ÷ the median node's, every arm together (least squares, additive "
        "on the logarithm). Diamonds: outlying. Grey band: within 2 %, never outlying. "
        f"Machine: {'; '.join(fleet.machine for fleet in fleets)}."
    )
    return FigureSpec("node-factors", "How far nodes are from the median node", caption, partial(_draw_factors, fleets))


def _draw_factors(fleets: list[Fleet]) -> object:
    return figure_nodes.factors(fleets[:MOST_FIGURES])


def _heat(fleet: Fleet, rates: Rates, place: int) -> FigureSpec:
    rows = figure_nodes.drawn(fleet, rates)
    left = len(rates.rates) - len(rows)
    sample = (
        f" {left} of {len(rates.rates)} nodes are not drawn: those that stand out most are, and of the others a sample "
        "evenly by speed; the table has all."
        if left
        else ""
    )
    flagged = " !: outlying." if any(node.outlying for node in rows) else ""
    caption = (
        "Measured: decode tokens per second by node and scheme, slowest node first. ↓, ↑ and colour: more than 2 % "
        f"slower or faster than the scheme's median over nodes.{flagged} Setting: {setting_text(rates.setting)}. "
        f"Machine: {fleet.machine}.{sample}"
    )
    name = "node-throughput" if place == 0 else f"node-throughput-{place + 1}"
    return FigureSpec(name, "Throughput by node and scheme", caption, partial(figure_nodes.heat, fleet, rates))
