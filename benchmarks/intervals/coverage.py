"""Counts, for every kind of interval that is printed for two traces, how often it holds the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.analysis.replay.change import Change
from bench.analysis.traces.pair import Timed, Trace, TracePair, explain_traces
from bench.analysis.traces.single import predict
from bench.record import causes as c
from bench.record.errors import UsageError

from .world import Scene, Spread, ideal, read, recording, step_ms

# A figure under this share of the step is none: the causes are on a grid, and the truth is found by the same code.
NOTHING = 1e-6


@dataclass(frozen=True)
class Told:
    """One printed interval, ms. ``absent``: the truth is that there is nothing."""

    kind: str
    name: str
    truth: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        return self.low <= self.truth <= self.high

    @property
    def sure(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass
class Count:
    """Of one kind of interval."""

    intervals: int = 0
    holding: int = 0
    absent: int = 0
    absent_sure: int = 0

    def add(self, told: Told, nothing: float) -> None:
        self.intervals += 1
        self.holding += told.holds
        if abs(told.truth) <= nothing and told.kind not in ("ratio", "prediction"):
            self.absent += 1
            self.absent_sure += told.sure


@dataclass(frozen=True)
class Truth:
    """ms per step, by name."""

    lines: Mapping[str, float]
    causes: Mapping[str, float]
    savings: Mapping[str, float]
    reference: float
    candidate: float


def truth_of(scene: Scene, folder: Path) -> Truth:
    """What the machine itself says."""
    traces = []
    for name, decode in (("a", scene.reference), ("b", scene.candidate)):
        analysis = read(ideal(decode), folder / f"{name}.json")
        traces.append(Trace(folder / name, analysis, step_ms(analysis)))
    timed = explain_traces(*traces).timed
    assert timed is not None
    walls = [trace.time_ms or 0.0 for trace in traces]
    return Truth(
        {line.cause: line.delta_ms for line in timed.closed.lines if line.cause in c.CAUSES},
        {cause.cause: cause.delta_ms for cause in timed.causes if cause.cause in c.CAUSES},
        {scene.cause: walls[1] - walls[0]} if scene.cause else {},
        *walls,
    )


def told(pair: TracePair, truth: Truth) -> Iterator[Told]:
    """Every interval of the answer on real time, but for the times themselves: they are counted by themselves."""
    timed = pair.timed
    assert timed is not None
    yield from bounded("line", timed.closed.lines, truth.lines)
    yield from bounded("cause", timed.causes, truth.causes)
    yield from _savings(timed, truth)


def bounded(kind: str, lines: Iterable[object], truth: Mapping[str, float]) -> Iterator[Told]:
    """Lines or causes that have an interval, corrections aside."""
    for line in lines:
        name, low, high = (getattr(line, part) for part in ("cause", "low", "high"))
        if name in c.CAUSES and low is not None and high is not None:
            where = "idle" if name in c.IDLE else "work"
            yield Told(f"{kind}, {where}", name, truth.get(name, 0.0), low, high)


def _savings(timed: Timed, truth: Truth) -> Iterator[Told]:
    for cost in timed.diagnosis.costs:
        if cost.reach is not None:
            low, high = (cost.mean - cost.reach) * 1e-6, (cost.mean + cost.reach) * 1e-6
            yield Told("saving, by replay", cost.cause, truth.savings.get(cost.cause, 0.0), low, high)


def without_times(pair: TracePair, truth: Truth) -> Iterator[Told]:
    """Every interval of the answer from the recordings alone."""
    lines = [line for line in pair.recorded.lines if not line.inflated]
    for item in bounded("GPU work, no times", lines, truth.lines):
        yield Told("GPU work, no times", item.name, item.truth, item.low, item.high)


def prediction(scene: Scene, candidate: Trace, truth: Truth) -> Iterator[Told]:
    """What a replay says of the candidate without the planted cause, which is the reference."""
    if not scene.cause or scene.cause == c.HOST_GAP:
        return
    found = predict(candidate, Change.removing(scene.cause)).found
    if found.low is not None and found.high is not None:
        yield Told("prediction", scene.cause, truth.reference, found.low, found.high)


def counted(scene: Scene, spread: Spread, pairs: int, seed: int, folder: Path) -> dict[str, Count]:
    """By kind of interval; deterministic by the seed."""
    truth = truth_of(scene, folder)
    counts: dict[str, Count] = defaultdict(Count)
    for number in range(pairs):
        rng = np.random.default_rng((seed, number))
        machine = spread.of_machine(rng)
        one = recording(scene.reference, rng, machine, folder / "reference.json")
        other = recording(scene.candidate, rng, machine, folder / "candidate.json")
        try:
            pair = explain_traces(one, other)
        except UsageError:
            counts["refused"].intervals += 1  # a time that is less than the GPU's work in the recorded steps
            continue
        for item in (*told(pair, truth), *without_times(pair, truth), *prediction(scene, other, truth)):
            counts[item.kind].add(item, NOTHING * truth.reference)
    return dict(counts)
