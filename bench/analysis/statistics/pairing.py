"""Two arms set against each other: in pairs where a sweep measured them, else each as a sample of its own.

A pair is what one block measured of both arms on one node and its GPUs. A block that went on elsewhere after its node
was lost gives pairs of what ran on the same node only; see ``unpaired`` for what is left over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.record.origin import NodeAndGpus, block_of, place_of
from bench.record.schema import Record

from ..runs import run_of
from ..statistics import Estimate, Samples, Statistic, Unit, difference, estimate, location, ratio
from .paired import BlockPair, paired_difference, paired_ratio

Take = Callable[[Record], Sequence[float]]


@dataclass(frozen=True)
class PairPlace:
    """Where both halves of a pair must have been measured."""

    block: str
    place: NodeAndGpus


@dataclass(frozen=True)
class Located:
    """One arm: a sequence of values per Record, and the spot of each; ``spots`` is () for an ordinary run's. ``runs``:
    of which run each is; () where that is not asked."""

    samples: Samples
    spots: tuple[PairPlace, ...] = ()
    runs: tuple[str, ...] = ()


def taking(name: str) -> Take:
    """The values of one metric."""
    return lambda record: record.values(name)


def spots(records: Sequence[Record]) -> tuple[PairPlace, ...]:
    """One per Record; () where one of them is no sweep's."""
    blocks = [block_of(record) for record in records]
    found = [
        PairPlace(block, place_of(record)) for block, record in zip(blocks, records, strict=True) if block is not None
    ]
    return tuple(found) if len(found) == len(records) else ()


def located(records: Sequence[Record], take: Take) -> Located:
    """What ``take`` finds in the Records that have any of it."""
    parts = [(record, values) for record in records if (values := tuple(take(record)))]
    found = [record for record, _ in parts]
    return Located(tuple(values for _, values in parts), spots(found), tuple(map(run_of, found)))


def partners(records: Sequence[Record], base: Sequence[Record]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Both arms of a sweep less the Records that have no partner; as they are where there are no pairs at all."""
    here, there = spots(records), spots(base)
    common = set(here) & set(there)
    if not common:
        return tuple(records), tuple(base)
    return _records_at(records, here, common), _records_at(base, there, common)


def estimate_of(records: Sequence[Record], take: Take) -> Estimate | None:
    """The location of one arm with its interval, in a sweep over its nodes; None where nothing is found."""
    arm = located(records, take)
    return level_of(arm) if arm.samples else None


def level_of(arm: Located, statistic: Statistic = "median") -> Estimate:
    """The same of an arm that has values. Raises ValueError where it has none."""
    nodes = [spot.place.node for spot in arm.spots] or None
    return estimate(arm.samples, statistic=statistic, nodes=nodes)


def ratio_between(
    records: Sequence[Record], base: Sequence[Record], take: Take, *, paired: bool = True
) -> Estimate | None:
    """The Records' location over the base's with its interval; None where it cannot be formed: a side without
    values, a value that is not positive, or a sweep's arms that no block measured on one node.

    ``paired``: False for Records of different sweeps, whose blocks have nothing in common.
    """
    return ratio_of(located(records, take), located(base, take), paired=paired)


def ratio_of(
    arm: Located, reference: Located, statistic: Statistic = "median", *, paired: bool = True
) -> Estimate | None:
    """The same of two arms as they were located."""
    if not arm.samples or not reference.samples or not _positive(arm.samples, reference.samples):
        return None
    if not (paired and arm.spots and reference.spots):
        return ratio(arm.samples, reference.samples, statistic=statistic, runs=(arm.runs, reference.runs))
    pairs = matched(arm, reference, statistic)
    return paired_ratio(pairs) if pairs else None


def difference_between(
    arm: Located,
    reference: Located,
    statistic: Statistic = "median",
    *,
    unit: Unit = "processes",
    levels: tuple[float, float] | None = None,
) -> Estimate:
    """The arm's location less the reference's with its interval: in pairs where there are any, else as ``difference``.
    Raises ValueError where a side has no values."""
    pairs = matched(arm, reference, statistic)
    if pairs:
        return paired_difference(pairs)
    return difference(arm.samples, reference.samples, statistic=statistic, unit=unit, levels=levels)


def matched(arm: Located, reference: Located, statistic: Statistic = "median") -> list[BlockPair]:
    """The pairs of two arms, in the order of the arm's Records."""
    here, there = _by_spot(arm), _by_spot(reference)
    return [
        BlockPair(
            location(here[spot], statistic),
            location(there[spot], statistic),
            spot.place.node,
            min(sum(map(len, side)) for side in (here[spot], there[spot])),
        )
        for spot in here
        if spot in there
    ]


def _by_spot(side: Located) -> Mapping[PairPlace, Samples]:
    found: dict[PairPlace, list[Sequence[float]]] = {}
    for spot, values in zip(side.spots, side.samples, strict=bool(side.spots)):
        found.setdefault(spot, []).append(values)
    return found


def _records_at(records: Sequence[Record], own: Sequence[PairPlace], wanted: set[PairPlace]) -> tuple[Record, ...]:
    return tuple(record for record, spot in zip(records, own, strict=True) if spot in wanted)


def _positive(*sides: Samples) -> bool:
    return all(value > 0 for side in sides for part in side for value in part)
