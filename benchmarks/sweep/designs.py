"""Three ways to spread the same Cases over the same nodes: [blocks, settings, schemes] of node and place each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .intervals import Interval, paired, welch
from .noise import SETTINGS, Floats
from .world import ARMS, DYING, SLOW, Effects, Ints, blocks_in_order

Assigned = tuple[Ints, Ints]
Design = Callable[[np.random.Generator, Effects, int], Assigned]
SHAPE = (len(SETTINGS), ARMS)


def in_blocks(rng: np.random.Generator, effects: Effects, blocks: int, among: int | None = None) -> Assigned:
    """Every block on one node (``among``: of that many; None: of all). The first block's node dies in its midst, and
    the rest of it runs on another node; the second block is on the slow node. Nothing else runs on the dead one."""
    place = blocks_in_order(rng, blocks, SHAPE[0])
    pool = np.delete(np.arange(effects.nodes), DYING)[: among or effects.nodes]
    own = rng.choice(pool, blocks) if among is None else pool[np.arange(blocks) % len(pool)]
    node = np.broadcast_to(own[:, None, None], place.shape).copy()
    if among is None:
        node[1] = SLOW
        node[0] = np.where(place[0] < rng.integers(1, place[0].size), DYING, own[0])
    return node, place


def case_by_case(rng: np.random.Generator, effects: Effects, blocks: int) -> Assigned:
    """Every process is a job of its own, on any node."""
    node = rng.integers(0, effects.nodes, (blocks, *SHAPE))
    return node, np.zeros_like(node)


def arm_by_arm(rng: np.random.Generator, effects: Effects, blocks: int) -> Assigned:
    """All repeats of an arm on one node of its own, one after the other."""
    own = rng.choice(effects.nodes, ARMS, replace=False)
    node = np.broadcast_to(own, (blocks, *SHAPE)).copy()
    place = np.broadcast_to(np.arange(blocks * SHAPE[0]).reshape(blocks, -1)[:, :, None], node.shape)
    return node, place


def _unpaired(times: Floats, _node: Ints) -> Interval:
    return welch(times)


DESIGNS: dict[str, tuple[str, Design, Callable[[Floats, Ints], Interval]]] = {
    "paired": ("paired blocks (this tool's sweep)", in_blocks, paired),
    "unpaired": ("without pairing: every Case on any node", case_by_case, _unpaired),
    "own-node": ("without pairing: every arm on a node of its own", arm_by_arm, _unpaired),
}
