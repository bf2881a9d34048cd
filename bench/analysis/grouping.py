"""Which records may be set beside each other: those whose coordinates differ in the scheme only, and in the
adapter that comes with it.

Models, batch sizes, prompt lengths, cache kinds and seeds are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.record.schema import Case, Record
from bench.schemes import ORDER, STAND_INS
from bench.schemes import REFERENCE as REFERENCE
from bench.schemes import UNQUANTISED as UNQUANTISED
from bench.schemes.variants import plain_name

# The coordinates that two arms may differ in and still be compared.
OF_SCHEME = ("scheme", "adapter")

Coordinates = tuple[tuple[str, Any], ...]


def setting_of(case: Case) -> Coordinates:
    """The coordinates of a Case less its scheme and what belongs to it: a key that can be hashed."""
    return tuple((name, value) for name, value in case.coordinates().items() if name not in OF_SCHEME)


def without_retried(records: Sequence[Record]) -> tuple[Record, ...]:
    """``records`` less those that failed or were skipped and that a later one of the same key made good."""
    last_good = {record.key: number for number, record in enumerate(records) if record.status == "ok"}
    return tuple(
        record
        for number, record in enumerate(records)
        if record.status == "ok" or last_good.get(record.key, -1) < number
    )


@dataclass(frozen=True)
class Group:
    """Records of one instrument in one setting, by scheme and in order of ``repeat``."""

    setting: Coordinates
    schemes: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)

    def coordinate(self, name: str) -> Any:
        return dict(self.setting).get(name)

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(record for records in self.schemes.values() for record in records)


def scheme_rank(scheme: str) -> tuple[int, str]:
    """By which schemes are sorted: from "nothing quantised" to "most quantised"; unknown ones follow, and
    variants ("nf4+adapter") their plain scheme."""
    base = plain_name(scheme)
    known = ORDER.index(base) if base in ORDER else len(ORDER)
    return (known, scheme)


def groups(records: Iterable[Record], instrument: str, statuses: Sequence[str] = ("ok",)) -> tuple[Group, ...]:
    """The records of ``instrument`` with one of ``statuses`` as Groups, in order of first appearance."""
    found: dict[Coordinates, dict[str, list[Record]]] = {}
    for record in records:
        if record.instrument == instrument and record.status in statuses:
            found.setdefault(setting_of(record.case), {}).setdefault(record.case.scheme, []).append(record)
    return tuple(Group(setting, _ordered(schemes)) for setting, schemes in found.items())


def _ordered(schemes: Mapping[str, list[Record]]) -> dict[str, tuple[Record, ...]]:
    return {
        scheme: tuple(sorted(schemes[scheme], key=lambda record: record.repeat))
        for scheme in sorted(schemes, key=scheme_rank)
    }


def reference_of(schemes: Iterable[str], wanted: str = REFERENCE) -> str | None:
    """The scheme that the others are compared with: the wanted one, else the first unquantised one, else None."""
    present = list(schemes)
    return next((name for name in (wanted, *STAND_INS) if name in present), None)


def reference_first(schemes: Iterable[str], reference: str | None) -> tuple[str, ...]:
    """The schemes in their order, but the one that all are compared with at the top."""
    return tuple(sorted(schemes, key=lambda name: name != reference))


def samples(records: Sequence[Record], name: str) -> tuple[tuple[float, ...], ...]:
    """The values of one metric, one tuple per repeat; repeats without the metric are left out."""
    return tuple(values for record in records if (values := record.values(name)))


def pooled(records: Sequence[Record], name: str) -> tuple[float, ...]:
    """The values of one metric over all repeats, in order."""
    return tuple(value for values in samples(records, name) for value in values)
