"""What the machine itself can do, as measured by the "ceiling" instrument, and the time that this bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.record.schema import Record
from bench.schemes import family_of

from .event_overhead import less_overhead
from .traffic import Traffic


@dataclass(frozen=True)
class Ceilings:
    """``copy_bandwidth`` in B/s (bytes read plus bytes written over the median time of a copy), None where it was
    not measured; ``gemm_rates`` in FLOP/s by dtype."""

    copy_bandwidth: float | None = None
    gemm_rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bound:
    """``low`` and ``high``: the least time that the traffic allows at the copy bandwidth, s, by the traffic's bounds.
    ``arithmetic``: the time of the operations at the rate of a large matrix product, None where no rate was measured
    in the type that the arm computes in. That rate is what one kernel reached, not a limit: a layer can beat it."""

    low: float
    high: float
    arithmetic: float | None


def ceilings(records: Sequence[Record], device: str | None = None) -> Ceilings:
    """The median over "ceiling" records (of ``device``, if given) of what each process measured."""
    found = [record for record in records if record.instrument == "ceiling" and record.status == "ok"]
    found = [record for record in less_overhead(found) if device in (None, record.case.device)]
    copies: list[float] = []
    rates: dict[str, list[float]] = {}
    for record in found:
        times, size = record.values("copy_time"), record.setup.get("copy_bytes")
        if times and size:
            copies.append(2.0 * float(size) / float(np.median(times)))
        times, work = record.values("gemm_time"), record.setup.get("gemm_flop")
        if times and work:
            rates.setdefault(str(record.setup.get("dtype")), []).append(float(work) / float(np.median(times)))
    medians = {dtype: float(np.median(values)) for dtype, values in rates.items()}
    return Ceilings(float(np.median(copies)) if copies else None, medians)


def bound(traffic: Traffic | None, work: float, arm: Mapping[str, Any], machine: Ceilings) -> Bound | None:
    """The bound of ``traffic`` and ``work`` (FLOP) on ``machine``; None where the bandwidth is unknown.

    An int8 product is held against an int8 rate only, never against a float one.
    """
    if traffic is None or not machine.copy_bandwidth:
        return None
    family = family_of(arm)
    rate = None if family is None else machine.gemm_rates.get(family.product_dtype(arm))
    arithmetic = work / rate if rate and work else None
    return Bound(traffic.low / machine.copy_bandwidth, traffic.high / machine.copy_bandwidth, arithmetic)
