"""Shares of a peak that ncu's default set holds: DRAM, SM and occupancy, in percent; and what it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .hit_rates import L2, mean
from .readers.counters import Counters, Integers

# Our name → ncu's, as --metrics, the details page and older versions call it.
SHARES: dict[str, tuple[str, ...]] = {
    "dram_percent": (
        "dram__throughput.avg.pct_of_peak_sustained_elapsed",
        "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed",
        "DRAM Throughput",
    ),
    "sm_percent": ("sm__throughput.avg.pct_of_peak_sustained_elapsed", "Compute (SM) Throughput", "SM [%]"),
    "occupancy_percent": ("sm__warps_active.avg.pct_of_peak_sustained_active", "Achieved Occupancy"),
}
# What to ask ncu for, where it was not collected.
ASK_FOR = {
    "l1_hit_rate": "l1tex__t_sectors_lookup_hit.sum,l1tex__t_sectors_lookup_miss.sum",
    "l2_hit_rate": "lts__t_sectors_srcunit_tex_lookup_hit.sum,lts__t_sectors_srcunit_tex_lookup_miss.sum",
    "dram_bytes": "dram__bytes_read.sum,dram__bytes_write.sum",
}
# Two rates that differ by more than this are not the same measure.
_DIFFER = 0.005


def shares(counters: Counters, rows: Integers) -> dict[str, float | None]:
    """Each share over some launches, weighted by duration; None where it was not collected."""
    return {name: _first(counters, rows, names) for name, names in SHARES.items()}


def _first(counters: Counters, rows: Integers, names: tuple[str, ...]) -> float | None:
    for name in names:
        values = counters.values(name)[rows]
        if not np.isnan(values).all():
            return mean(values, counters.duration()[rows])
    return None


def l2_of_ncu(counters: Counters, rows: Integers, ours: float | None) -> tuple[float | None, str]:
    """ncu's own L2 rate (0–1), None where it was not collected, and why it differs from ours, "" where it does not."""
    percent = _first(counters, rows, L2.rates)
    rate = None if percent is None else percent / 100
    if rate is None or ours is None or abs(rate - ours) <= _DIFFER:
        return rate, ""
    return rate, (
        "l2_hit_rate is hits over hits and misses of what it was made from; ncu's own (l2_hit_rate_ncu) counts all "
        "look-ups of the L2, those of copies and between its partitions too, and averages percentages"
    )


def to_ask_for(kernels: list[dict[str, Any]]) -> str:
    """What no kernel has of a report that holds shares of the peak, as ncu's default set does, and the metrics that
    give it; "" where nothing is missing, or other metrics were chosen on purpose."""
    if not any(entry[name] is not None for entry in kernels for name in SHARES):
        return ""
    lacking = [name for name in ASK_FOR if all(entry[name] is None for entry in kernels)]
    if not lacking:
        return ""
    return f"{', '.join(lacking)} not collected: ask ncu for --metrics {','.join(ASK_FOR[name] for name in lacking)}"
