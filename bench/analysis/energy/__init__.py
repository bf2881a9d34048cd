"""Joules per token: gross, and net of what the machine draws when it does nothing, above each baseline that is known.

All figures come from ``work_joules``, as those of the ledger, the sign map, the trade-off and a passed task do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.record.schema import Record

from ..grouping import REFERENCE, Coordinates, Group, groups, reference_first, reference_of
from ..statistics import Estimate
from ..statistics.several import Interval, judged_together, off_among
from ..statistics.verdict import Verdict, verdict
from . import work_joules
from .baselines import NAMES, Baselines, Kind, baselines
from .idle_power import idle_of
from .sources import SOURCES, EnergySource, source_of
from .windows import withheld
from .work_joules import SchemeJoules
from .work_windows import work_windows

__all__ = [
    "SOURCES",
    "EnergyGroup",
    "EnergyRow",
    "EnergySource",
    "Net",
    "comparable_per_token",
    "gross_per_token",
    "summarise",
]  # fmt: skip


NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Net:
    """Above one baseline: ``power`` of it in W, J per token, and how many J more (negative: less) than the reference,
    None for the reference itself, where that has no such figure, and where no comparison may rest on them. ``sure``:
    it is more, or less, of all schemes beside the reference together."""

    kind: Kind
    power: float
    per_token: Estimate
    more: Estimate | None
    sure: bool = False


@dataclass(frozen=True)
class EnergyRow:
    """One scheme, one source. ``gross`` in J per token of work, ``power`` in W over the work's own time; ``nets``:
    above each baseline that is known. ``energy_ratio``: gross, over the reference's.

    ``reason`` says why ``gross`` is None; ``doubt``, why no comparison may rest on it, or "". ``estimated`` holds what
    is guessed rather than measured, or "".
    """

    scheme: str
    source: str
    gross: Estimate | None = None
    nets: tuple[Net, ...] = ()
    power: float | None = None
    energy_ratio: Estimate | None = None
    verdict: Verdict | None = None
    windows: int = 0
    processes: int = 0
    estimated: str = ""
    reason: str = ""
    doubt: str = ""

    def above(self, kind: Kind) -> Net | None:
        """The figures above one baseline."""
        return next((net for net in self.nets if net.kind == kind), None)

    @property
    def net(self) -> Estimate | None:
        """J per token above the machine with the model loaded and nothing to do."""
        found = self.above("held")
        return found.per_token if found else None


@dataclass(frozen=True)
class EnergyGroup:
    setting: Coordinates
    reference: str | None
    rows: tuple[EnergyRow, ...]


def gross_per_token(record: Record, name: str) -> tuple[float, ...]:
    """J/token of the work in each window that made tokens and joules."""
    source = source_of(name)
    windows, idle = work_windows(record, source), idle_of(record, source)
    joules = work_joules.gross_joules(windows, idle)
    return tuple(value / window.tokens for value, window in zip(joules, windows, strict=True))


def comparable_per_token(record: Record, name: str) -> tuple[float, ...]:
    """J/token of the whole process, as every comparison takes it; () where none may rest on it."""
    source = source_of(name)
    found = work_joules.process(record, source, Baselines())
    if found is None or work_joules.doubt(record, source):
        return ()
    return (sum(found.gross) / len(found.gross),)


def summarise(records: Sequence[Record], *, reference: str = REFERENCE) -> tuple[EnergyGroup, ...]:
    """Every setting in which energy was asked for, a row per source and scheme; rows without joules say why."""
    found: dict[Coordinates, list[EnergyRow]] = {}
    references: dict[Coordinates, str | None] = {}
    known = baselines(records)
    for source in (one for one in SOURCES if one.told_of(records)):
        # Skipped records are in, because their reason is the answer to "why are there no joules?".
        for group in groups(records, source.instrument, ("ok", "skipped", "failed")):
            references.setdefault(group.setting, reference_of(group.schemes, reference))
            found.setdefault(group.setting, []).extend(_rows(group, source, references[group.setting], known))
    return tuple(EnergyGroup(setting, references[setting], tuple(rows)) for setting, rows in found.items())


def _rows(group: Group, source: EnergySource, reference: str | None, known: Baselines) -> list[EnergyRow]:
    arms = {scheme: work_joules.arm(records, source, known) for scheme, records in group.schemes.items()}
    rows = []
    for scheme in reference_first(group.schemes, reference):
        own, records = arms[scheme], group.schemes[scheme]
        base = arms.get(reference) if reference and scheme != reference else None
        rows.append(_row(own, base, records, source) if own else _absent(records, source))
    return _with_sure_nets(judged_together(rows, lambda row: row.energy_ratio))


def _with_sure_nets(rows: Sequence[EnergyRow]) -> list[EnergyRow]:
    sure: set[tuple[str, Kind]] = set()
    for kind in NAMES:
        known = {row.scheme: more for row in rows if (net := row.above(kind)) and (more := net.more)}
        told = off_among(
            [Interval(one.value, one.low, one.high, one.freedom, bool(one.assumed)) for one in known.values()]
        )
        sure |= {(scheme, kind) for scheme, one in zip(known, told, strict=True) if one}
    return [
        replace(row, nets=tuple(replace(net, sure=(row.scheme, net.kind) in sure) for net in row.nets)) for row in rows
    ]


def _row(own: SchemeJoules, base: SchemeJoules | None, records: Sequence[Record], source: EnergySource) -> EnergyRow:
    gross, time = work_joules.level(own, "gross"), work_joules.level(own, "time")
    between = work_joules.ratio(own, base) if base else None
    doubt = own.doubt(source)
    doubted = doubt or (base.doubt(source) if base else "")
    against = None if doubted else base
    return EnergyRow(
        scheme=records[0].case.scheme,
        source=source.name,
        gross=gross,
        nets=tuple(net for kind in NAMES if (net := _net(own, against, kind)) is not None),
        power=gross.value / time.value if gross and time and time.value > 0 else None,
        energy_ratio=between,
        verdict=verdict(between) if between and not doubted else None,
        windows=own.windows,
        processes=len(own.processes),
        estimated=estimated(records),
        doubt=doubt,
    )


def _net(own: SchemeJoules, base: SchemeJoules | None, kind: Kind) -> Net | None:
    found, power = work_joules.level(own, kind), own.baseline(kind)
    if found is None or power is None:
        return None
    return Net(kind, power, found, work_joules.difference(own, base, kind) if base else None)


def _absent(records: Sequence[Record], source: EnergySource) -> EnergyRow:
    return EnergyRow(records[0].case.scheme, source.name, estimated=estimated(records), reason=_reason(records, source))


def estimated(records: Sequence[Record]) -> str:
    """What of these records' joules is guessed rather than measured, or ""."""
    told = (str(r.setup.get("estimated_why") or "estimated") for r in records if r.setup.get("estimated"))
    return next(told, "")


def _reason(records: Sequence[Record], source: EnergySource) -> str:
    for record in records:
        if source.energy in record.not_collected:
            return str(record.not_collected[source.energy])
    for record in records:
        if record.status != "ok":
            return f"{record.status}: {record.reason}"
    held_back = (withheld(record, source.counter) for record in records if source.counter)
    if why := next(filter(None, held_back), ""):
        return f"withheld: {why}"
    if any(record.values(source.energy) for record in records):
        return "its windows hold no joules of work"
    return NOT_RECORDED
