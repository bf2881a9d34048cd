"""Each published time and energy with its measured counterpart: the ratio to the original in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.statistics import Estimate, Samples, estimate

from ..published import ORIGINAL, EnergyRange, Published, PublishedRow
from .settings import JouleSource, StudySetting, ratio_of_means, stands_for


@dataclass(frozen=True)
class Measured:
    """One arm in one setting. ``value`` in the row's unit, ``ratio`` to the original (None for itself), ``raw`` holds
    one sequence per fresh process. ``estimated`` says what is guessed rather than measured, or ""."""

    setting: StudySetting
    scheme: str
    reference: str
    value: Estimate
    ratio: Estimate | None
    raw: Samples
    source: str = ""
    estimated: str = ""


@dataclass(frozen=True)
class TimeRow:
    """``ratio`` is the published time over the original's. Measured value: s per token, prefill included; its ratio
    is that of whole calls, as the study's is."""

    published: PublishedRow
    ratio: float
    measured: Measured | None
    missing: str = ""


@dataclass(frozen=True)
class StudyEnergyRow:
    """``published_range`` covers all settings of the study, because its figures print no joules. Measured: J/token."""

    published: PublishedRow
    published_range: EnergyRange | None
    measured: Measured | None
    missing: str = ""


def held_against(published: Published, found: Iterable[StudySetting]) -> dict[tuple[str, int], list[StudySetting]]:
    """The measured settings of whole models by the study's (model, tokens) that they stand beside."""
    sides: dict[tuple[str, int], list[StudySetting]] = {}
    for setting in found:
        if not setting.coordinate("dropped_layers"):
            sides.setdefault(stands_for(published, setting), []).append(setting)
    return sides


def time_rows(published: Published, found: Sequence[StudySetting]) -> tuple[TimeRow, ...]:
    sides = held_against(published, found)
    rows: list[TimeRow] = []
    for row in published.rows:
        ratio = row.time / published.row(row.model, row.tokens, ORIGINAL).time
        made = [time_of(setting, row.arm) for setting in timed(sides.get((row.model, row.tokens), ()))]
        known = [item for item in made if item is not None]
        rows += [TimeRow(row, ratio, item) for item in known] or [TimeRow(row, ratio, None, _missing(sides, row))]
    return tuple(rows)


def timed(found: Sequence[StudySetting]) -> Sequence[StudySetting]:
    """The settings with timed calls; where there are none, those whose programs were judged: these end at stop words
    of their own and run once, so they stand in for a timing only where there is no other."""
    return [setting for setting in found if setting.is_timed] or found


def energy_rows(published: Published, found: Sequence[StudySetting]) -> tuple[StudyEnergyRow, ...]:
    sides = held_against(published, found)
    rows: list[StudyEnergyRow] = []
    for row in published.rows:
        range_ = published.range_of(row.arm)
        made = [energy_of(setting, row.arm) for setting in sides.get((row.model, row.tokens), ())]
        known = [item for item in made if item is not None]
        rows += [StudyEnergyRow(row, range_, item) for item in known] or [
            StudyEnergyRow(row, range_, None, _missing(sides, row, "joules"))
        ]
    return tuple(rows)


def time_of(setting: StudySetting, arm: str) -> Measured | None:
    """The time of the scheme that stands for an arm of the study."""
    scheme, reference = setting.scheme_of(arm, "generation", "samples"), setting.reference
    if scheme is None or reference is None:
        return None
    values = setting.token_times(scheme)
    if not values:
        return None
    ratio = None if scheme == reference else ratio_of_means(setting.times(scheme), setting.times(reference))
    return Measured(setting, scheme, reference, estimate(values, statistic="mean"), ratio, values)


def energy_of(setting: StudySetting, arm: str) -> Measured | None:
    """The joules per token of the scheme that stands for an arm of the study."""
    scheme, reference = setting.scheme_of(arm, "energy", "codecarbon"), setting.reference
    if scheme is None or reference is None:
        return None
    found = setting.joules(scheme, reference)
    if found is None:
        return None
    own, base = found
    return joules_measured(setting, scheme, reference, own, None if scheme == reference else base)


def joules_measured(
    setting: StudySetting, scheme: str, reference: str, own: JouleSource, base: JouleSource | None
) -> Measured:
    ratio = ratio_of_means(own.values, base.values) if base else None
    value = estimate(own.values, statistic="mean")
    return Measured(setting, scheme, reference, value, ratio, own.values, own.source, own.estimated)


def _missing(sides: dict[tuple[str, int], list[StudySetting]], row: PublishedRow, what: str = "times") -> str:
    if (row.model, row.tokens) not in sides:
        return f"no run stands beside {row.model} with {row.tokens} tokens"
    if what == "joules":
        return "no joules were measured for this arm and the original"
    return f"no scheme of this run stands for {row.arm}"
