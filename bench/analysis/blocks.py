"""Which blocks of a sweep are whole, and which went on elsewhere after their node was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.origin import block_of, node_of
from bench.record.schema import Record


@dataclass(frozen=True)
class Blocks:
    """``count``: of blocks with a Record. ``incomplete``: blocks without a good Record of something that another block
    of the same model and workload has. ``split``: block → the nodes it ran on, where there are several. ``without``:
    nodes that ran no block from its beginning to its end."""

    count: int
    incomplete: tuple[str, ...]
    split: dict[str, tuple[str, ...]]
    without: tuple[str, ...]


def blocks(records: Sequence[Record]) -> Blocks:
    """The blocks of a run; Records of no block are left aside."""
    found: dict[str, list[Record]] = {}
    for record in records:
        name = block_of(record)
        if name is not None:
            found.setdefault(name, []).append(record)
    kinds = {name: _kind(own) for name, own in found.items()}
    good = {name: {record.key[:2] for record in own if record.status == "ok"} for name, own in found.items()}
    wanted: dict[object, set[tuple[str, str]]] = {}
    for name, kind in kinds.items():
        wanted.setdefault(kind, set()).update(good[name])
    ran_on = {name: tuple(dict.fromkeys(node_of(record.environment) for record in own)) for name, own in found.items()}
    incomplete = tuple(name for name, kind in kinds.items() if good[name] < wanted[kind])
    split = {name: places for name, places in ran_on.items() if len(places) > 1}
    whole = {places[0] for name, places in ran_on.items() if name not in split and name not in incomplete}
    every = dict.fromkeys(place for places in ran_on.values() for place in places)
    return Blocks(len(found), incomplete, split, tuple(place for place in every if place not in whole))


def _kind(records: Sequence[Record]) -> object:
    """What all blocks with these models and workloads should hold alike."""
    cases = [record.case for record in records if record.case.workload != "machine"]
    return frozenset((case.model, case.revision, case.workload, case.device) for case in cases)
