"""What removing layers does to pass@1 and to the joules per token: figures 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.statistics import Estimate, Samples, estimate
from bench.workloads.pruning import parse

from ..published import Published
from .quality import Score, joules_per_pass, score
from .settings import StudySetting, ratio_of_means, study_model


@dataclass(frozen=True)
class PrunedModel:
    """A model less ``removed`` layers. ``joules`` in J/token; ``energy_ratio`` to the whole model's, same source."""

    removed: int
    layers: str
    setting: StudySetting
    plus: Score | None
    joules: Estimate | None
    raw: Samples
    energy_ratio: Estimate | None
    joules_per_pass: Estimate | None


@dataclass(frozen=True)
class PrunedSeries:
    """One model in one scheme, from the whole model on. ``study_name``: what the study calls it, or ""."""

    model: str
    study_name: str
    scheme: str
    source: str
    estimated: str
    points: tuple[PrunedModel, ...]

    @property
    def setting(self) -> StudySetting:
        return self.points[0].setting


def pruned_series(published: Published, found: Sequence[StudySetting]) -> tuple[PrunedSeries, ...]:
    """A series for each setting of which some layers were removed, in its original scheme."""
    families: dict[tuple[object, ...], list[StudySetting]] = {}
    for setting in found:
        families.setdefault(_but_layers(setting), []).append(setting)
    pruned = [sorted(family, key=removed) for family in families.values() if any(map(removed, family))]
    return tuple(_series(published, family, found) for family in pruned if family[0].reference)


def removed(setting: StudySetting) -> int:
    return len(parse(setting.coordinate("dropped_layers")))


def _but_layers(setting: StudySetting) -> tuple[object, ...]:
    return (setting.machine, *(item for item in setting.coordinates if item[0] != "dropped_layers"))


def _series(published: Published, family: Sequence[StudySetting], found: Sequence[StudySetting]) -> PrunedSeries:
    whole = family[0]
    scheme = whole.reference or ""
    base = whole.joules(scheme)
    # Only the source that the whole model has: joules of two sources are never set beside each other.
    source = base[0].source if base else ""
    points = tuple(_point(setting, scheme, source, base[0].values if base else (), found) for setting in family)
    model = study_model(published, whole)
    return PrunedSeries(
        str(whole.coordinate("model")), model.name if model else "", scheme, source,
        base[0].estimated if base else "", points,
    )  # fmt: skip


def _point(
    setting: StudySetting, scheme: str, source: str, base: Samples, found: Sequence[StudySetting]
) -> PrunedModel:
    joules = setting.joules(scheme, sources=(source,)) if source else None
    values = joules[0].values if joules else ()
    count = removed(setting)
    return PrunedModel(
        removed=count,
        layers=str(setting.coordinate("dropped_layers") or ""),
        setting=setting,
        plus=score(setting.records(scheme, "quality"), "passed_plus"),
        joules=estimate(values, statistic="mean") if values else None,
        raw=values,
        energy_ratio=ratio_of_means(values, base) if count else None,
        joules_per_pass=joules_per_pass(setting, scheme, found)[0],
    )
