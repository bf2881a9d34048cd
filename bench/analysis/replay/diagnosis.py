"""What each cause of a difference costs: the candidate's trace played again with that cause alone as in the reference.

What this saves is the cause's size. So in a host-bound step a kernel that vanishes saves its launch, and in a GPU-bound
step a host delay that is hidden saves nothing, which no subtraction of lines can tell. All causes together should give
the reference: what they miss is the rest.

Intervals: both recordings' steps are left out group by group, because a factor taken from the steps themselves does not
show in values per step; and each recording is played with what is not known of it one standard deviation away: a slower
host or GPU of another process (see ``spread``), another cost of recording. What all causes together miss is in every
interval: none is known better.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bench.analysis.statistics.spread import Steps, left_out, part
from bench.record import causes as c

from ..ledger.uniform import SHARE_GPU, uniform_factor
from ..statistics.spread import half_width
from .align import AlignedPair, Aligner, Counted
from .common_ranges import with_common_ranges
from .program import Program
from .sample import misplaced, taken_of
from .simulate import Ns, Played, Recording, ReplayPlan, play_plan, play_plans

_MOST_IDLE = 0.15


@dataclass(frozen=True)
class Cost:
    """ns per step that ``cause`` costs the candidate over the reference, as the replay predicts it. ``reach``: half its
    95 % interval; None where one of the traces has one step only."""

    cause: str
    mean: float
    reach: float | None = None

    @property
    def sure(self) -> bool:
        """The interval excludes 0."""
        return self.reach is not None and abs(self.mean) > self.reach


@dataclass(frozen=True)
class Diagnosis:
    """ns per step. ``costs``, largest first; ``aligned``: what the candidate takes with all causes as in the
    reference, for which ``reference`` is the truth. ``uniform``: the factor where all that the reference does takes
    longer (or shorter) by about the same: then it is the machine, a clock or a neighbour, and no cause of its own.
    ``played``: which steps were played, where not all of both traces were. ``refused``: why no cause is ranked, because
    those are not like all of them; then ``costs`` is ()."""

    costs: tuple[Cost, ...]
    reference: float
    candidate: float
    aligned: float
    uniform: float | None = None
    played: str = ""
    refused: str = ""

    @property
    def delta(self) -> float:
        """Candidate less reference, as recorded."""
        return self.candidate - self.reference

    @property
    def unsure(self) -> Diagnosis:
        """The same of traces that do not show how sure it is."""
        return replace(self, costs=tuple(replace(cost, reach=None) for cost in self.costs))

    @property
    def rest(self) -> float:
        """What no cause accounts for."""
        return self.aligned - self.reference


@dataclass(frozen=True)
class Varied:
    """One figure: as it is; with each group of the reference's and of the candidate's steps left out; with a process,
    and with the model of the observer, one standard deviation away."""

    point: float
    reference: Sequence[float]
    candidate: Sequence[float]
    processes: Sequence[float] = ()
    model: Sequence[float] = ()

    def cost(self, cause: str, missed: float) -> Cost:
        """The figure with its interval."""
        steps = part(self.reference), part(self.candidate)
        processes, model = ([value - self.point for value in each] for each in (self.processes, self.model))
        half = half_width(steps, processes, model)
        return Cost(cause, self.point, None if half is None else math.hypot(half, missed))


def ranked(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """The largest first; what is exactly nothing is left out."""
    return tuple(sorted((cost for cost in costs if cost.mean), key=lambda cost: -abs(cost.mean)))


def diagnose_gpu(reference: Recording, candidate: Recording) -> Diagnosis:
    """The costs of a GPU's candidate."""
    program, samples = candidate.program, (reference.program.sample, candidate.program.sample)
    walls = reference.span / reference.program.steps, candidate.span / program.steps
    played, refused = taken_of(*samples), misplaced(*samples)
    if refused:
        return Diagnosis((), *walls, walls[0], None, played, refused)
    reference, candidate = _comparable(reference, candidate)
    program = candidate.program
    if not program.usual_gap:
        program = program.with_gaps(reference.program.usual_gap)
        candidate = replace(candidate, program=program)
    aligner, settings = Aligner(program), _Settings(reference, candidate)
    together = aligner.plan(c.CAUSES, settings.point)
    aligned = play_plan(program, together).span / program.steps if together is not None else walls[1]
    found = _varied(program, aligner, settings)
    costs = ranked(value.cost(cause, aligned - walls[0]) for cause, value in found.items())
    # Idle time scales with no clock; where it is small, what the GPU does decides.
    busy = _busy(reference.program), _busy(program)
    idle = 1.0 - sum(busy[0].values()) / walls[0] if walls[0] else 1.0
    uniform = uniform_factor(*busy, share=SHARE_GPU) if idle < _MOST_IDLE else None
    return Diagnosis(costs, *walls, aligned, uniform, played)


