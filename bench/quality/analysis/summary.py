"""What an arm's programs are worth: pass@1, what a passed task costs, and how the outputs differ from the reference's.

A "samples" record holds the programs that an arm wrote, one per task and greedily; a "quality" record of the same
Case says which of them passed. Greedy decoding gives one program per task, so pass@1 is the share of tasks passed,
and its interval is about other such tasks, not about repeats. All arms of a family (one setting, any scheme, any
layers dropped) are set against the reference scheme with no layer dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from bench.analysis import energy
from bench.analysis.energy.joules import Joules, joules
from bench.analysis.grouping import OF_SCHEME, REFERENCE, Coordinates, reference_of, samples, scheme_rank
from bench.analysis.statistics import Estimate, estimate
from bench.analysis.statistics.propagation import product
from bench.record.instruments import QUALITY, SAMPLES
from bench.record.schema import Case, Record

from .mcnemar import McNemar, mcnemar, together
from .passing import wilson

FAMILY_LESS = (*OF_SCHEME, "dropped_layers")
# How many tasks HumanEval has: records did not say it at first.
HUMANEVAL_TASKS = 164


@dataclass(frozen=True)
class AgainstReference:
    """An arm beside the reference, over the tasks that both have. ``identical``: share of tasks with the same tokens;
    ``divergence``: median place (from 0) of the first token that differs, over the tasks that are not identical."""

    test: McNemar | None
    identical: float | None
    divergence: float | None


@dataclass(frozen=True)
class QualityRow:
    """One arm. ``base`` and ``plus`` are pass@1 (shares), times in s, ``energy_per_passed`` in J (gross J per token ×
    tokens ÷ tasks passed), ``perplexity`` exp(mean nats per token of the canonical solutions), ``tokens`` new ones per
    task. Passed: the plus tests where they ran, else the base ones. ``tasks`` of the dataset's ``of_tasks`` were given
    to the arm. ``reason``: why there is no pass@1, or ""."""

    case: Case
    tasks: int
    of_tasks: int
    base: Estimate | None
    plus: Estimate | None
    time_per_task: Estimate | None
    time_per_passed: Estimate | None
    tokens: float | None
    joules: Joules | None
    energy_per_passed: Estimate | None
    repetition: float | None
    perplexity: Estimate | None
    against: AgainstReference | None
    reason: str = ""

    @property
    def passed(self) -> Estimate | None:
        return self.plus or self.base

    @property
    def removed(self) -> int:
        return removed(self.case.dropped_layers)

    @property
    def missing(self) -> str:
        """Which part of the dataset its figures are about, where that is not the whole: "39 of 164 tasks", or ""."""
        return f"{self.tasks} of {self.of_tasks} tasks" if self.tasks < self.of_tasks else ""


@dataclass(frozen=True)
class QualityGroup:
    """The arms of one family. ``reference``: the scheme, with no layer dropped, that all are set against."""

    setting: Coordinates
    reference: str | None
    rows: tuple[QualityRow, ...]


@dataclass(frozen=True)
class _ArmTasks:
    case: Case
    samples: tuple[Record, ...]
    judged: Record | None

    @property
    def shown(self) -> Record | None:
        """The samples that were judged; of arms not judged, the latest."""
        wanted = (self.judged.run_id, self.judged.repeat) if self.judged else None
        found = (item for item in self.samples if (item.run_id, item.repeat) == wanted)
        return next(found, (self.samples or (None,))[-1])

    def passes(self, name: str) -> dict[str, bool]:
        record = self.judged
        if record is None or record.status != "ok":
            return {}
        pairs = zip(record.setup.get("tasks", ()), record.values(name), strict=False)
        return {str(task): value > 0 for task, value in pairs}

    def outputs(self) -> dict[str, tuple[int, ...]]:
        if self.shown is None:
            return {}
        pairs = zip(self.shown.setup.get("tasks", ()), self.shown.setup.get("tokens", ()), strict=False)
        return {str(task): tuple(tokens) for task, tokens in pairs}


def removed(dropped_layers: str | None) -> int:
    """How many layers "0,3-5" are: 4. None and "": 0."""
    ranges = [part.partition("-") for part in (dropped_layers or "").split(",") if part]
    return sum(int(last) - int(first) + 1 if dash else 1 for first, dash, last in ranges)


def family_of(case: Case) -> Coordinates:
    """The coordinates that the arms of a family share."""
    return tuple(item for item in case.coordinates().items() if item[0] not in FAMILY_LESS)


def summarise(
    records: Sequence[Record],
    *,
    reference: str = REFERENCE,
    joules_of: Sequence[energy.EnergyGroup] | None = None,
) -> tuple[QualityGroup, ...]:
    """Every family of the "samples" and "quality" records. ``joules_of``: the energy of the same records, if known."""
    families: dict[Coordinates, list[_ArmTasks]] = {}
    for arm in _arms(records):
        families.setdefault(family_of(arm.case), []).append(arm)
    if not families:
        return ()
    measured = energy.summarise(records, reference=reference) if joules_of is None else joules_of
    return tuple(_group(setting, arms, reference, measured) for setting, arms in families.items())


def _arms(records: Sequence[Record]) -> list[_ArmTasks]:
    found: dict[str, Case] = {r.case_id: r.case for r in records if r.instrument in (SAMPLES, QUALITY)}
    return [_arm(case, [record for record in records if record.case_id == name]) for name, case in found.items()]


def _arm(case: Case, records: Sequence[Record]) -> _ArmTasks:
    made = sorted((r for r in records if r.instrument == SAMPLES and r.status == "ok"), key=lambda r: r.repeat)
    judged = sorted((r for r in records if r.instrument == QUALITY), key=lambda r: (r.status == "ok", r.repeat))
    return _ArmTasks(case, tuple(made), judged[-1] if judged else None)


def _group(
    setting: Coordinates, arms: Sequence[_ArmTasks], wanted: str, measured: Sequence[energy.EnergyGroup]
) -> QualityGroup:
    whole = {arm.case.scheme: arm for arm in arms if not arm.case.dropped_layers}
    name = reference_of(whole, wanted)
    base = whole[name] if name else None
    ordered = sorted(
        arms, key=lambda arm: (arm is not base, removed(arm.case.dropped_layers), scheme_rank(arm.case.scheme))
    )
    rows = [_row(arm, base if arm is not base else None, joules(measured, arm.case)) for arm in ordered]
    return QualityGroup(setting, name, tuple(_tested_together(rows)))


def _tested_together(rows: Sequence[QualityRow]) -> Iterator[QualityRow]:
    tests = iter(together([row.against.test for row in rows if row.against and row.against.test]))
    for row in rows:
        tested = row.against if row.against and row.against.test else None
        yield replace(row, against=replace(tested, test=next(tests))) if tested else row


def _row(arm: _ArmTasks, base: _ArmTasks | None, used: Joules | None) -> QualityRow:
    first, second = _share(arm.passes("passed_base")), _share(arm.passes("passed_plus"))
    passed = second or first
    times = samples(arm.samples, "generate_time")
    time = estimate(times, statistic="mean") if times else None
    tokens = arm.shown.values("tokens_generated") if arm.shown else ()
    joules_per_task = used.per_token.times(fmean(tokens)) if used and tokens else None
    repetition = arm.shown.values("repetition_rate") if arm.shown else ()
    return QualityRow(
        case=arm.case,
        tasks=max(len(arm.passes("passed_base")), len(arm.passes("passed_plus")), len(arm.outputs())),
        of_tasks=int(arm.judged.setup.get("dataset_tasks", HUMANEVAL_TASKS)) if arm.judged else HUMANEVAL_TASKS,
        base=first,
        plus=second,
        time_per_task=time,
        time_per_passed=_per_passed(time, passed),
        tokens=fmean(tokens) if tokens else None,
        joules=used,
        energy_per_passed=_per_passed(joules_per_task, passed),
        repetition=fmean(repetition) if repetition else None,
        perplexity=_perplexity(arm.shown),
        against=_against(arm, base) if base else None,
        reason="" if passed else _reason(arm),
    )


def _reason(arm: _ArmTasks) -> str:
    if arm.judged is None:
        return "its programs were not judged"
    return "no pass was recorded" if arm.judged.status == "ok" else f"{arm.judged.status}: {arm.judged.reason}"


def _share(passes: Mapping[str, bool]) -> Estimate | None:
    """pass@1 with Wilson's interval; its basis is one process, because a greedy program does not vary."""
    if not passes:
        return None
    passed, tasks = sum(passes.values()), len(passes)
    return Estimate(passed / tasks, *wilson(passed, tasks), 1, tasks, "within one process")


