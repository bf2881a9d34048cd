"""Layer by layer: how long each scheme takes for x[m, k] · W[n, k]ᵀ, how wrong it is, and how far from the bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.record.schema import Record

from .ceilings import Bound, Ceilings, bound, ceilings
from .event_overhead import TAKEN_OFF, less_overhead
from .grouping import REFERENCE, Coordinates, Group, groups, pooled, reference_first, reference_of, samples
from .statistics import Estimate, location
from .statistics.pairing import estimate_of, taking
from .statistics.several import judged_together
from .statistics.turns import ratio_of_products
from .statistics.verdict import Verdict, verdict
from .traffic import Traffic, flop, traffic

# s. Of shorter calls the mean is far from the median, since some of them meet what takes as long as they do.
SHORT = 10e-6


@dataclass(frozen=True)
class MatmulRow:
    """One scheme for one layer shape, op, residency and m. Times in s.

    ``achieved_bandwidth`` (low, high) in B/s and ``achieved_rate`` in FLOP/s divide the modelled traffic and work by
    the measured time; ``time_ratio`` is over the reference's time (None for the reference). ``bias``: whether one was
    added (False too in records from before they said so). ``event_overhead``: s taken off the times, None for none.
    ``time`` is of medians, as are all ratios; ``mean_time`` is told beside it below SHORT, None above.
    """

    setting: Coordinates
    model: str
    device: str
    layer: str
    op: str
    residency: str
    m: int
    n: int
    k: int
    scheme: str
    reference: str | None
    time: Estimate
    time_ratio: Estimate | None
    verdict: Verdict | None
    relative_error: float | None
    dispatch_time: float | None
    traffic: Traffic | None
    achieved_bandwidth: tuple[float, float] | None
    achieved_rate: float | None
    bound: Bound | None
    stops: tuple[str, ...]
    bias: bool
    event_overhead: float | None
    mean_time: float | None = None


def summarise(records: Sequence[Record], *, reference: str = REFERENCE) -> tuple[MatmulRow, ...]:
    """A row per layer × op × residency × m × scheme, in that order of sorting. Times are without the event pair's own
    (event_overhead.py)."""
    records = less_overhead(records)
    devices = {record.case.device for record in records}
    machines = {device: ceilings(records, device) for device in devices}
    rows = [
        row
        for group in groups(records, "matmul")
        for part in _by_bias(group)
        for row in _rows(part, reference, machines[str(group.coordinate("device"))])
    ]
    return tuple(sorted(_biases_named(rows), key=_order))


def _by_bias(group: Group) -> list[Group]:
    """Products with a bias and without are other work: a run that was begun by a version that added none may hold
    both."""
    parts = [
        Group(group.setting, {name: mine for name, of in group.schemes.items() if (mine := _biased(of, wanted))})
        for wanted in (True, False)
    ]
    return [part for part in parts if part.schemes]


def _biases_named(rows: Sequence[MatmulRow]) -> list[MatmulRow]:
    """Where a run holds a layer's products with a bias and without, the latter are called so."""
    biased = {(row.model, row.layer, row.n, row.k) for row in rows if row.bias}
    return [
        replace(row, layer=f"{row.layer}, without bias")
        if not row.bias and (row.model, row.layer, row.n, row.k) in biased
        else row
        for row in rows
    ]


def _biased(records: Sequence[Record], wanted: bool) -> tuple[Record, ...]:
    return tuple(record for record in records if has_bias(record) == wanted)


def has_bias(record: Record) -> bool:
    """Whether a product's bias was added; False in Records from before they said so, which added none."""
    return bool(record.setup.get("bias"))


def _order(row: MatmulRow) -> tuple[Any, ...]:
    return (row.model, row.n * row.k, row.layer, row.op != "linear", row.op, row.residency, row.m)


def _rows(group: Group, wanted: str, machine: Ceilings) -> list[MatmulRow]:
    reference = reference_of(group.schemes, wanted)
    base = group.schemes[reference] if reference else ()
    rows = [
        _row(group, scheme, group.schemes[scheme], reference, base if scheme != reference else (), machine)
        for scheme in reference_first(group.schemes, reference)
        if samples(group.schemes[scheme], "forward_time")
    ]
    return list(judged_together(rows, lambda row: row.time_ratio))


def _row(
    group: Group,
    scheme: str,
    records: tuple[Record, ...],
    reference: str | None,
    base: tuple[Record, ...],
    machine: Ceilings,
) -> MatmulRow:
    case = records[0].case
    m, n, k, op = case.m or 0, case.n or 0, case.k or 0, case.op or "linear"
    arm = _arm(records[0])
    time = estimate_of(records, taking("forward_time"))
    assert time is not None  # its caller leaves schemes without times out
    between = ratio_of_products(records, base)
    biased, processors = has_bias(records[0]), _multiprocessors(records[0])
    moved = traffic(arm, m, n, k, op=op, device=case.device, multiprocessors=processors, bias=biased)
    work = flop(m, n, k) if op in ("linear", "gemm") else 0.0
    dispatch, errors = pooled(records, "dispatch_time"), pooled(records, "relative_error")
    return MatmulRow(
        setting=group.setting,
        model=case.model,
        device=case.device,
        layer=case.layer or f"{n}×{k}",
        op=op,
        residency=case.residency or "unstated",
        m=m,
        n=n,
        k=k,
        scheme=scheme,
        reference=reference,
        time=time,
        time_ratio=between,
        verdict=verdict(between) if between else None,
        relative_error=max(errors) if errors else None,
        dispatch_time=float(np.median(dispatch)) if dispatch else None,
        traffic=moved,
        achieved_bandwidth=(moved.low / time.value, moved.high / time.value) if moved else None,
        achieved_rate=work / time.value if work else None,
        bound=bound(moved, work, arm, machine),
        bias=biased,
        mean_time=location(samples(records, "forward_time"), "mean") if time.value < SHORT else None,
        event_overhead=_median(record.setup.get(TAKEN_OFF) for record in records),
        stops=tuple(dict.fromkeys(str(record.setup["stop"]) for record in records if record.setup.get("stop"))),
    )


def _median(values: Iterable[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _arm(record: Record) -> Mapping[str, Any]:
    arm = record.setup.get("arm")
    return arm if isinstance(arm, Mapping) else {}


def _multiprocessors(record: Record) -> int | None:
    for gpu in record.environment.gpus:
        count = gpu.get("multiprocessors")
        if isinstance(count, int):
            return count
    return None
