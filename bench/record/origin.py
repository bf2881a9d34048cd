"""Where a Record was made: the node, its GPUs, and the block of a sweep.

A *block* is all arms of one model, workload and repeat, measured one after the other in one allocation on one node
(bench/cluster). A block whose node was lost goes on elsewhere: then it holds Records of two nodes, and two Records may
be set against each other as a pair only where block and place are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .schema import Environment, Record

# The key of Record.setup that says which block, and at which place in its order: {"name": text, "place": number}.
BLOCK = "block"
# Slurm's own name of the node: on one host several may be simulated, which have the hostname in common.
NODE_VARIABLE = "SLURMD_NODENAME"


@dataclass(frozen=True)
class NodeAndGpus:
    """A node and the GPUs on it that the process could use, by uuid (() on a CPU)."""

    node: str
    gpus: tuple[str, ...]


def node_of(environment: Environment) -> str:
    """The node's name: Slurm's where the Record was made in a Slurm job, else the host's."""
    return environment.variables.get(NODE_VARIABLE) or environment.hostname


def place_of(record: Record) -> NodeAndGpus:
    """Where the Record was made. What ran on the CPU is told apart by its node alone."""
    found = record.environment.gpus if record.case.device != "cpu" else ()
    return NodeAndGpus(node_of(record.environment), tuple(str(gpu.get("uuid", "")) for gpu in found))


def block_of(record: Record) -> str | None:
    """The name of the sweep's block; None for a Record of an ordinary run."""
    known = record.setup.get(BLOCK)
    name = known.get("name") if isinstance(known, Mapping) else None
    return str(name) if name else None
