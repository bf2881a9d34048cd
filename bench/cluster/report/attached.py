"""What a report says otherwise of a run on many nodes."""

from __future__ import annotations

from functools import partial

from bench.cluster.analysis.node_findings import of_nodes, of_parts
from bench.cluster.analysis.nodes import Nodes, nodes
from bench.record.schema import Environment
from bench.report import units
from bench.report.analysed import Analysed, Attached
from bench.report.words import machine_text

from .fleet import environment
from .section import section


def of_run(analysed: Analysed) -> Attached | None:
    """None where all was measured on one node."""
    found = nodes(analysed.records)
    headline = (*of_nodes(found), *of_parts(analysed.parts))
    if found is None:
        return Attached("first", lambda _: (), headline) if headline else None
    return Attached(
        "first",
        lambda _: (section(found),),
        headline,
        machine_line(analysed.latest.environment, found),
        partial(environment, analysed.records),
    )


def machine_line(environment: Environment, found: Nodes) -> str:
    """All machines in one line. ``environment``: of any record; where the nodes have like hardware, what it says of
    that holds for all."""
    count = units.plural(len(found.names), "node")
    if len(found.fleets) == 1:
        return f"{count}, each {machine_text(environment).removesuffix(environment.os).removesuffix(' · ')}"
    kinds = "; ".join(f"{len(fleet.nodes)} × {fleet.machine}" for fleet in found.fleets)
    return f"{count} of {len(found.fleets)} kinds: {kinds}"
