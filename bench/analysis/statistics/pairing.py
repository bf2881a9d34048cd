"""Two arms set against each other: in pairs where a sweep measured them, else each as a sample of its own.

A pair is what one block measured of both arms on one node and its GPUs. A block that went on elsewhere after its node
was lost gives pairs of what ran on the same node only; see ``unpaired`` for what is left over.

What a node does to both arms alike (a slow clock, a hot rack, a clock that runs fast) is in both halves of a pair and
cancels, so no node can favour an arm. What it does to one arm more than to another (a slow host hurts an arm that
waits for the host) does not cancel, and blocks of one node share it: they are not independent. So the pairs of each
node are averaged first, and Student's t is taken over the nodes. For means near normal this holds at 95 % whatever the
nodes' numbers of blocks and whatever their spreads, which then differ (Ibragimov & Müller 2010, "t-statistic based
correlation and heterogeneity robust inference", Journal of Business & Economic Statistics 28(4)); with one block per
node it is the paired t interval over blocks. docs/adr/0015 tells why variance components are not used (Searle, Casella
& McCulloch 1992, "Variance Components", chapter 3, with Satterthwaite's degrees of freedom, Biometrics Bulletin 2,
1946).

Where all blocks ran on one node, t is taken over its blocks and the basis says so: other nodes are then NOT in it.

The two halves of a pair are still two processes: with fewer than three pairs their spread is assumed (see ``assumed``).

Arms in turns share a drift (a machine that warms up, a neighbour that grows). Where all runs, or processes, of one arm
came before all of the other, a drift is a difference, and no spread within an arm shows it. So the difference is found
once more beside a straight trend over the order in which they were measured (analysis of covariance: Fisher 1932,
"Statistical methods for research workers", section 49.1), and the interval holds what either way allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.record.origin import NodeAndGpus, block_of, place_of
from bench.record.schema import Record

from ..statistics import CONFIDENCE, Estimate, Samples, Statistic, Unit, difference, estimate, location, ratio
from .assumed import ENOUGH, Assumed, Part, freedom_of_reach, of_processes, quantile, reach
from .resampling import Array, Basis, centre
from .runs import run_of

# When a unit was measured, as text that sorts, and the logarithm of what it took.
Measured = tuple[tuple[str, ...], float]
Take = Callable[[Record], Sequence[float]]


def one_after_the_other(arm: Sequence[Measured], reference: Sequence[Measured]) -> bool:
    """Whether all of one arm came before all of the other, each seen often enough to be taken for its spread."""
    if min(len(arm), len(reference)) < ENOUGH:
        return False
    sides = sorted(([when for when, _ in side] for side in (arm, reference)), key=min)
    return max(sides[0]) < min(sides[1])


def with_trend(found: Estimate, arm: Sequence[Measured], reference: Sequence[Measured]) -> Estimate:
    """A ratio of arms that came one after the other, with the interval that a straight trend leaves it."""
    if found.low is None or found.high is None:
        return found
    units = sorted((when, value, side) for side, of in ((1.0, arm), (0.0, reference)) for when, value in of)
    order = np.arange(len(units), dtype=np.float64)
    sides, values = (np.array([unit[place] for unit in units]) for place in (2, 1))
    columns = np.column_stack([np.ones(len(units)), order - order.mean(), sides])
    fitted = np.linalg.lstsq(columns, values, rcond=None)[0]
    left, freedom = values - columns @ fitted, len(units) - 3
    error = math.sqrt(float(left @ left) / freedom * float(np.linalg.inv(columns.T @ columns)[2, 2]))
    low, high = (math.exp(fitted[2] + side * quantile(freedom) * error) for side in (-1.0, 1.0))
    return replace(found, low=min(found.low, low), high=max(found.high, high), freedom=float(freedom))


@dataclass(frozen=True)
class PairPlace:
    """Where both halves of a pair must have been measured."""

    block: str
    place: NodeAndGpus


@dataclass(frozen=True)
class Located:
    """One arm: a sequence of values per Record, and the spot of each; ``spots`` is () for an ordinary run's. ``runs``:
    of which run each is, and ``moments`` when it was begun; () where that is not asked."""

    samples: Samples
    spots: tuple[PairPlace, ...] = ()
    runs: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()

    def measured(self, statistic: Statistic) -> list[Measured]:
        """Its runs where it has several, else its processes, and when each was measured; of positive values."""
        by_run = len(set(self.runs)) > 1
        found: dict[tuple[str, ...], list[tuple[tuple[str, str], float]]] = {}
        for place, (run, moment, part) in enumerate(zip(self.runs, self.moments, self.samples, strict=True)):
            key = (run,) if by_run else (run, str(place))
            found.setdefault(key, []).append(((moment, run), math.log(centre(part, statistic))))
        return [
            (min(when for when, _ in unit), float(np.mean([value for _, value in unit]))) for unit in found.values()
        ]


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
    moments = tuple(record.started_at for record in found)
    return Located(tuple(values for _, values in parts), spots(found), tuple(map(run_of, found)), moments)


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
        between = ratio(arm.samples, reference.samples, statistic=statistic, runs=(arm.runs, reference.runs))
        ordered = _measured_in_order(arm, reference, statistic)
        return with_trend(between, *ordered) if ordered else between
    pairs = matched(arm, reference, statistic)
    return paired_ratio(pairs) if pairs else None


def in_order(arm: Located, reference: Located) -> bool:
    """Whether they were measured one after the other, and nothing is assumed of the days between them."""
    return _positive(arm.samples, reference.samples) and _measured_in_order(arm, reference, "median") is not None


def _measured_in_order(
    arm: Located, reference: Located, statistic: Statistic
) -> tuple[list[Measured], list[Measured]] | None:
    """What each measured and when, of positive values; None where they were not measured one after the other."""
    several = [len(set(side.runs)) > 1 for side in (arm, reference)]
    alike = all(several) or set(arm.runs) == set(reference.runs)
    if not arm.moments or not alike:
        return None
    found = arm.measured(statistic), reference.measured(statistic)
    return found if one_after_the_other(*found) else None


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


@dataclass(frozen=True)
class BlockPair:
    """One block: the location of the arm and of the reference in it (any unit), the node of both, and how many values
    the arm with the fewer had."""

    value: float
    reference: float
    node: str
    samples: int = 1


@dataclass(frozen=True)
class NodeMean:
    """A mean over nodes: ``error`` is its standard error, ``df`` the degrees of freedom (0: nothing was seen)."""

    mean: float
    error: float
    df: int
    basis: Basis

    def bounds(self, more: Assumed) -> tuple[float, float] | tuple[None, None]:
        """``more``: what is assumed of the mean's variance."""
        if not self.seen and not more.variance:
            return None, None
        half = reach(self.seen, more)
        return self.mean - half, self.mean + half

    @property
    def seen(self) -> list[Part]:
        return [(self.error**2, float(self.df))] if self.df else []


