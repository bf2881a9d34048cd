"""What each cause of a difference costs: the candidate's trace played again with that cause alone as in the reference.

A cause that the reference does not have in a range is removed there, with its launches and the host work that leads
to them; one that both have gets the reference's cost. What this saves is the cause's size. So in a host-bound step a
kernel that vanishes saves its launch, and in a GPU-bound step a host delay that is hidden saves nothing, which no
subtraction of lines can tell. All causes together should give the reference: what they miss is the rest.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bench.record import causes as c

from ..ledger.segments import Step
from ..ledger.uniform import SHARE_GPU, uniform_factor
from ..student import t_quantile
from .program import Item, Op, Program, leave_gaps
from .simulate import Plan, Played, play_plan, unchanged

_MOST_IDLE = 0.15
Group = tuple[str, str]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Cost:
    """ns per step that ``cause`` costs the candidate over the reference; one value per step of the candidate.

    ``reach``: half the width of its 95 % interval. In it is the variation between steps and, whole, what the replay of
    all causes together missed: no cause is known better than that.
    """

    cause: str
    values: tuple[float, ...]
    reach: float = 0.0

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values else 0.0

    @property
    def sure(self) -> bool:
        """The interval excludes 0."""
        return abs(self.mean) > self.reach


@dataclass(frozen=True)
class Diagnosis:
    """ns per step. ``costs``, largest first; ``aligned``: what the candidate takes with all causes as in the
    reference, for which ``reference`` is the truth. ``uniform``: the factor where all that the reference does takes
    longer (or shorter) by about the same: then it is the machine, a clock or a neighbour, and no cause of its own."""

    costs: tuple[Cost, ...]
    reference: float
    candidate: float
    aligned: float
    uniform: float | None = None

    @property
    def delta(self) -> float:
        """Candidate less reference, as recorded."""
        return self.candidate - self.reference

    @property
    def rest(self) -> float:
        """What no cause accounts for."""
        return self.aligned - self.reference


def diagnose_gpu(reference: Program, candidate: Program) -> Diagnosis:
    """The costs of a GPU's candidate."""
    if not candidate.usual_gap:
        leave_gaps(candidate.ops, reference.usual_gap)
    aligner = _Aligner(reference, candidate)
    base = _ends(candidate, play_plan(candidate, unchanged(candidate)))
    costs = []
    for cause in c.CAUSES:
        plan = aligner.plan((cause,))
        if plan is not None:
            saved = np.diff(base - _ends(candidate, play_plan(candidate, plan)), prepend=0.0)
            costs.append(Cost(cause, tuple(saved.tolist())))
    together = aligner.plan(c.CAUSES)
    aligned = play_plan(candidate, together).span if together is not None else candidate.span
    walls = reference.span / reference.steps, candidate.span / candidate.steps
    # Idle time scales with no clock; where it is small, what the GPU does decides.
    busy = _busy(reference), _busy(candidate)
    idle = 1.0 - sum(busy[0].values()) / walls[0]
    uniform = uniform_factor(*busy, share=SHARE_GPU) if idle < _MOST_IDLE else None
    return _diagnosis(costs, *walls, aligned / candidate.steps, uniform)


def _diagnosis(
    costs: Sequence[Cost], reference: float, candidate: float, aligned: float, uniform: float | None
) -> Diagnosis:
    missed = abs(aligned - reference)
    known = [replace(cost, reach=_reach(cost.values) + missed) for cost in costs if any(cost.values)]
    ranked = tuple(sorted(known, key=lambda cost: -abs(cost.mean)))
    return Diagnosis(ranked, reference, candidate, aligned, uniform)


def _busy(program: Program) -> dict[str, float]:
    """Work by cause, ns per step."""
    found: dict[str, float] = defaultdict(float)
    for op in program.ops:
        found[op.cause] += (op.end - op.start) / program.steps
    return dict(found)


def line_means(steps: Sequence[Step]) -> dict[str, float]:
    """Line of a CPU's ledger → ns per step."""
    found: dict[str, float] = defaultdict(float)
    for step in steps:
        for segment in step.segments:
            found[segment.cause] += segment.ns / len(steps)
    return dict(found)


