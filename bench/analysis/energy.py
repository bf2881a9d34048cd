"""Joules per token: gross, and net of what the machine draws when it does nothing.

NVML's and RAPL's counters are measurements. CodeCarbon adds a constant for memory and, without RAPL, a guess for
the CPU: it is carried as "estimated" and never mixed with the counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Record

from .grouping import REFERENCE, Coordinates, Group, groups, reference_first, reference_of
from .pairing import estimate_of, ratio_between
from .statistics import Estimate
from .verdict import MARGIN, Verdict, verdict


@dataclass(frozen=True)
class Source:
    """Where joules come from: the energy metric, the idle metric (None: no baseline is possible)."""

    name: str
    instrument: str
    energy: str
    idle: str | None


SOURCES = (
    Source("GPU (NVML counter)", "energy", "energy_gpu", "idle_energy_gpu"),
    Source("CPU package (RAPL counter)", "energy", "energy_cpu", "idle_energy_cpu"),
    Source("CodeCarbon, all parts", "codecarbon", "codecarbon_energy", None),
)


@dataclass(frozen=True)
class EnergyRow:
    """One scheme, one source. ``gross`` and ``net`` in J/token, ``power`` and ``idle_power`` in W.

    ``reason`` says why ``gross`` is None. ``estimated`` holds what is guessed rather than measured, or "".
    """

    scheme: str
    source: str
    gross: Estimate | None
    net: Estimate | None
    power: float | None
    idle_power: float | None
    energy_ratio: Estimate | None
    verdict: Verdict | None
    windows: int
    estimated: str
    reason: str


@dataclass(frozen=True)
class EnergyGroup:
    setting: Coordinates
    reference: str | None
    rows: tuple[EnergyRow, ...]


def gross_per_token(record: Record, name: str) -> tuple[float, ...]:
    """J/token of each window, idle draw included."""
    return _per_token(record.values(name), record.values("window_tokens"))


def net_per_token(record: Record, name: str, idle: str) -> tuple[float, ...]:
    """J/token of each window less what an idle machine would have used in the same time; () with no baseline."""
    idle_watts = idle_power(record, idle)
    times = record.values("window_time")
    if idle_watts is None or not times:
        return ()
    above = [joules - idle_watts * time for joules, time in zip(record.values(name), times, strict=False)]
    return _per_token(above, record.values("window_tokens"))


def idle_power(record: Record, idle: str) -> float | None:
    """Mean power over the idle windows, W."""
    joules, seconds = sum(record.values(idle)), sum(record.values("idle_time"))
    return joules / seconds if record.values(idle) and seconds > 0 else None


def summarise(
    records: Sequence[Record], *, reference: str = REFERENCE, margin: float = MARGIN
) -> tuple[EnergyGroup, ...]:
    """Every setting in which energy was asked for, a row per source and scheme; rows without joules say why."""
    found: dict[Coordinates, list[EnergyRow]] = {}
    references: dict[Coordinates, str | None] = {}
    for source in SOURCES:
        # Skipped records are in, because their reason is the answer to "why are there no joules?".
        for group in groups(records, source.instrument, ("ok", "skipped", "failed")):
            references.setdefault(group.setting, reference_of(group.schemes, reference))
            found.setdefault(group.setting, []).extend(_rows(group, source, references[group.setting], margin))
    return tuple(EnergyGroup(setting, references[setting], tuple(rows)) for setting, rows in found.items())


def _rows(group: Group, source: Source, reference: str | None, margin: float) -> list[EnergyRow]:
    base = group.schemes.get(reference, ()) if reference else ()
    return [
        _row(scheme, group.schemes[scheme], source, base if scheme != reference else (), margin)
        for scheme in reference_first(group.schemes, reference)
    ]


def _row(
    scheme: str, records: tuple[Record, ...], source: Source, base: tuple[Record, ...], margin: float
) -> EnergyRow:
    gross = estimate_of(records, lambda record: _moved(record, source))
    between = ratio_between(records, base, lambda record: _moved(record, source))
    return EnergyRow(
        scheme=scheme,
        source=source.name,
        gross=gross,
        net=estimate_of(records, lambda record: _net(record, source)),
        power=_power(records, source),
        idle_power=_idle(records, source),
        energy_ratio=between,
        verdict=verdict(between, margin) if between else None,
        windows=sum(len(_moved(record, source)) for record in records),
        estimated=_estimated(records),
        reason="" if gross else _reason(records, source),
    )


def _moved(record: Record, source: Source) -> tuple[float, ...]:
    """A window that used nothing is a counter that did not move, not a measurement; ``windows`` counts the others."""
    return tuple(value for value in gross_per_token(record, source.energy) if value > 0)


def _net(record: Record, source: Source) -> tuple[float, ...]:
    return () if source.idle is None else net_per_token(record, source.energy, source.idle)


def _power(records: Sequence[Record], source: Source) -> float | None:
    joules = sum(sum(record.values(source.energy)) for record in records)
    seconds = sum(sum(record.values("window_time")) for record in records if record.values(source.energy))
    return joules / seconds if joules > 0 and seconds > 0 else None


def _idle(records: Sequence[Record], source: Source) -> float | None:
    powers = [watts for record in records if source.idle and (watts := idle_power(record, source.idle)) is not None]
    return sum(powers) / len(powers) if powers else None


def _estimated(records: Sequence[Record]) -> str:
    for record in records:
        if record.setup.get("estimated"):
            return str(record.setup.get("estimated_why") or "estimated")
    return ""


def _reason(records: Sequence[Record], source: Source) -> str:
    for record in records:
        if source.energy in record.not_collected:
            return str(record.not_collected[source.energy])
    for record in records:
        if record.status != "ok":
            return f"{record.status}: {record.reason}"
    if any(record.values(source.energy) for record in records):
        return "the counter did not move in a window: windows are too short for it"
    return "not recorded"


def _per_token(joules: Sequence[float], tokens: Sequence[float]) -> tuple[float, ...]:
    return tuple(joule / token for joule, token in zip(joules, tokens, strict=False) if token > 0)