def spread(values: Sequence[float] | Array, nodes: Sequence[str]) -> NodeMean:
    """The mean of the nodes' means of ``values`` (one per block; ``nodes`` says where), and how well it is known.

    Raises ValueError where there are none.
    """
    if not len(values):
        raise ValueError("no pairs")
    names = {name: number for number, name in enumerate(dict.fromkeys(nodes))}
    units = np.asarray(values, dtype=np.float64)
    basis: Basis = "paired blocks, one node"
    if len(names) > 1:
        code = np.array([names[node] for node in nodes])
        units, basis = np.bincount(code, units) / np.bincount(code), "paired blocks"
    if len(units) == 1:
        return NodeMean(float(units[0]), 0.0, 0, "one value")
    return NodeMean(float(units.mean()), float(units.std(ddof=1)) / math.sqrt(len(units)), len(units) - 1, basis)


def paired_ratio(pairs: Sequence[BlockPair]) -> Estimate:
    """The arm over the reference, a geometric mean, with its interval; made on the logarithm.

    ``relative_error``: the standard error of the logarithm, as far as it was seen. Raises ValueError for no pairs, or
    values not positive.
    """
    if any(pair.value <= 0 or pair.reference <= 0 for pair in pairs):
        raise ValueError("a ratio needs positive values")
    found = spread([math.log(pair.value) - math.log(pair.reference) for pair in pairs], _nodes(pairs))
    one = of_processes(len(pairs))
    more = one + one
    low, high = found.bounds(more)
    return Estimate(
        math.exp(found.mean),
        None if low is None else math.exp(low),
        None if high is None else math.exp(high),
        len(pairs),
        sum(pair.samples for pair in pairs),
        found.basis,
        found.error if found.df else None,
        CONFIDENCE,
        more.text,
        freedom_of_reach(found.seen, more),
    )


def paired_difference(pairs: Sequence[BlockPair]) -> Estimate:
    """The arm less the reference, in their unit, with its interval; values may have any sign.

    ``relative_error`` is None: a difference may be 0. Raises ValueError for no pairs.
    """
    found = spread([pair.value - pair.reference for pair in pairs], _nodes(pairs))
    levels = (np.mean([pair.value for pair in pairs]), np.mean([pair.reference for pair in pairs]))
    more = [of_processes(len(pairs)).of_level(float(level)) for level in levels]
    both = more[0] + more[1]
    low, high = found.bounds(both)
    samples, freedom = sum(pair.samples for pair in pairs), freedom_of_reach(found.seen, both)
    return Estimate(found.mean, low, high, len(pairs), samples, found.basis, None, CONFIDENCE, both.text, freedom)


def _nodes(pairs: Sequence[BlockPair]) -> list[str]:
    return [pair.node for pair in pairs]
