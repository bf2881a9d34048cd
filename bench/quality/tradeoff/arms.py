"""An arm's four figures put together: quality from one record, time, joules and bytes from others.

An arm is a model in a scheme, less the layers that were dropped. Its quality hardly depends on how fast it was timed,
so it is joined to every setting (batch size, tokens, cache) in which the arm was timed on the same machine. Joules
and bytes are those of the same setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analysis import energy, generation
from bench.analysis.energy.joules import joules
from bench.analysis.grouping import Coordinates, reference_of, scheme_rank, setting_of
from bench.analysis.statistics import Estimate
from bench.analysis.statistics.propagation import exact, product
from bench.quality.analysis import summary as quality
from bench.record.schema import Case, Record

_ARM = ("model", "revision", "dropped_layers")
Key = tuple[Any, ...]


@dataclass(frozen=True)
class ScoredArm:
    """``values``: criterion → figure (quality: pass@1 or perplexity; time: s per token; energy: J per token; memory:
    B). ``ratios``: criterion → the figure over the reference's, where a table has formed it (joules). ``estimated``:
    what of its joules is guessed, or ""."""

    label: str
    case: Case
    values: Mapping[str, Estimate]
    estimated: str
    ratios: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class ArmGroup:
    """Arms in one setting. ``quality``: "pass@1", "perplexity" or "" (not measured)."""

    setting: Coordinates
    arms: tuple[ScoredArm, ...]
    reference: ScoredArm
    quality: str
    notes: tuple[str, ...]

    @property
    def device(self) -> str:
        return self.reference.case.device


@dataclass(frozen=True)
class _Timed:
    case: Case
    time: Estimate | None
    footprint: float | None


@dataclass(frozen=True)
class _Worth:
    """The quality of every arm that was judged."""

    rows: tuple[quality.QualityRow, ...]

    def of(self, case: Case) -> quality.QualityRow | None:
        """The arm's own, with the same number of new tokens where that was judged: more room, more passes."""
        own = [row for row in self.rows if _key(row.case) == _key(case)]
        return min(own, key=lambda row: row.case.new_tokens != case.new_tokens, default=None)


def arm_groups(
    records: Sequence[Record],
    reference: str,
    generated: Sequence[generation.GenerationGroup] | None = None,
    measured: Sequence[energy.EnergyGroup] | None = None,
) -> tuple[ArmGroup, ...]:
    """The groups of one machine's records, those with fewer than two arms or no reference left out."""
    if generated is None:
        generated = generation.summarise(records, reference=reference)
    if measured is None:
        measured = energy.summarise(records, reference=reference)
    judged = quality.summarise(records, reference=reference, joules_of=measured)
    rows = _Worth(tuple(row for group in judged for row in group.rows))
    settings: dict[Coordinates, list[_Timed]] = {}
    for item in (*_timed(generated), *_end_to_end(judged, generated, records)):
        settings.setdefault(_less_arm(item.case), []).append(item)
    made = [
        _group(setting, part, reference, rows, measured)
        for setting, items in settings.items()
        for part in _comparable(items, rows)
    ]
    return tuple(group for group in made if group is not None)


def _key(case: Case) -> Key:
    return (case.model, case.revision, case.device, case.scheme, case.dropped_layers)


def _less_arm(case: Case) -> Coordinates:
    return tuple(item for item in setting_of(case) if item[0] not in _ARM)


def _timed(groups: Sequence[generation.GenerationGroup]) -> Iterator[_Timed]:
    for group in groups:
        for row in group.rows:
            case = Case(scheme=row.scheme, **dict(group.setting))
            yield _Timed(case, row.time_per_token, row.memory.get("model_footprint"))


