"""The same for a run: ledgers and causes over one, two or four repeats, each a fresh process of both arms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.analysis.ledger.accounting import account
from bench.analysis.ledger.closure import Side, close
from bench.analysis.ledger.costs import StepCosts
from bench.analysis.ledger.read import step_costs
from bench.analysis.statistics import Samples
from bench.analysis.traces.arm import leading

from .coverage import NOTHING, Count, Told, bounded, truth_of
from .world import Scene, Spread, play, read

REPEATS = (1, 2, 4)
CALLS = 3


def counted(scene: Scene, spread: Spread, runs: int, repeats: int, seed: int, folder: Path) -> dict[str, Count]:
    """By kind of interval; the observer's cost is taken for known."""
    truth = truth_of(scene, folder)
    counts: dict[str, Count] = defaultdict(Count)
    for number in range(runs):
        rng = np.random.default_rng((seed, number))
        machine = spread.of_machine(rng)
        sides = [_side(decode, rng, machine, repeats, folder) for decode in (scene.reference, scene.candidate)]
        closed = close(*sides)
        causes = account(sides[0], sides[1], closed)
        delta = closed.delta
        told: Iterator[Told] = bounded("line", closed.lines, truth.lines)
        for item in (*told, *bounded("cause", causes, truth.causes)):
            counts[item.kind].add(item, NOTHING * truth.reference)
        if delta.low is not None and delta.high is not None:
            wall = Told("difference of times", "wall", truth.candidate - truth.reference, delta.low, delta.high)
            counts[wall.kind].add(wall, 0.0)
    return dict(counts)


def _side(decode: object, rng: np.random.Generator, machine: tuple[float, float], repeats: int, folder: Path) -> Side:
    """Fresh processes, each with calls that are timed and one that is observed."""
    walls: list[tuple[float, ...]] = []
    seen: list[StepCosts] = []
    for _ in range(repeats):
        factors = tuple(float(np.exp(rng.normal(0.0, each))) for each in machine)
        calls = [
            step_costs(read(play(decode, rng, (0.0, 0.0), observed=False, factors=factors), folder / "call.json"))  # type: ignore[arg-type]
            for _ in range(CALLS + 1)
        ]
        walls.append(tuple(float(call.wall.mean()) * 1e-9 for call in calls[:CALLS]))
        seen.append(calls[CALLS])
    names = dict.fromkeys(name for costs in seen for name in costs.causes)
    lines = {name: tuple(tuple((costs.causes[name] * 1e-9).tolist()) for costs in seen) for name in names}
    leads = [leading(costs) for costs in seen]
    keys = dict.fromkeys(key for each in leads for key in each)
    zero: Samples = ((0.0,) * seen[0].steps,)
    led = {key: tuple(tuple(each.get(key, zero)[0]) for each in leads) for key in keys}
    plain = tuple((float(np.median(part)),) for part in walls)
    return Side(tuple(walls), lines, plain, leading=led)
