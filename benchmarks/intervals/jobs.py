"""What is simulated, cut into jobs for several processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.analysis.statistics.spread import ASSUMED, FREEDOM

from . import coverage, runs, times
from .world import Spread, scenes

SEED = 20261130
SPREADS = (
    Spread("as assumed", ASSUMED.host, ASSUMED.gpu, FREEDOM),
    Spread("the same on every machine", ASSUMED.host, ASSUMED.gpu),
    Spread("none", 0.0, 0.0),
)
Row = dict[str, Any]
# The part, the index of the spread, the index of the scene, pairs or runs, repeats: scenes hold functions, which do not
# go to another process.
Job = tuple[str, int, int, int, int]


def traces(pairs: int) -> Iterator[Job]:
    """Every scene with every spread."""
    for spread in range(len(SPREADS)):
        for scene in range(len(scenes())):
            yield "traces", spread, scene, pairs if spread == 0 else pairs // 3, 1


def of_times(pairs: int) -> Iterator[Job]:
    """Every scene with every spread."""
    for spread in range(len(SPREADS)):
        for scene in range(len(times.time_scenes())):
            yield "times", spread, scene, pairs if spread == 0 else pairs // 3, 1


def of_runs(pairs: int) -> Iterator[Job]:
    """Every scene with each number of repeats."""
    for repeats in runs.REPEATS:
        for scene in range(len(scenes())):
            yield "runs", 0, scene, pairs, repeats


def worked(job: Job) -> list[Row]:
    """A row per kind of interval."""
    part, spread, place, pairs, repeats = job
    scene = (times.time_scenes() if part == "times" else scenes())[place]
    with tempfile.TemporaryDirectory() as folder:
        if part == "times":  # each scene has draws of its own, so that they are separate trials
            found, told = times.counted(scene, SPREADS[spread], pairs, SEED + 1 + place, Path(folder)), {}
        elif part == "traces":
            found, told = coverage.counted(scene, SPREADS[spread], pairs, SEED, Path(folder)), {}
        else:
            found = runs.counted(scene, SPREADS[spread], pairs, repeats, SEED, Path(folder))
            told = {"repeats": repeats}
    told |= {"spread": SPREADS[spread].name, "regime": scene.regime, "planted": scene.cause, "pairs": pairs}
    return [{**told, "kind": kind, **asdict(count)} for kind, count in found.items()]
