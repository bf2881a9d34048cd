"""Arms as points of quality, time, energy and memory: which are dominated, and which comes first for which weights.

The score of an arm is the weighted geometric mean of its costs over the reference's,

    score = Π (arm_i / reference_i)^(w_i / Σw),

with quality that is better when higher (pass@1) turned over: (reference / arm)^w. Below 1 the arm is better than the
reference under these weights. A geometric mean does not depend on the units nor on the choice of the reference, which
only scales all scores alike (Fleming & Wallace 1986, CACM 29(3)).

The second study (Wallace, Ezzati-Jivan & Ombuki-Berman 2025, arXiv 2502.00046) compares such arms by "a novel
optimization equation" over accuracy, time and energy. Its abstract does not state the equation, so this score is not
a copy of it; the weights are always told beside the score, and for which weights another arm would win.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.analysis.energy import EnergyGroup
from bench.analysis.generation import GenerationGroup
from bench.analysis.grouping import REFERENCE, Coordinates
from bench.analysis.hardware import by_machine, machine_names
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.propagation import product
from bench.quality.tradeoff.arms import ArmGroup, ScoredArm, arm_groups
from bench.record.errors import UsageError
from bench.record.schema import Record

from . import pareto
from .pareto import CriterionCost, Front, Reach

CRITERIA = ("quality", "time", "energy", "memory")
WEIGHTS: Mapping[str, float] = dict.fromkeys(CRITERIA, 1.0)
MOST_WEIGHT = 1_000_000.0


@dataclass(frozen=True)
class Ranked:
    """``score``: see above (None: ``missing`` says why). ``wins``: share of all weights for which it comes first.
    ``dominated_by``: where its place is "cannot tell", by which arms it is perhaps."""

    arm: ScoredArm
    front: Front
    dominated_by: tuple[str, ...]
    score: Estimate | None
    wins: float | None
    missing: str


@dataclass(frozen=True)
class PairReach:
    """Two criteria alone: which arm comes first as the weight of ``second`` goes from 0 to 1."""

    first: str
    second: str
    reaches: tuple[Reach, ...]


@dataclass(frozen=True)
class Tradeoff:
    """The arms of one machine and setting, the best score first. ``weights`` add up to 1, over ``criteria`` alone.

    ``quality``: what quality is here ("pass@1", "perplexity" or "").
    """

    machine: str
    setting: Coordinates
    reference: str
    quality: str
    criteria: tuple[str, ...]
    weights: Mapping[str, float]
    rows: tuple[Ranked, ...]
    pairs: tuple[PairReach, ...]
    notes: tuple[str, ...]


def parse_weights(text: str | None) -> dict[str, float]:
    """ "quality=2,time=1": these weights, and 0 for criteria not named; all 1 for None. Raises UsageError."""
    if text is None:
        return dict(WEIGHTS)
    found = dict.fromkeys(CRITERIA, 0.0)
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        name, _, value = part.partition("=")
        try:
            found[name] = float(value) if name in CRITERIA else math.nan
        except ValueError:
            found[name] = math.nan
        if not 0 <= found[name] <= MOST_WEIGHT:
            raise UsageError(f"--weights {part!r}: give {', '.join(CRITERIA)} a weight of 0 or more, such as quality=2")
    if len({part.partition("=")[0] for part in parts}) < len(parts):
        raise UsageError(f"--weights {text!r}: give each criterion once")
    if not any(found.values()):
        raise UsageError("--weights: at least one criterion needs a weight above 0")
    return found


def tradeoffs(
    records: Sequence[Record],
    *,
    reference: str = REFERENCE,
    weights: Mapping[str, float] = WEIGHTS,
    generated: Sequence[GenerationGroup] | None = None,
    measured: Sequence[EnergyGroup] | None = None,
) -> tuple[Tradeoff, ...]:
    """One per machine and setting with at least two arms and a criterion that both have. ``generated`` and
    ``measured``: the summaries of the same records, where they are known and come from one machine."""
    machines = by_machine(records)
    known = (generated, measured) if len(machines) == 1 else (None, None)
    named = {device: machine_names(machines, device) for device in {record.case.device for record in records}}
    made = [
        _tradeoff(group, named[group.device][number], weights)
        for number, part in enumerate(machines)
        for group in arm_groups(part, reference, *known)
    ]
    return tuple(item for item in made if item is not None)


def _tradeoff(group: ArmGroup, machine: str, weights: Mapping[str, float]) -> Tradeoff | None:
    base = group.reference
    wanted = [name for name in CRITERIA if weights.get(name, 0) > 0]
    others = [arm for arm in group.arms if arm is not base]
    criteria = tuple(name for name in wanted if name in base.values and any(name in other.values for other in others))
    if not criteria:
        return None
    total = math.fsum(weights[name] for name in criteria)
    shares = {name: weights[name] / total for name in criteria}
    costs = {arm.label: _costs(arm, criteria, group.quality) for arm in group.arms if _has_all(arm, criteria)}
    places = pareto.front(costs)
    logs = {arm.label: _logs(arm, base, criteria, group.quality) for arm in group.arms if _scored(arm, criteria)}
    wins = pareto.shares(logs)
    rows = [_ranked(arm, base, shares, group.quality, places, wins) for arm in group.arms]
    rows.sort(key=lambda row: (row.score is None, row.score.value if row.score else 0.0))
    left = [name for name in wanted if name not in criteria]
    notes = (f"Not weighed, because it was not measured for two arms: {', '.join(left)}.",) if left else ()
    return Tradeoff(
        machine, group.setting, base.label, group.quality, criteria, shares, tuple(rows),
        _pairs(logs, criteria), (*notes, *group.notes),
    )  # fmt: skip


def _has_all(arm: ScoredArm, criteria: Sequence[str]) -> bool:
    return all(name in arm.values for name in criteria)


def _scored(arm: ScoredArm, criteria: Sequence[str]) -> bool:
    """An arm that passes nothing has no ratio of pass@1: no weight makes up for it."""
    return _has_all(arm, criteria) and all(arm.values[name].value > 0 for name in criteria)


def power(criterion: str, quality: str) -> float:
    """+1 for a cost, −1 for what is better when higher."""
    return -1.0 if criterion == "quality" and quality == "pass@1" else 1.0


def _costs(arm: ScoredArm, criteria: Sequence[str], quality: str) -> tuple[CriterionCost, ...]:
    return tuple(_cost(arm.values[name], power(name, quality)) for name in criteria)


def _cost(value: Estimate, sign: float) -> CriterionCost:
    low = -math.inf if value.low is None else value.low
    high = math.inf if value.high is None else value.high
    return CriterionCost(value.value, low, high) if sign > 0 else CriterionCost(-value.value, -high, -low)


def _logs(arm: ScoredArm, base: ScoredArm, criteria: Sequence[str], quality: str) -> tuple[float, ...]:
    return tuple(power(name, quality) * math.log(arm.values[name].value / base.values[name].value) for name in criteria)


def _ranked(
    arm: ScoredArm,
    base: ScoredArm,
    weights: Mapping[str, float],
    quality: str,
    places: Mapping[str, tuple[Front, tuple[str, ...]]],
    wins: Mapping[str, float],
) -> Ranked:
    place, by = places.get(arm.label, ("cannot tell", ()))
    lacking = [name for name in weights if name not in arm.values]
    missing = f"not measured: {', '.join(lacking)}" if lacking else ""
    if not missing and arm.label not in wins:
        missing = "it passes no task"
    score = None if missing else _score(arm, base, weights, quality)
    return Ranked(arm, place, by, score, wins.get(arm.label), missing)


def _score(arm: ScoredArm, base: ScoredArm, weights: Mapping[str, float], quality: str) -> Estimate:
    powers = {name: weight * power(name, quality) for name, weight in weights.items()}
    if arm is base:
        first = arm.values[next(iter(powers))]
        return Estimate(1.0, 1.0, 1.0, first.repeats, first.samples, first.basis)
    whole = [(arm.ratios[name], value) for name, value in powers.items() if name in arm.ratios]
    apart = {name: value for name, value in powers.items() if name not in arm.ratios}
    parts = [(arm.values[name], value) for name, value in apart.items()]
    return product([*whole, *parts, *((base.values[name], -value) for name, value in apart.items())])


def _pairs(logs: Mapping[str, tuple[float, ...]], criteria: Sequence[str]) -> tuple[PairReach, ...]:
    return tuple(
        PairReach(
            criteria[i], criteria[j], pareto.crossings({name: (values[i], values[j]) for name, values in logs.items()})
        )
        for i, j in combinations(range(len(criteria)), 2)
    )
