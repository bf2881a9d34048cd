"""Which blocks of a sweep are whole, and which went on elsewhere after their node was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.record.origin import block_of, node_of
from bench.record.schema import Record

# A Case and the instrument that measured it.
What = tuple[str, str]


@dataclass(frozen=True)
class Blocks:
    """``count``: of blocks with a Record. ``incomplete``: blocks without a good Record of something that most blocks of
    the same workload have; what is measured once in a sweep is in few of them. ``split``: block → the nodes it ran on,
    where there are several. ``without``: nodes that ran no block from its beginning to its end."""

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
    incomplete = _incomplete(found)
    ran_on = {name: tuple(dict.fromkeys(node_of(record.environment) for record in own)) for name, own in found.items()}
    split = {name: places for name, places in ran_on.items() if len(places) > 1}
    whole = {places[0] for name, places in ran_on.items() if name not in split and name not in incomplete}
    every = dict.fromkeys(place for places in ran_on.values() for place in places)
    return Blocks(len(found), incomplete, split, tuple(place for place in every if place not in whole))


def _incomplete(found: Mapping[str, Sequence[Record]]) -> tuple[str, ...]:
    good = {name: {record.key[:2] for record in own if record.status == "ok"} for name, own in found.items()}
    lacking: list[str] = []
    for names in _workloads(found):
        have = Counter(what for name in names for what in good[name])
        usual = {what for what, count in have.items() if 2 * count > len(names)}
        lacking += [name for name in names if not usual <= good[name]]
    return tuple(name for name in found if name in set(lacking))


def _workloads(found: Mapping[str, Sequence[Record]]) -> list[list[str]]:
    """Blocks that hold a Case in common are repeats of one workload. The machine's own ceilings are in any block."""
    first_with: dict[str, int] = {}
    groups: dict[int, list[str]] = {}
    for number, (name, own) in enumerate(found.items()):
        cases = {record.case_id for record in own if record.case.workload != "machine"}
        joined = {first_with[case] for case in cases if case in first_with}
        groups[number] = [name, *(member for other in joined for member in groups.pop(other))]
        moved = {case for case, home in first_with.items() if home in joined}
        first_with |= dict.fromkeys(cases | moved, number)
    return list(groups.values())
