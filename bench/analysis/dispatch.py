"""A check of the ledger without any profiler: how long the host takes to issue a step's Linears, one by one.

``dispatch_time`` is measured layer by layer while the device is kept busy (bench/instruments/timing.py). Times how
often the model has such a Linear, scheme less reference, it is what the Linears alone should add to a step where the
host decides; beside it stands what the step really takes more. What a scheme does to other work, and a device that
decides, are not in it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.record.schema import Record

from .generation import GenerationGroup
from .grouping import Coordinates

_HOT = "hot"
_Shape = tuple[int, int]


@dataclass(frozen=True)
class DispatchRow:
    """s per decode step. ``linears``: how many are compared; ``reference_time`` and ``time``: their summed dispatch;
    ``measured``: the step's time over the reference's."""

    setting: Coordinates
    reference: str
    scheme: str
    linears: int
    reference_time: float
    time: float
    measured: float

    @property
    def predicted(self) -> float:
        return self.time - self.reference_time


def dispatch(records: Sequence[Record], groups: Sequence[GenerationGroup]) -> tuple[DispatchRow, ...]:
    """A row per setting and scheme whose Linears were issued with as many rows as the setting decodes at once."""
    found: list[DispatchRow] = []
    for group in groups:
        known, times = dict(group.setting), {row.scheme: row.time_per_token for row in group.rows}
        base, rows = group.reference, int(known.get("batch_size") or 1)
        before = times.get(base or "")
        if base is None or before is None:
            continue
        layers = _layers(records, known, rows)
        for scheme, after in times.items():
            row = _row(group.setting, (base, scheme), layers)
            if scheme != base and after is not None and row is not None:
                found.append(DispatchRow(*row, (after.value - before.value) * rows))
    return tuple(found)


_Row = tuple[Coordinates, str, str, int, float, float]
_Layers = Mapping[str, Mapping[_Shape, tuple[int, float]]]


def _row(setting: Coordinates, schemes: tuple[str, str], layers: _Layers) -> _Row | None:
    one, other = (layers.get(scheme, {}) for scheme in schemes)
    shared = [shape for shape in other if shape in one]
    if not shared:
        return None
    before, after = (sum(side[shape][0] * side[shape][1] for shape in shared) for side in (one, other))
    return setting, *schemes, sum(other[shape][0] for shape in shared), before, after


def _layers(records: Sequence[Record], setting: Mapping[str, object], m: int) -> _Layers:
    """Scheme → shape → (how often the model has it, median dispatch time in s)."""
    found: dict[str, dict[_Shape, tuple[int, float]]] = {}
    for record in records:
        case, count = record.case, int(record.setup.get("count_in_model") or 0)
        wanted = (case.workload, case.op, case.residency, case.m) == ("matmul", "linear", _HOT, m)
        same = all(getattr(case, name) == setting.get(name) for name in ("model", "revision", "device"))
        times = record.values("dispatch_time")
        if wanted and same and count and times:
            shape = (int(case.n or 0), int(case.k or 0))
            found.setdefault(case.scheme, {})[shape] = (count, statistics.median(times))
    return found
