"""What the tool's own functions say of simulated records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.analysis import energy
from bench.analysis.energy import EnergyRow
from bench.record.schema import Record

from .board import record, true_net
from .scenarios import ALIKE, APART, DRIFTING, Scenario

ARMS = ("fp16", "nf4")


def alike(seed: int, replicates: int) -> list[dict[str, Any]]:
    """How often a verdict is given where there is no difference, or none worth one."""
    return [_verdicts(item, seed, replicates) for item in ALIKE]


def apart(seed: int, replicates: int) -> list[dict[str, Any]]:
    """How often a difference is found."""
    return [_verdicts(item, seed, replicates) for item in APART]


def drifting(seed: int, replicates: int) -> list[dict[str, Any]]:
    """How often the interval of what is net of the context held holds the truth."""
    return [_net(item, seed, replicates) for item in DRIFTING]


def both(scenario: Scenario, rng: np.random.Generator) -> list[Record]:
    """Records of both arms, in turns."""
    worlds = dict(zip(ARMS, (scenario.world, scenario.second), strict=True))
    return [record(worlds[arm], rng, arm, repeat) for repeat in range(scenario.processes) for arm in ARMS]


def row_of(records: Sequence[Record], scheme: str) -> EnergyRow:
    """The GPU's row of the table of energy."""
    (group,) = energy.summarise(records)
    return next(row for row in group.rows if row.scheme == scheme and row.gross)


def _draws(scenario: Scenario, seed: int, replicates: int) -> Iterable[np.random.Generator]:
    place = sum(scenario.name.encode())
    return (np.random.default_rng([seed, place, scenario.processes, index]) for index in range(replicates))


def _verdicts(scenario: Scenario, seed: int, replicates: int) -> dict[str, Any]:
    found: Counter[str] = Counter()
    nets = 0
    for rng in _draws(scenario, seed, replicates):
        row = row_of(both(scenario, rng), ARMS[1])
        found[str(row.verdict)] += 1
        net = row.above("held")
        more = net.more if net else None
        nets += more is not None and more.low is not None and more.high is not None and not more.low <= 0 <= more.high
    shares = {word: count / replicates for word, count in found.items()}
    return _named(scenario, replicates) | {
        "times": scenario.times,
        "verdicts": shares,
        "net differs": nets / replicates,
    }


def _net(scenario: Scenario, seed: int, replicates: int) -> dict[str, Any]:
    truth, held, figures, widths, assumed = true_net(scenario.world), 0, [], [], 0
    for rng in _draws(scenario, seed, replicates):
        records = [record(scenario.world, rng, ARMS[0], repeat) for repeat in range(scenario.processes)]
        net = row_of(records, ARMS[0]).net
        assert net is not None and net.low is not None and net.high is not None
        held += net.low <= truth <= net.high
        assumed += bool(net.assumed)
        figures.append(net.value / truth - 1.0)
        widths.append((net.high - net.low) / 2 / truth)
    share = held / replicates
    return _named(scenario, replicates) | {
        "coverage": share, "error": math.sqrt(share * (1 - share) / replicates), "bias": float(np.mean(figures)),
        "half width": float(np.median(widths)), "assumed": assumed / replicates,
    }  # fmt: skip


def _named(scenario: Scenario, replicates: int) -> dict[str, Any]:
    return {"name": scenario.name, "processes": scenario.processes, "replicates": replicates}
