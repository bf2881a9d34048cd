"""The machine of a report in one line: one machine, or the nodes of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.hardware import Part
from bench.cluster.analysis.nodes import Nodes
from bench.record.schema import Environment

from . import units
from .words import machine_text


def machine_line(environment: Environment, found: Nodes | None) -> str:
    """``environment``: of any record; where the nodes have like hardware, what it says of that holds for all."""
    if found is None:
        return machine_text(environment)
    count = units.plural(len(found.names), "node")
    if len(found.fleets) == 1:
        return f"{count}, each {machine_text(environment).removesuffix(environment.os).removesuffix(' · ')}"
    kinds = "; ".join(f"{len(fleet.nodes)} × {fleet.machine}" for fleet in found.fleets)
    return f"{count} of {len(found.fleets)} kinds: {kinds}"


def labels(parts: Sequence[Part]) -> tuple[str, ...]:
    """What a reader must know before any figure of a sweep over unlike nodes."""
    if len(parts) < 2:
        return ()
    return (
        f"Nodes of {len(parts)} kinds of hardware: every ratio is within one kind. Why, ledger, hypotheses and what to "
        f"change are of {parts[0].name} only.",
    )