def _reach(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean over steps; 0 for one step, which has no variation to show."""
    if len(values) < 2:
        return 0.0
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return t_quantile(0.975, len(values) - 1) * error


def _ends(program: Program, played: Played) -> np.ndarray:
    """[steps] when each step is over: its calls have returned and its work, and that of earlier steps, is done."""
    ends = np.zeros(program.steps)
    for row, item in enumerate(program.items):
        if item.thread not in program.tail:
            continue  # what other threads wait for holds up no step
        ends[item.step] = max(ends[item.step], float(played.item_end[row]))
    for row, op in enumerate(program.ops):
        if op.item >= 0:
            step = program.items[op.item].step
            ends[step] = max(ends[step], float(played.op_end[row]))
    ends[-1] = max(ends[-1], played.span)
    return np.maximum.accumulate(ends)


@dataclass
class _Totals:
    """Per step of one trace: how many, and how long, of one group."""

    count: float = 0.0
    ns: float = 0.0


class _Aligner:
    """Knows both programs by group: (range, cause) of work, of the host's way to it, and of waiting."""

    def __init__(self, reference: Program, candidate: Program) -> None:
        self._candidate = candidate
        self._work = _by_group(_of_its_own(reference), reference.steps, _work_group, _op_ns)
        self._mine = _by_group(_of_its_own(candidate), candidate.steps, _work_group, _op_ns)
        self._host = _by_group(_launching(reference), reference.steps, self._host_group(reference), _host_ns)
        self._my_host = _by_group(_launching(candidate), candidate.steps, self._host_group(candidate), _host_ns)
        self._waits = _by_group(_waiting(reference), reference.steps, _wait_group, _host_ns)
        self._my_waits = _by_group(_waiting(candidate), candidate.steps, _wait_group, _host_ns)

    @staticmethod
    def _host_group(program: Program) -> Callable[[Item], Group]:
        return lambda item: (item.range, program.ops[item.ops[0]].cause)

    def plan(self, causes: Sequence[str]) -> Plan | None:
        """The candidate with these causes as in the reference; None where nothing changes."""
        plan = unchanged(self._candidate)
        changed = False
        for cause in causes:
            if cause == c.HOST_GAP:
                changed |= self._align_host(plan)
            elif cause == c.SYNC_STALL:
                changed |= self._align_waits(plan)
            else:
                changed |= self._align_work(plan, cause)
        return plan if changed else None

    def _align_work(self, plan: Plan, cause: str) -> bool:
        changed = False
        for group, mine in self._mine.items():
            if group[1] != cause:
                continue
            theirs = self._work.get(group, _Totals())
            rows = [
                r for r, op in enumerate(self._candidate.ops) if _work_group(op) == group and _own(self._candidate, op)
            ]
            extra = _extra(rows, self._candidate, mine.count, theirs.count)
            kept = [row for row in rows if row not in extra]
            have = sum(plan.op[row] for row in kept) / self._candidate.steps
            for row in kept:
                plan.op[row] *= theirs.ns / have if have else 1.0
            for row in extra:
                plan.op_dropped[row] = True
            changed |= bool(extra) or abs(have - theirs.ns) > 1e-9
        for row, item in enumerate(self._candidate.items):
            serves = changed and item.work == cause and not self._work_has(cause)
            if serves or (item.ops and all(plan.op_dropped[op] for op in item.ops)):
                plan.dropped[row] = True
                for op in item.ops:
                    plan.op_dropped[op] = True
        return changed

    def _work_has(self, cause: str) -> bool:
        """Whether the reference does such work anywhere."""
        return any(group[1] == cause for group in self._work)

    def _align_host(self, plan: Plan) -> bool:
        changed = False
        group_of = self._host_group(self._candidate)
        for row, item in enumerate(self._candidate.items):
            theirs = self._host.get(group_of(item)) if item.ops else None
            mine = self._my_host.get(group_of(item)) if item.ops else None
            if theirs is None or mine is None or not mine.ns:
                continue
            factor = (theirs.ns / theirs.count) / (mine.ns / mine.count)
            plan.before[row] *= factor
            plan.length[row] *= factor if not item.waits else 1.0
            changed |= factor != 1.0
        return changed

    def _align_waits(self, plan: Plan) -> bool:
        changed = False
        for group, mine in self._my_waits.items():
            theirs = self._waits.get(group, _Totals())
            too_many = mine.count - theirs.count
            if too_many <= 0:
                continue
            items = self._candidate.items
            rows = [
                r for r in range(len(items)) if _holds_up(self._candidate, items[r]) and _wait_group(items[r]) == group
            ]
            by_step: dict[int, int] = defaultdict(int)
            # The last wait of a step hands the token over, so it goes last.
            for row in sorted(rows, key=lambda r: items[r].last_wait):
                item = items[row]
                if by_step[item.step] < round(too_many):
                    by_step[item.step] += 1
                    plan.waits[row] = False
                    plan.dropped[row] = not item.ops
                    changed = True
        return changed


def _launching(program: Program) -> list[Item]:
    return [item for item in program.items if item.ops]


def _waiting(program: Program) -> list[Item]:
    return [item for item in program.items if _holds_up(program, item)]


def _holds_up(program: Program, item: Item) -> bool:
    """A thread that runs no steps may wait for ever without holding one up; a wait that serves work is part of that."""
    return item.waits and not item.work and item.thread in program.tail


def _own(program: Program, op: Op) -> bool:
    """Not part of what its call serves: reading back whether there are outliers is outlier handling, not copying."""
    return op.item < 0 or program.items[op.item].work in ("", op.cause)


def _of_its_own(program: Program) -> list[Op]:
    return [op for op in program.ops if _own(program, op)]


def _op_ns(op: Op) -> float:
    return op.end - op.start


def _work_group(op: Op) -> Group:
    return op.range, op.cause


def _wait_group(item: Item) -> Group:
    return item.range, "wait"


def _host_ns(item: Item) -> float:
    return item.before + (0 if item.waits else item.length)


def _by_group(
    rows: Sequence[Row], steps: int, group_of: Callable[[Row], Group], ns_of: Callable[[Row], float]
) -> dict[Group, _Totals]:
    totals: dict[Group, _Totals] = defaultdict(_Totals)
    for row in rows:
        found = totals[group_of(row)]
        found.count += 1 / steps
        found.ns += ns_of(row) / steps
    return dict(totals)


def _extra(rows: Sequence[int], program: Program, mine: float, theirs: float) -> set[int]:
    """The ops to remove so that a step has as many as the reference: the shortest ones of each step."""
    too_many = round(mine - theirs)
    if too_many <= 0:
        return set()
    by_step: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        item = program.ops[row].item
        by_step[program.items[item].step if item >= 0 else -1].append(row)
    shortest = (sorted(found, key=lambda r: program.ops[r].end - program.ops[r].start) for found in by_step.values())
    return {row for found in shortest for row in found[:too_many]}


def diagnose_cpu(reference: Sequence[Step], candidate: Sequence[Step]) -> Diagnosis:
    """The costs of a CPU's candidate: one thing runs after the other, so that the costs add up exactly.

    The host work that leads to work which the reference does less often in that range goes with that work, by the
    share of times that are too many; at most as much as the range has more host work than the reference's: work put
    before other work also takes over the way to it.
    """
    extra = _extra_shares(reference, candidate)
    after = [_cpu_causes(step, extra) for step in candidate]
    before = [_cpu_causes(step, {}) for step in reference]
    names = [name for name in c.CAUSES if any(name in step for step in (*after, *before))]
    costs = []
    for name in names:
        base = float(np.mean([step.get(name, 0.0) for step in before]))
        costs.append(Cost(name, tuple(step.get(name, 0.0) - base for step in after)))
    walls = [float(np.mean([step.ns for step in steps])) for steps in (reference, candidate)]
    uniform = uniform_factor(line_means(reference), line_means(candidate))
    return _diagnosis(costs, walls[0], walls[1], walls[0], uniform)


def _mean_begun(steps: Sequence[Step]) -> dict[Group, float]:
    totals: dict[Group, float] = defaultdict(float)
    for step in steps:
        for group, count in step.begun.items():
            totals[group] += count / len(steps)
    return totals


def _mean_gaps(steps: Sequence[Step]) -> dict[Group, float]:
    """(range, cause) → ns per step of host work that leads to such work."""
    totals: dict[Group, float] = defaultdict(float)
    for step in steps:
        for item in step.segments:
            if item.cause == c.HOST_GAP:
                totals[item.source.range, item.source.work] += item.ns / len(steps)
    return totals


def _extra_shares(reference: Sequence[Step], candidate: Sequence[Step]) -> dict[Group, float]:
    """(range, cause) → the share of the candidate's host work before it that the reference does not have."""
    theirs, mine, gaps = _mean_begun(reference), _mean_begun(candidate), _mean_gaps(candidate)
    shares = {
        group: (count - theirs.get(group, 0.0)) / count
        for group, count in mine.items()
        if count > theirs.get(group, 0.0) and group[1] != c.HOST_GAP
    }
    moved, more = defaultdict[str, float](float), defaultdict[str, float](float)
    for group, gap in gaps.items():
        moved[group[0]] += shares.get(group, 0.0) * gap
        more[group[0]] += gap
    for group, gap in _mean_gaps(reference).items():
        more[group[0]] -= gap
    return {
        group: share * min(max(more[group[0]], 0.0) / moved[group[0]], 1.0)
        for group, share in shares.items()
        if moved[group[0]]
    }


def _cpu_causes(step: Step, extra: Mapping[Group, float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for segment in step.segments:
        source = segment.source
        share = extra.get((source.range, source.work), 0.0) if segment.cause == c.HOST_GAP else 0.0
        sums[segment.cause] += segment.ns * (1.0 - share)
        if share:
            sums[source.work] += segment.ns * share
    return dict(sums)
