"""What the nodes of a sweep have to do with its figures: how fast each is, how much they differ, which stands apart.

Decode time per token is modelled as node × arm, additive on the logarithm (two_way.py; an arm is a setting and a
scheme): a node that is 10 % slower is so for every arm. Only nodes of like hardware are set against each other. No
node is left out of anything for standing apart: ratios within a block are not touched by it, since both arms ran there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.generation import call_times
from bench.analysis.grouping import Coordinates, scheme_rank, setting_of
from bench.analysis.hardware import by_machine, machine_names
from bench.analysis.machines import Difference, differences
from bench.record.instruments import QUALITY
from bench.record.origin import block_of, node_of
from bench.record.schema import Record

from .blocks import Blocks, blocks
from .node_state import NodeState, states, unusual
from .node_variance import Variation, variation
from .outlying import far, modified_z
from .two_way import Floats, Ints, fit

# A node within 2 % of the median one is never called outlying: where all nodes are as good as equal, z is large for
# nothing.
FLOOR = 0.02


@dataclass(frozen=True)
class Node:
    """One node. ``factor``: its time per token ÷ the median node's (above 1: slower); None where it has no decode
    time, or none that can be compared. ``z``: how far from the others (outlying.py). ``unusual``: how its state differs
    from that of the others, in words. ``gpus``: uuids of those that were used."""

    name: str
    machine: str
    gpus: tuple[str, ...]
    records: int
    blocks: tuple[str, ...]
    factor: float | None
    z: float | None
    outlying: bool
    state: NodeState
    unusual: tuple[str, ...]


@dataclass(frozen=True)
class Rates:
    """Decode tok/s by node and scheme in one setting; what was not measured is absent."""

    setting: Coordinates
    schemes: tuple[str, ...]
    rates: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Fleet:
    """Nodes of like hardware, in order of first appearance. ``parts``: groups of nodes that have no arm in common, so
    that nodes are compared within them only. ``steady``: the variation without the outlying nodes, where there are
    any."""

    machine: str
    nodes: tuple[Node, ...]
    rates: tuple[Rates, ...]
    variation: Variation | None
    steady: Variation | None
    parts: int


@dataclass(frozen=True)
class Nodes:
    """All nodes of a run. ``differences``: in what they differ of hardware, driver and packages."""

    fleets: tuple[Fleet, ...]
    blocks: Blocks
    differences: tuple[Difference, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(node for fleet in self.fleets for node in fleet.nodes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(node.name for node in self.nodes))


@dataclass(frozen=True)
class _Times:
    """Decode times as a table. Row i was made on ``node[i]`` in ``stint[i]``: the part of a block on one node."""

    names: tuple[str, ...]
    node: Ints
    stint: Ints
    arm: Ints
    log: Floats

    def without(self, left_out: Iterable[str]) -> _Times | None:
        """Less some nodes, numbered anew; None where nothing is left."""
        out = [self.names.index(name) for name in left_out]
        kept = ~np.isin(self.node, out)
        if not kept.any():
            return None
        names = tuple(name for place, name in enumerate(self.names) if place not in out)
        node, stint, arm = (_dense(column[kept]) for column in (self.node, self.stint, self.arm))
        return _Times(names, node, stint, arm, self.log[kept])


def nodes(records: Sequence[Record]) -> Nodes | None:
    """The nodes of a run; None where all was measured on one."""
    # Programs are judged on another machine than the one that wrote them: it is no node of the sweep.
    measured = [record for record in records if record.instrument != QUALITY]
    if len({node_of(record.environment) for record in measured}) < 2:
        return None
    parts = by_machine(measured)
    names = machine_names(parts)
    found = tuple(_fleet(part, name) for part, name in zip(parts, names, strict=True))
    return Nodes(found, blocks(measured), differences(measured))


def _fleet(records: Sequence[Record], machine: str) -> Fleet:
    timed = [record for record in records if record.instrument == "generation" and record.status == "ok"]
    logs = [(record, math.log(time)) for record in timed if (time := time_per_token(record)) is not None]
    times = _table(logs)
    effects = _effects(times) if times else {}
    parts = len({part for _, part in effects.values()})
    compared = _compared(effects)
    made = _nodes(records, machine, compared)
    outlying = [node.name for node in made if node.outlying]
    steady = times.without(outlying) if times and outlying else None
    return Fleet(
        machine, made, _rates(logs), _variation(times), _variation(steady), max(parts, 1)
    )  # fmt: skip


def time_per_token(record: Record) -> float | None:
    """The median over calls, s; None where none was timed."""
    times = call_times(record)
    middle = float(np.median(times)) if times else 0.0
    return middle if middle > 0 else None


def _table(logs: Sequence[tuple[Record, float]]) -> _Times | None:
    if not logs:
        return None
    names: dict[str, int] = {}
    stints: dict[tuple[str, str | None], int] = {}
    arms: dict[str, int] = {}
    rows = []
    for record, _ in logs:
        name = node_of(record.environment)
        node = names.setdefault(name, len(names))
        stint = stints.setdefault((name, block_of(record)), len(stints))
        rows.append((node, stint, arms.setdefault(record.case_id, len(arms))))
    node_column, stint_column, arm_column = np.array(rows, np.int64).T
    return _Times(tuple(names), node_column, stint_column, arm_column, np.array([log for _, log in logs]))


def _dense(values: Ints) -> Ints:
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _effects(times: _Times) -> dict[str, tuple[float, int]]:
    """Node → effect on the logarithm and part."""
    found = fit(times.node, times.arm, times.log)
    return {name: (float(found.rows[i]), int(found.part[i])) for i, name in enumerate(times.names)}


@dataclass(frozen=True)
class _Deviation:
    """A node among those it is compared with: the logarithm of its factor, z, and whether z is beyond their limit."""

    log: float
    z: float
    far: bool


def _compared(effects: Mapping[str, tuple[float, int]]) -> dict[str, _Deviation]:
    """Only nodes with another one in their part."""
    parts: dict[int, dict[str, float]] = {}
    for name, (effect, part) in effects.items():
        parts.setdefault(part, {})[name] = effect
    found: dict[str, _Deviation] = {}
    for members in parts.values():
        if len(members) > 1:
            values = np.array(list(members.values()))
            columns = (values - np.median(values)).tolist(), modified_z(values).tolist(), far(values).tolist()
            found |= {name: _Deviation(*of) for name, *of in zip(members, *columns, strict=True)}
    return found


def _nodes(records: Sequence[Record], machine: str, compared: Mapping[str, _Deviation]) -> tuple[Node, ...]:
    own: dict[str, list[Record]] = {}
    for record in records:
        own.setdefault(node_of(record.environment), []).append(record)
    known = states(own)
    apart = unusual(known)
    return tuple(
        _node(name, found, machine, compared.get(name), known[name], apart[name]) for name, found in own.items()
    )


def _node(
    name: str,
    records: Sequence[Record],
    machine: str,
    deviation: _Deviation | None,
    state: NodeState,
    apart: tuple[str, ...],
) -> Node:
    outlying = deviation is not None and deviation.far and abs(deviation.log) > math.log1p(FLOOR)
    gpus = [str(gpu["uuid"]) for r in records if r.case.device != "cpu" for gpu in r.environment.gpus if "uuid" in gpu]
    return Node(
        name, machine, tuple(dict.fromkeys(gpus)), len(records),
        tuple(dict.fromkeys(block for record in records if (block := block_of(record)))),
        math.exp(deviation.log) if deviation else None, deviation.z if deviation else None, outlying, state, apart,
    )  # fmt: skip


def _variation(times: _Times | None) -> Variation | None:
    return variation(times.node, times.stint, times.arm, times.log) if times else None


def _rates(logs: Sequence[tuple[Record, float]]) -> tuple[Rates, ...]:
    settings: dict[Coordinates, dict[str, dict[str, list[float]]]] = {}
    for record, log in logs:
        of_node = settings.setdefault(setting_of(record.case), {}).setdefault(node_of(record.environment), {})
        of_node.setdefault(record.case.scheme, []).append(log)
    return tuple(
        Rates(
            setting,
            tuple(sorted({scheme for found in by_node.values() for scheme in found}, key=scheme_rank)),
            {
                name: {scheme: math.exp(-float(np.mean(values))) for scheme, values in found.items()}
                for name, found in by_node.items()
            },
        )
        for setting, by_node in settings.items()
    )
