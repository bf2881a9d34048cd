"""What is worth telling about the nodes of a sweep, as findings. Nothing is left out for it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.alike import MOST, MOST_NAMES, listed
from bench.analysis.hardware import Part
from bench.record.schema import Finding
from bench.record.suggested import quoted

from .nodes import Fleet, Node, Nodes
from .outlying import LEAST


def of_nodes(found: Nodes | None) -> tuple[Finding, ...]:
    """All of them; () for a run on one node."""
    if found is None:
        return ()
    return (*_outlying(found), *_difference_findings(found), *_few(found), *_blocks(found))


def _outlying(found: Nodes) -> list[Finding]:
    known = [(node, fleet) for fleet in found.fleets for node in fleet.nodes if node.outlying]
    known.sort(key=lambda item: -abs(item[0].z or 0.0))
    told = [_finding_of_node(node, fleet) for node, fleet in known[:MOST]]
    if len(known) > MOST:
        rest = [node.name for node, _ in known[MOST:]]
        told.append(
            Finding(
                "outlying-node", "warning", f"{len(rest)} more nodes stand apart from the median node",
                listed(rest), "see the table of nodes: so many may be two kinds of machine",
            )
        )  # fmt: skip
    return told


def _finding_of_node(node: Node, fleet: Fleet) -> Finding:
    factor, z = node.factor or 1.0, node.z or 0.0
    compared = sum(other.factor is not None for other in fleet.nodes)
    count = len(node.blocks)
    evidence = [
        f"robust z {z:+.1f} among {compared} nodes",
        f"{count} {'block' if count == 1 else 'blocks'}" + (f": {listed(node.blocks, 3)}" if count else ""),
        *(node.unusual or ("its recorded state is like the others'",)),
    ]
    return Finding(
        "outlying-node",
        "warning",
        f"node {node.name} takes ×{factor:.3f} the time per token of the median node",
        "; ".join(evidence),
        "look at the node and drain it if it stays so; its Records are kept and ratios within a block are unaffected, "
        "because both arms ran on it",
    )


def _difference_findings(found: Nodes) -> list[Finding]:
    if not found.differences:
        return []
    facts = ", ".join(difference.fact for difference in found.differences)
    evidence = "; ".join(
        f"{difference.fact} " + ", ".join(f"{value} ({listed(names, 3)})" for value, names in difference.values)
        for difference in found.differences
    )
    unlike = any(difference.hardware for difference in found.differences)
    meaning = "each hardware has figures of its own" if unlike else "their figures are taken together"
    remedy = "keep a sweep to like nodes: one partition or --constraint, one image"
    return [Finding("unlike-nodes", "warning", f"the nodes differ in {facts}: {meaning}", evidence, remedy)]


def _few(found: Nodes) -> list[Finding]:
    """Two nodes differ, and which of them is the odd one cannot be told."""
    made = []
    for fleet in found.fleets:
        compared = [node for node in fleet.nodes if node.factor is not None]
        if 1 < len(compared) < LEAST:
            names = " and ".join(node.name for node in compared)
            made.append(
                Finding(
                    "few-nodes", "info", f"with two nodes ({names}) none can be called outlying", fleet.machine,
                    "run on three nodes or more to tell which one is off",
                )
            )  # fmt: skip
    return made


def _blocks(found: Nodes) -> list[Finding]:
    made, blocks = [], found.blocks
    if blocks.split:
        moved = "; ".join(f"{name}: {', '.join(nodes)}" for name, nodes in list(blocks.split.items())[:MOST_NAMES])
        more = len(blocks.split) - MOST_NAMES
        made.append(
            Finding(
                "split-blocks", "info", f"{len(blocks.split)} of {blocks.count} blocks went on on another node",
                moved + (f"; and {more} more" if more > 0 else ""),
                "nothing: arms of such a block are set against each other only where they ran on the same node",
            )
        )  # fmt: skip
    if blocks.incomplete:
        made.append(
            Finding(
                "incomplete-blocks", "info",
                f"{len(blocks.incomplete)} of {blocks.count} blocks lack something that the others have",
                listed(blocks.incomplete), "finish or repeat them: resume the sweep",
            )
        )  # fmt: skip
    if blocks.count and blocks.without:
        made.append(
            Finding(
                "node-without-block", "info",
                f"{len(blocks.without)} {'node has' if len(blocks.without) == 1 else 'nodes have'} no whole block",
                listed(blocks.without), "see whether the node was lost, and drain it if it was more than once",
            )
        )  # fmt: skip
    return made


def of_parts(parts: Sequence[Part]) -> tuple[Finding, ...]:
    """What a report of a sweep over unlike nodes tells of one hardware only."""
    if len(parts) < 2:
        return ()
    others = "; ".join(part.name for part in parts[1:])
    return (
        Finding(
            "explained-hardware", "info",
            f"ledger, causes, hypotheses and remedies are of {parts[0].name} only, which has the most Records",
            f"not in them: {others}", f"see {quoted('explain')} and this run folder for each hardware",
        ),
    )  # fmt: skip
