"""The candidate's program with some causes as they are in the reference.

Work that the reference does not do in a range goes, with its launches and the host work that leads to them; work that
both do gets the reference's length; synchronisations that are too many go; the host's work per launch becomes the
reference's. What the reference does more often than the candidate is not put in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.analysis.statistics.spread import Steps
from bench.record import causes as c

from ..ledger.costs import START
from .program import Item, Op, Program
from .simulate import Ns, ReplayPlan, slower

Group = tuple[str, str]
_INTO_STEP: Group = (START, "")
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PerStep:
    """Per step: how many, and how long (ns), of one group."""

    count: float = 0.0
    ns: float = 0.0


Means = Mapping[Group, PerStep]


@dataclass(frozen=True)
class RecordedStep:
    """What a step of one recording has, by (range, cause) of its work, of the host's way to it, and of its waiting."""

    work: Means
    host: Means
    waits: Means


class Counted:
    """One program counted step by step by its plans, so that the means over some of its steps can be had."""

    def __init__(self, program: Program) -> None:
        items, ops, steps = program.items, program.ops, program.steps
        self._waits = np.array([item.waits for item in items], bool)
        self._outside = program.host.outside
        works = [(work_group(op), step_of(program, op), row) for row, op in enumerate(ops) if own(program, op)]
        hosts = [(host_group(program, item), item.step, row) for row, item in enumerate(items) if item.ops]
        waiting = [(wait_group(item), item.step, row) for row, item in enumerate(items) if holds_up(program, item)]
        into = [(_INTO_STEP, items[row].step, row) for row in np.flatnonzero(self._outside).tolist()]
        self._tables = tuple(_Table.of(found, steps) for found in (works, hosts, waiting, into))

    def over(self, plan: ReplayPlan, steps: Steps) -> RecordedStep:
        """The means over these steps by a plan."""
        into = plan.before * self._outside
        host = plan.before - into + np.where(self._waits, 0.0, plan.length)
        columns = plan.op, host, host, into
        work, led, waits, start = (
            table.means(column, steps) for table, column in zip(self._tables, columns, strict=True)
        )
        return RecordedStep(work, {**led, **start}, waits)


@dataclass(frozen=True, eq=False)
class _Table:
    """Rows by group and step. [rows] ``place``: group · steps + step, and ``row``: where in a column of ns."""

    groups: tuple[Group, ...]
    place: Rows
    row: Rows
    steps: int

    @classmethod
    def of(cls, found: Sequence[tuple[Group, int, int]], steps: int) -> _Table:
        number = {group: place for place, group in enumerate(dict.fromkeys(group for group, _, _ in found))}
        place = np.array([number[group] * steps + step for group, step, _ in found], np.int64)
        return cls(tuple(number), place, np.array([row for _, _, row in found], np.int64), steps)

    def means(self, column: Ns, steps: Steps) -> Means:
        size = len(self.groups) * self.steps
        counts, ns = np.bincount(self.place, minlength=size), np.bincount(self.place, column[self.row], minlength=size)
        values = np.stack((counts, ns)).reshape(2, len(self.groups), self.steps)
        return {group: PerStep(*values[:, at][:, steps].mean(axis=1).tolist()) for at, group in enumerate(self.groups)}


@dataclass(frozen=True)
class AlignedPair:
    """What a plan starts from: ``theirs`` is the reference, ``mine`` the candidate over ``steps``, by its plan
    ``base``."""

    theirs: RecordedStep
    mine: RecordedStep
    steps: Steps
    base: ReplayPlan


@dataclass
class _Rows:
    """The candidate's ops of one group: all of them, and by step, the shortest first."""

    all: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    by_step: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


