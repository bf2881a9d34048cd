"""How much nodes differ from each other, apart from how much blocks on one node do, and from the rest.

A variance component model, y = column + node + block in node + rest, of unbalanced data: Henderson's method 3, which
sets reductions in sums of squares equal to their expectations (Henderson 1953, "Estimation of variance and covariance
components", Biometrics 9; Searle, Casella & McCulloch 1992, "Variance components", chapter 5). It is unbiased whatever
is missing. A component below 0 is 0: the data show no such variation beyond the rest.

The interval is that of a mean square, χ² with the nodes' degrees of freedom, less what blocks and the rest add to it
(Williams 1962, "A confidence interval for variance components", Biometrika 49; those taken as known). It takes node
effects as normal, so that with an outlying node it is too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .chi_square import chi_square_quantile
from .two_way import Floats, Ints, TwoWay, counts_of, fit

TAIL = 0.95 / 2


@dataclass(frozen=True)
class Variation:
    """Relative standard deviations (0.01: 1 %). ``block`` None: no node has two blocks, so ``node`` holds both.
    ``rest`` None: nothing is left to tell it by, and then ``node`` holds it too. ``nodes``: how many."""

    node: float
    low: float | None
    high: float | None
    block: float | None
    rest: float | None
    nodes: int


def variation(node: Ints, block: Ints, column: Ints, y: Floats) -> Variation | None:
    """The components. ``y``: logarithms, so that small deviations are relative ones; ``block``: numbered over all
    nodes, those of two nodes apart. None where there are fewer than two nodes, or no two that can be compared."""
    nodes, blocks = fit(node, column, y), fit(block, column, y)
    between = len(y) - int(column.max()) - 1 - nodes.freedom
    if between < 1:
        return None
    shares = _shares(node, block, column)
    rest = blocks.residual / blocks.freedom if blocks.freedom > 0 else None
    held = rest or 0.0
    of_block = _of_block(nodes, blocks, held, shares)
    noise = between * held + shares.blocks_in_nodes * (of_block or 0.0)
    squares = max(0.0, _alone(column, y) - nodes.residual)

    def component(total: float) -> float:
        return math.sqrt(max(0.0, total - noise) / shares.nodes)

    low, high = (component(between * squares / chi_square_quantile(p, between)) for p in (0.5 + TAIL, 0.5 - TAIL))
    block_sd, rest_sd = (None if part is None else math.sqrt(part) for part in (of_block, rest))
    return Variation(component(squares), low, high, block_sd, rest_sd, int(node.max()) + 1)


def _alone(column: Ints, y: Floats) -> float:
    """The sum of squares that the columns leave."""
    apart = y - (np.bincount(column, weights=y) / np.bincount(column))[column]
    return float(apart @ apart)


def _of_block(nodes: TwoWay, blocks: TwoWay, rest: float, shares: _Shares) -> float | None:
    within = nodes.freedom - blocks.freedom
    if within < 1:
        return None
    return max(0.0, nodes.residual - blocks.residual - within * rest) / shares.blocks


@dataclass(frozen=True)
class _Shares:
    """How often each component is in the expected sums of squares: nodes and blocks in that of nodes after columns,
    blocks in that of blocks after nodes."""

    nodes: float
    blocks_in_nodes: float
    blocks: float


def _shares(node: Ints, block: Ints, column: Ints) -> _Shares:
    of_node, of_block = counts_of(node, column), counts_of(block, column)
    per_node, per_block, per_column = of_node.sum(axis=1), of_block.sum(axis=1), of_node.sum(axis=0)
    home = np.zeros(len(per_block), np.int64)
    home[block] = node
    # The trace of the blocks' part in the space of nodes and columns: nodes first, then what columns add.
    normal = np.diag(per_column) - of_node.T @ (of_node / per_node[:, None])
    across = (of_block - (of_node / per_node[:, None])[home] * per_block[:, None]).T
    seen = float((per_block**2 / per_node[home]).sum()) + float(np.trace(np.linalg.pinv(normal) @ (across @ across.T)))
    total = float(per_column.sum())
    return _Shares(
        total - float((of_node**2 / per_column).sum()), seen - float((of_block**2 / per_column).sum()), total - seen
    )  # fmt: skip
