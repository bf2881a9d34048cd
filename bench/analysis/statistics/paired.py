"""The ratio or difference of two arms from *pairs*: both arms measured in one block, on one node.

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
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..statistics import CONFIDENCE, Estimate
from .assumed import Assumed, of_processes, reach
from .resampling import Array, Basis


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

    def bounds(self, more: Assumed, confidence: float) -> tuple[float, float] | tuple[None, None]:
        """``more``: what is assumed of the mean's variance."""
        seen = [(self.error**2, float(self.df))] if self.df else []
        if not seen and not more.variance:
            return None, None
        half = reach(seen, more, confidence)
        return self.mean - half, self.mean + half


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


def paired_ratio(pairs: Sequence[BlockPair], confidence: float = CONFIDENCE) -> Estimate:
    """The arm over the reference, a geometric mean, with its interval; made on the logarithm.

    ``relative_error``: the standard error of the logarithm, as far as it was seen. Raises ValueError for no pairs, or
    values not positive.
    """
    if any(pair.value <= 0 or pair.reference <= 0 for pair in pairs):
        raise ValueError("a ratio needs positive values")
    found = spread([math.log(pair.value) - math.log(pair.reference) for pair in pairs], _nodes(pairs))
    one = of_processes(len(pairs))
    more = one + one
    low, high = found.bounds(more, confidence)
    return Estimate(
        math.exp(found.mean),
        None if low is None else math.exp(low),
        None if high is None else math.exp(high),
        len(pairs),
        sum(pair.samples for pair in pairs),
        found.basis,
        found.error if found.df else None,
        confidence,
        more.text,
    )


def paired_difference(pairs: Sequence[BlockPair], confidence: float = CONFIDENCE) -> Estimate:
    """The arm less the reference, in their unit, with its interval; values may have any sign.

    ``relative_error`` is None: a difference may be 0. Raises ValueError for no pairs.
    """
    found = spread([pair.value - pair.reference for pair in pairs], _nodes(pairs))
    levels = (np.mean([pair.value for pair in pairs]), np.mean([pair.reference for pair in pairs]))
    more = [of_processes(len(pairs)).of_level(float(level)) for level in levels]
    low, high = found.bounds(more[0] + more[1], confidence)
    samples = sum(pair.samples for pair in pairs)
    return Estimate(found.mean, low, high, len(pairs), samples, found.basis, None, confidence, (more[0] + more[1]).text)


def _nodes(pairs: Sequence[BlockPair]) -> list[str]:
    return [pair.node for pair in pairs]