class Aligner:
    """Plans of one candidate; what is known of its rows is made once."""

    def __init__(self, candidate: Program) -> None:
        self._program = candidate
        items, ops = candidate.items, candidate.ops
        self._step = np.array([step_of(candidate, op) for op in ops], np.int64)
        self._op_item = np.array([op.item for op in ops], np.int64)
        self._op_count = np.array([len(item.ops) for item in items], np.int64)
        self._serves = np.array([item.work for item in items])
        self._waiting = np.array([item.waits for item in items], bool)
        self._outside = candidate.host.outside
        self._work = self._work_rows()
        self._host = self._host_rows()

    def _work_rows(self) -> dict[Group, _Rows]:
        found: dict[Group, _Rows] = defaultdict(_Rows)
        for row, op in enumerate(self._program.ops):
            if own(self._program, op):
                mine = found[work_group(op)]
                # What was launched before the steps belongs to none of them.
                mine.by_step[self._program.items[op.item].step if op.item >= 0 else -1].append(row)
        for mine in found.values():
            mine.all = np.sort(np.concatenate([*mine.by_step.values()]))
            for rows in mine.by_step.values():
                rows.sort(key=lambda row: self._program.ops[row].end - self._program.ops[row].start)
        return dict(found)

    def _host_rows(self) -> dict[Group, Rows]:
        found: dict[Group, list[int]] = defaultdict(list)
        for row, item in enumerate(self._program.items):
            if item.ops:
                found[host_group(self._program, item)].append(row)
        return {group: np.array(rows, np.int64) for group, rows in found.items()}

    def plan(self, causes: Sequence[str], setting: AlignedPair) -> ReplayPlan | None:
        """The candidate with these causes as in the reference; None where nothing changes."""
        plan = slower(setting.base)
        changed = False
        for cause in causes:
            if cause == c.HOST_GAP:
                changed |= self._align_host(plan, setting)
            elif cause == c.SYNC_STALL:
                changed |= self._align_waits(plan, setting)
            else:
                changed |= self._align_work(plan, cause, setting)
        return plan if changed else None

    def _align_work(self, plan: ReplayPlan, cause: str, setting: AlignedPair) -> bool:
        changed = False
        for group, rows in self._work.items():
            if group[1] != cause:
                continue
            theirs, mine = setting.theirs.work.get(group, PerStep()), setting.mine.work.get(group, PerStep())
            # Before any scaling, because what goes must not count in the length that the rest is scaled to.
            extra = _too_many(rows, round(mine.count - theirs.count))
            kept = np.setdiff1d(rows.all, extra, assume_unique=True) if extra else rows.all
            # The factor is of the steps in question; the plan is of all, since they are played as one program.
            here = kept[setting.steps[self._step[kept]]] if len(kept) else kept
            have = float(plan.op[here].sum()) / int(setting.steps.sum())
            plan.op[kept] *= theirs.ns / have if have else 1.0
            plan.op_dropped[extra] = True
            changed |= bool(extra) or abs(have - theirs.ns) > 1e-9
        return self._dropped_calls(plan, cause, setting, changed)

    def _dropped_calls(self, plan: ReplayPlan, cause: str, setting: AlignedPair, changed: bool) -> bool:
        """Calls go with their work; those that only serve this cause where the reference has none of it."""
        known = self._op_item >= 0
        # A call that launches several things stays while one of them does.
        gone = np.bincount(self._op_item[plan.op_dropped & known], minlength=len(self._op_count))
        dropped = (self._op_count > 0) & (gone == self._op_count)
        if changed and not any(group[1] == cause for group in setting.theirs.work):
            dropped |= self._serves == cause
        plan.dropped |= dropped
        # And the other way round: without its call no work is left, whatever its own cause.
        plan.op_dropped[known] |= plan.dropped[self._op_item[known]]
        return changed

    def _align_host(self, plan: ReplayPlan, setting: AlignedPair) -> bool:
        factor = np.ones(len(self._outside))
        for group, rows in self._host.items():
            factor[rows] = _factor(group, setting)
        into = _factor(_INTO_STEP, setting)
        plan.before *= factor + self._outside * (into - factor)
        # A waiting call is as long as what it waits for, which the replay finds by itself.
        plan.length *= np.where(self._waiting, 1.0, factor)
        return into != 1.0 or bool((factor != 1.0).any())

    def _align_waits(self, plan: ReplayPlan, setting: AlignedPair) -> bool:
        changed = False
        items = self._program.items
        for group, mine in setting.mine.waits.items():
            too_many = round(mine.count - setting.theirs.waits.get(group, PerStep()).count)
            if too_many <= 0:
                continue
            rows = [r for r, item in enumerate(items) if holds_up(self._program, item) and wait_group(item) == group]
            by_step: dict[int, int] = defaultdict(int)
            # The last wait of a step hands the token over, so it goes last.
            for row in sorted(rows, key=lambda r: items[r].last_wait):
                if by_step[items[row].step] < too_many:
                    by_step[items[row].step] += 1
                    plan.waits[row] = False
                    plan.dropped[row] = not items[row].ops
                    changed = True
        return changed


def _factor(group: Group, setting: AlignedPair) -> float:
    """What makes the host's work of a group the reference's; 1 where that has none."""
    theirs, mine = setting.theirs.host.get(group), setting.mine.host.get(group)
    if theirs is None or mine is None or not mine.ns or not theirs.count:
        return 1.0
    # Per call, not per step: how many calls there are is the work's cause, and would be counted twice.
    return (theirs.ns / theirs.count) / (mine.ns / mine.count)


def _too_many(rows: _Rows, count: int) -> list[int]:
    """The ops to remove so that a step has as many as the reference: the shortest ones of each step."""
    return [row for found in rows.by_step.values() for row in found[:count]] if count > 0 else []


def holds_up(program: Program, item: Item) -> bool:
    """A thread that runs no steps may wait for ever without holding one up; a wait that serves work is part of that."""
    return item.waits and not item.work and item.thread in program.tail


def own(program: Program, op: Op) -> bool:
    """Not part of what its call serves: reading back whether there are outliers is outlier handling, not copying."""
    return op.item < 0 or program.items[op.item].work in ("", op.cause)


def step_of(program: Program, op: Op) -> int:
    """The step that asked for it; the first one for what was launched before the steps."""
    return program.items[op.item].step if op.item >= 0 else 0


def work_group(op: Op) -> Group:
    """(range, cause) of work."""
    return op.range, op.cause


def host_group(program: Program, item: Item) -> Group:
    """(range, cause of the work that it leads to) of a launching call."""
    return item.range, program.ops[item.ops[0]].cause


def wait_group(item: Item) -> Group:
    """(range, "wait") of a waiting call."""
    return item.range, "wait"