def _comparable(reference: Recording, candidate: Recording) -> tuple[Recording, Recording]:
    one, other = with_common_ranges(reference.program, candidate.program)
    return replace(reference, program=one), replace(candidate, program=other)


class _Settings:
    """What the candidate is set against: as recorded; with steps left out; with what is not known one standard
    deviation away."""

    def __init__(self, reference: Recording, candidate: Recording) -> None:
        theirs, mine = self._counted = Counted(reference.program), Counted(candidate.program)
        all_theirs, all_mine = self._whole = tuple(np.ones(each.program.steps, bool) for each in (reference, candidate))
        self.point = AlignedPair(
            theirs.over(reference.plan, all_theirs), mine.over(candidate.plan, all_mine), all_mine, candidate.plan
        )
        self.reference = [
            replace(self.point, theirs=theirs.over(reference.plan, s)) for s in left_out(reference.program.steps)
        ]
        self.candidate = [
            replace(self.point, mine=mine.over(candidate.plan, steps), steps=steps)
            for steps in left_out(candidate.program.steps)
        ]
        self.processes = self._with_other_plan(reference.processes, candidate.processes)
        self.model = self._with_other_plan(reference.model, candidate.model)

    def _with_other_plan(self, theirs: Sequence[ReplayPlan], mine: Sequence[ReplayPlan]) -> list[AlignedPair]:
        """With one of the recordings by another plan."""
        found = [replace(self.point, theirs=self._counted[0].over(plan, self._whole[0])) for plan in theirs]
        return found + [
            replace(self.point, mine=self._counted[1].over(plan, self._whole[1]), base=plan) for plan in mine
        ]

    @property
    def all(self) -> list[AlignedPair]:
        """All of them, the point first."""
        return [self.point, *self.reference, *self.candidate, *self.processes, *self.model]


def _varied(candidate: Program, aligner: Aligner, settings: _Settings) -> Mapping[str, Varied]:
    """Each cause that changes anything, in every setting."""
    causes = [cause for cause in c.CAUSES if aligner.plan((cause,), settings.point) is not None]

    def plans() -> Iterator[ReplayPlan]:
        for setting in settings.all:
            yield setting.base
            for cause in causes:
                yield aligner.plan((cause,), setting) or setting.base

    over = Ends(candidate)
    ends = [over.of(played) for played in play_plans(candidate, plans())]
    width = len(causes) + 1
    saved = [
        [_saved(ends[first], end, setting.steps) for end in ends[first + 1 : first + width]]
        for first, setting in zip(range(0, len(ends), width), settings.all, strict=True)
    ]
    parts = (settings.reference, settings.candidate, settings.processes, settings.model)
    edges = np.cumsum([1, *map(len, parts)]).tolist()
    return {
        cause: Varied(values[0], *(values[a:b] for a, b in pairwise(edges)))
        for cause, values in zip(causes, zip(*saved, strict=True), strict=True)
    }


def _saved(base: Ns, ends: Ns, steps: Steps) -> float:
    """ns per step that were saved in these steps."""
    return float(np.diff(base - ends, prepend=0.0)[steps].mean())


def _busy(program: Program) -> dict[str, float]:
    """Work by cause, ns per step."""
    found: dict[str, float] = defaultdict(float)
    for op in program.ops:
        found[op.cause] += (op.end - op.start) / program.steps
    return dict(found)


class Ends:
    """When each step is over: its calls have returned and its work, and that of earlier steps, is done."""

    def __init__(self, program: Program) -> None:
        self._steps = program.steps
        # What other threads wait for holds up no step.
        self._items = np.array([r for r, item in enumerate(program.items) if item.thread in program.tail], np.int64)
        self._ops = np.array([r for r, op in enumerate(program.ops) if op.item >= 0], np.int64)
        self._item_step = np.array([program.items[row].step for row in self._items], np.int64)
        self._op_step = np.array([program.items[program.ops[row].item].step for row in self._ops], np.int64)

    def of(self, played: Played) -> Ns:
        """[steps] ns."""
        ends = np.zeros(self._steps)
        np.maximum.at(ends, self._item_step, played.item_end[self._items])
        np.maximum.at(ends, self._op_step, played.op_end[self._ops])
        ends[-1] = max(ends[-1], played.span)
        return np.maximum.accumulate(ends)
