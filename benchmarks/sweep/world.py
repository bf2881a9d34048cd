"""Simulated nodes, and what a Case takes on one of them. All times are logarithms, so that effects are factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.cluster.design import order, williams

from .noise import SCHEMES, Floats, Recorded

Ints = NDArray[np.int64]
ARMS = len(SCHEMES)
SLOW, DYING = 0, 1  # these two of the nodes: one is 10 % slow, one dies in the middle of its block


@dataclass(frozen=True)
class Effects:
    """Standard deviations, of ln time unless told. ``speed``: of nodes, for all arms alike; ``host``: of the speed of
    nodes' CPUs, which an arm feels by its host share; ``own``: of an arm on a node; ``clock``: relative error of
    nodes' clocks. ``slow``: how much longer the slow node takes; ``warming``: how much longer a warm node takes than a
    cold one (the mean over nodes; exponentially distributed), approached over ``warming_cases`` Cases. ``noise``:
    times the recorded deviations of processes and calls."""

    nodes: int = 500
    speed: float = 0.05
    host: float = 0.05
    own: float = 0.01
    clock: float = 50e-6
    slow: float = 0.10
    warming: float = 0.03
    warming_cases: float = 8.0
    calls: int = 4
    noise: float = 1.0


@dataclass(frozen=True)
class Nodes:
    """``arm`` [nodes, schemes]: what a node adds to ln time of each arm. ``warming`` [nodes]."""

    arm: Floats
    warming: Floats


def make_nodes(rng: np.random.Generator, effects: Effects, host_share: Floats) -> Nodes:
    """New nodes. A clock's offset is left out, because a duration is the difference of two stamps of one clock."""
    n = effects.nodes
    speed = rng.normal(0, effects.speed, n) + np.log1p(rng.normal(0, effects.clock, n))
    speed[SLOW] += np.log1p(effects.slow)
    host = rng.normal(0, effects.host, n)
    own = rng.normal(0, effects.own, (n, ARMS))
    return Nodes(speed[:, None] + host[:, None] * host_share + own, rng.exponential(effects.warming, n))


def measured(
    rng: np.random.Generator, effects: Effects, nodes: Nodes, known: Recorded, node: Ints, place: Ints
) -> Floats:
    """ln of the median over calls of each process. [blocks, settings, schemes] as ``node`` and ``place`` (how many
    Cases the node had run before)."""
    process = rng.choice(known.processes, node.shape)
    calls = np.median(rng.choice(known.calls, (*node.shape, effects.calls)), axis=-1)
    warm = nodes.warming[node] * -np.expm1(-place / effects.warming_cases)
    return known.truth + nodes.arm[node, np.arange(ARMS)] + warm + effects.noise * (process + calls)


@cache
def places(seed: int) -> Ints:
    """[rows, schemes]: at which place of its setting each arm comes, in a sweep's order (bench/cluster/design)."""
    rows = [order(range(ARMS), row, str(seed)) for row in range(len(williams(ARMS)))]
    return np.array([[row.index(arm) for arm in range(ARMS)] for row in rows])


def blocks_in_order(rng: np.random.Generator, blocks: int, settings: int) -> Ints:
    """[blocks, settings, schemes]: the place of each Case in its block: settings in random order, arms balanced."""
    setting = np.argsort(rng.random((blocks, settings)), axis=1)
    chosen = np.stack([places(int(seed)) for seed in rng.integers(0, 64, settings)])
    arm = chosen[:, np.arange(blocks) % chosen.shape[1]].swapaxes(0, 1)
    return setting[:, :, None] * ARMS + arm