def _end_to_end(
    judged: Sequence[quality.QualityGroup], groups: Sequence[generation.GenerationGroup], records: Sequence[Record]
) -> Iterator[_Timed]:
    """The families of programs with an arm that was not timed otherwise: seconds per token of the whole call."""
    timed = {_key(item.case) for item in _timed(groups)}
    bytes_of = {r.case_id: max(found) for r in records if (found := r.values("model_footprint"))}
    for group in judged:
        if all(_key(row.case) in timed for row in group.rows):
            continue
        for row in group.rows:
            time = _per_token(row)
            yield _Timed(row.case, time, bytes_of.get(row.case.case_id))


def _per_token(row: quality.QualityRow) -> Estimate | None:
    if row.time_per_task is None or row.time_per_task.value <= 0 or not row.tokens:
        return None
    return product([(row.time_per_task, 1.0), (exact(row.tokens), -1.0)])


def _comparable(items: Sequence[_Timed], rows: _Worth) -> list[list[_Timed]]:
    """Arms of several models stand beside each other only where the quality of all is known: a small model is not a
    better one because it is fast."""
    models: dict[Key, list[_Timed]] = {}
    for item in items:
        models.setdefault((item.case.model, item.case.revision), []).append(item)
    if len(models) > 1 and all((row := rows.of(item.case)) and row.passed for item in items):
        return [list(items)]
    return list(models.values())


def _group(
    setting: Coordinates,
    items: Sequence[_Timed],
    wanted: str,
    rows: _Worth,
    measured: Sequence[energy.EnergyGroup],
) -> ArmGroup | None:
    models = list(dict.fromkeys(item.case.model for item in items))
    first = [i for i in items if i.case.model == models[0] and not i.case.dropped_layers]
    name = reference_of([item.case.scheme for item in first], wanted)
    if name is None or len(items) < 2:
        return None
    base = next(item for item in first if item.case.scheme == name)
    kind = _kind(base, items, rows)
    ordered = sorted(items, key=lambda item: (item is not base, models.index(item.case.model), _order(item.case)))
    arms = tuple(_arm(item, base, kind, rows, measured, several=len(models) > 1) for item in ordered)
    notes = () if len(models) > 1 else ((f"Model: {models[0]}.",) if models[0] else ())
    guesses = dict.fromkeys(arm.estimated for arm in arms if arm.estimated)
    notes = (*notes, *(f"Joules are estimated, not measured: {guess}." for guess in guesses))
    parts = dict.fromkeys(row.missing for item in ordered if (row := rows.of(item.case)) and row.missing)
    notes = (*notes, *(f"Quality over {part} of HumanEval." for part in parts if kind))
    return ArmGroup(setting, arms, arms[0], kind, notes)


def _order(case: Case) -> tuple[int, tuple[int, str]]:
    return quality.removed(case.dropped_layers), scheme_rank(case.scheme)


def _kind(base: _Timed, items: Sequence[_Timed], rows: _Worth) -> str:
    """pass@1 where the reference passes anything and another arm was judged; else perplexity; else nothing."""
    own = rows.of(base.case)
    others = [row for item in items if item is not base if (row := rows.of(item.case))]
    if own is None:
        return ""
    if own.passed and own.passed.value > 0 and any(row.passed for row in others):
        return "pass@1"
    return "perplexity" if own.perplexity and any(row.perplexity for row in others) else ""


def _arm(
    item: _Timed,
    base: _Timed,
    kind: str,
    rows: _Worth,
    measured: Sequence[energy.EnergyGroup],
    *,
    several: bool,
) -> ScoredArm:
    case = item.case
    row, used = rows.of(case), joules(measured, case)
    worth = None if row is None else row.passed if kind == "pass@1" else row.perplexity if kind else None
    found = {
        "quality": worth,
        "time": item.time,
        "energy": used.per_token if used else None,
        "memory": exact(item.footprint) if item.footprint else None,
    }
    values = {name: value for name, value in found.items() if value is not None}
    label = f"{case.model} " * several + case.scheme + (f" less {case.dropped_layers}" if case.dropped_layers else "")
    against = used.over(joules(measured, base.case), base.case.scheme) if used and item is not base else None
    return ScoredArm(label, case, values, used.estimated if used else "", {"energy": against} if against else {})
