"""Which steps of a trace are played again, and whether they are like all of it.

A replay walks from kernel to kernel, so of a long trace some steps stand for all. They are spread over the whole trace,
one at random in each of equally long parts (stratified sampling: Cochran 1977, Sampling Techniques, chapter 5), because
a trace may change on its way, and one that repeats itself must not meet the same step of its pattern every time. Of
some such draws the one is taken whose steps cost most nearly what all steps cost, as recorded and cause by cause, which
is known exactly (rejective sampling: Fuller 2009, Biometrika 96(4)); what is still off is held against the whole. Where
the host runs ahead of the GPU a step says nothing without those before it: then they are taken in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.record import causes as c
from bench.record.metrics import MS_PER_NS

from ..ledger.costs import Ns, StepCosts

# Kernels and copies that are played again.
MOST_WORK = 30_000
# Of one trace: what a cause may take more or less in the steps taken, as a share of a step. A replay may miss as much.
UNLIKE = 0.03
# Of two traces: a difference that is so far off, as a share of the largest one, may stand in another place; but nothing
# within this share of a step is told apart anyway.
MISPLACED, LEAST = 0.1, 0.01
_BLOCK = 10
_SEED, _DRAWS = 20, 50


@dataclass(frozen=True, eq=False)
class StepSample:
    """``rows``: [taken] numbers of the steps that are played again, ascending, of ``steps`` in the trace. ``taken`` and
    ``whole``: cause → ns per step as recorded, over those and over all steps."""

    rows: Ns
    steps: int
    taken: Mapping[str, float]
    whole: Mapping[str, float]

    @property
    def complete(self) -> bool:
        """All steps are played again."""
        return len(self.rows) == self.steps

    @property
    def begins(self) -> Ns:
        """Places in ``rows`` at which a block of steps begins that do not follow the steps before."""
        return np.flatnonzero(np.diff(self.rows) > 1) + 1

    @property
    def off(self) -> float:
        """ns per step by which no cause is more than so far off in the steps taken."""
        worst = _worst(self.whole, self.taken)
        return abs(self.taken[worst] - self.whole[worst])

    @property
    def wall(self) -> tuple[float, float]:
        """ns of a step as recorded: of those taken, and of all."""
        return sum(self.taken.values()), sum(self.whole.values())

    @property
    def said(self) -> str:
        """Which steps were taken."""
        return f"{len(self.rows):,} of {self.steps:,} steps"

    def unlike(self) -> str:
        """Why the steps taken cannot stand for the trace; "" where they can."""
        if self.off <= UNLIKE * self.wall[1]:
            return ""
        worst = _worst(self.whole, self.taken)
        taken, whole = self.taken[worst] * MS_PER_NS, self.whole[worst] * MS_PER_NS
        return (
            f"the {len(self.rows):,} steps that were played again are not like all {self.steps:,}: {c.LABELS[worst]} "
            f"takes {taken:.4g} ms in them and {whole:.4g} ms in all"
        )


def misplaced(reference: StepSample, candidate: StepSample) -> str:
    """Why the causes of a difference cannot be ranked by the steps taken of two traces; "" where they can."""
    if reference.complete and candidate.complete:
        return ""
    whole, taken = _differences(reference, candidate)
    least = max(MISPLACED * max(map(abs, whole.values())), LEAST * reference.wall[1])
    worst = _worst(whole, taken)
    if abs(taken[worst] - whole[worst]) <= least:
        return ""
    return (
        f"the steps that were played again are not like all of them: {c.LABELS[worst]} makes "
        f"{taken[worst] * MS_PER_NS:+.3g} ms per step of the recorded difference in them and "
        f"{whole[worst] * MS_PER_NS:+.3g} ms in all"
    )


def taken_of(reference: StepSample, candidate: StepSample) -> str:
    """Which steps were taken of two traces, and how far off they are; "" where all of both were."""
    if reference.complete and candidate.complete:
        return ""
    whole, taken = _differences(reference, candidate)
    worst = _worst(whole, taken)
    off = abs(taken[worst] - whole[worst]) * MS_PER_NS
    return (
        f"{reference.said} of the reference and {candidate.said} of the candidate, spread over the whole traces; the "
        f"recorded difference of no cause is off by more than {off:.2g} ms per step in them"
    )


def _worst(whole: Mapping[str, float], taken: Mapping[str, float]) -> str:
    """The cause that is most off."""
    return max(whole, key=lambda cause: abs(taken[cause] - whole[cause]))


def _differences(reference: StepSample, candidate: StepSample) -> tuple[dict[str, float], dict[str, float]]:
    """Cause → ns per step, candidate less reference: in all steps, and in those taken."""
    whole = {cause: candidate.whole[cause] - ns for cause, ns in reference.whole.items()}
    return whole, {cause: candidate.taken[cause] - ns for cause, ns in reference.taken.items()}


def sample_of(costs: StepCosts, work: int, end: Ns, host: Ns) -> StepSample:
    """The sample of a trace with ``work`` kernels and copies, whose steps cost ``costs``. [steps] ``end``: when each is
    over; ``host``: when the host begins it."""
    size, block, draws = steps_for(costs.steps, work), block_of(end, host), np.random.default_rng(_SEED)
    tried = [spread_out(costs.steps, size, block, draws) for _ in range(1 if size == costs.steps else _DRAWS)]
    made = [_sample(rows, costs) for rows in tried]
    return min(made, key=lambda one: one.off)


def _sample(rows: Ns, costs: StepCosts) -> StepSample:
    taken, whole = (
        {name: float(column[at].mean()) for name, column in costs.causes.items()} for at in (rows, slice(None))
    )
    return StepSample(rows, costs.steps, taken, whole)


def steps_for(steps: int, work: int) -> int:
    """How many of the steps can be played again; two at least, which show how steps differ."""
    return steps if work <= MOST_WORK else min(max(MOST_WORK * steps // work, 2), steps)


def block_of(end: Ns, host: Ns) -> int:
    """How many steps belong together: ten times as many as the host is ahead."""
    ahead = np.searchsorted(host, end, side="left") - 1 - np.arange(len(end))
    return _BLOCK * max(int(ahead.max(initial=0)), 0) or 1


def spread_out(steps: int, most: int, block: int, draws: np.random.Generator) -> Ns:
    """[about ``most``] numbers of steps out of ``steps``, ascending: one block of ``block`` at random in each of equal
    parts."""
    if most >= steps:
        return np.arange(steps)
    block = min(block, most)
    edges = np.linspace(0, steps, most // block + 1).astype(np.int64)
    room = np.diff(edges) - block + 1
    first = edges[:-1] + draws.integers(0, np.maximum(room, 1))
    rows: Ns = (first[:, None] + np.arange(block)).ravel()
    return rows