def _per_passed(per_task: Estimate | None, passed: Estimate | None) -> Estimate | None:
    """Cost per task ÷ share that passed; None where none passed, because no task was solved at any price."""
    if per_task is None or passed is None or passed.value == 0 or per_task.value <= 0:
        return None
    return product([(per_task, 1.0), (passed, -1.0)])


def _perplexity(record: Record | None) -> Estimate | None:
    """exp of the mean over tasks; the interval is about other such tasks."""
    values = record.values("negative_log_likelihood") if record else ()
    if not values:
        return None
    mean = estimate((values,), statistic="mean", unit="fixed")  # of one arm's arithmetic, in any process
    low, high = (None if bound is None else math.exp(bound) for bound in (mean.low, mean.high))
    return replace(mean, value=math.exp(mean.value), low=low, high=high, relative_error=None)


def _against(arm: _ArmTasks, base: _ArmTasks) -> AgainstReference:
    both = next((n for n in ("passed_plus", "passed_base") if arm.passes(n) and base.passes(n)), "passed_plus")
    test = mcnemar(base.passes(both), arm.passes(both))
    return AgainstReference(test, *agreement(base.outputs(), arm.outputs()))


def agreement(
    reference: Mapping[str, Sequence[int]], arm: Mapping[str, Sequence[int]]
) -> tuple[float | None, float | None]:
    """(share of common tasks with the same tokens, median place of the first difference in the others)."""
    places = [_first_difference(reference[task], arm[task]) for task in reference if task in arm]
    if not places:
        return None, None
    differing = [place for place in places if place is not None]
    return 1 - len(differing) / len(places), median(differing) if differing else None


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The place of the first token that differs; where one stops earlier, its length; None where they are the same."""
    if tuple(one) == tuple(other):
        return None
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)
