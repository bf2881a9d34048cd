"""The intervals of the times themselves: their difference and ratio. They need no ledger, and so allow more pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.analysis.ledger.read import step_costs
from bench.analysis.statistics.spread import ASSUMED
from bench.analysis.traces.findings import of_times
from bench.analysis.traces.pair import Trace
from bench.analysis.traces.recorded import recorded
from bench.analysis.traces.times import bounded_time, given_time, time_ratio
from bench.record import causes as c
from bench.record.errors import UsageError
from benchmarks.fidelity.decode import Decode

from .coverage import NOTHING, Count, Told
from .world import Scene, Spread, ideal, read, recording, scenes, step_ms

# The GPU hides the host, but for a process whose host is slower by a third.
BALANCED = Decode(host=9_000, gemm=18_000)


def time_scenes() -> tuple[Scene, ...]:
    """All scenes, and two between host and GPU: no difference, and longer kernels."""
    longer = replace(BALANCED, gemm=22_000)
    return (*scenes(), Scene("balanced", BALANCED, BALANCED, ""), Scene("balanced", BALANCED, longer, c.GEMM))


def counted(scene: Scene, spread: Spread, pairs: int, seed: int, folder: Path) -> dict[str, Count]:
    """By kind of interval; deterministic by the seed."""
    truth = [step_ms(read(ideal(decode), folder / "ideal.json")) for decode in (scene.reference, scene.candidate)]
    counts: dict[str, Count] = defaultdict(Count)
    for number in range(pairs):
        rng = np.random.default_rng((seed, number))
        machine = spread.of_machine(rng)
        one = recording(scene.reference, rng, machine, folder / "reference.json")
        other = recording(scene.candidate, rng, machine, folder / "candidate.json")
        try:
            for item in told(one, other, (truth[0], truth[1])):
                counts[item.kind].add(item, NOTHING * truth[0])
        except UsageError:
            counts["refused"].intervals += 1  # a time that is less than the GPU's work in the recorded steps
    return dict(counts)


def told(one: Trace, other: Trace, truth: tuple[float, float]) -> Iterator[Told]:
    """Both intervals. ``truth``: ms per step. Raises UsageError where a time is refused."""
    both = one, other
    times = given_time(one.time_ms or 0.0), given_time(other.time_ms or 0.0)
    steps = one.step_range, other.step_range
    costs = step_costs(one.analysis, steps[0]), step_costs(other.analysis, steps[1])
    of_times(times, recorded((one.analysis, other.analysis), costs, steps), costs[0].device)
    known = [
        bounded_time(trace.analysis, time, trace.step_range, ASSUMED) for trace, time in zip(both, times, strict=True)
    ]
    delta, ratio = known[1] - known[0], time_ratio(*times, (known[0], known[1]))
    yield Told("difference of times", "wall", truth[1] - truth[0], delta.low * 1e3, delta.high * 1e3)
    if ratio.low is not None and ratio.high is not None:
        yield Told("ratio", "ratio", truth[1] / truth[0], ratio.low, ratio.high)
