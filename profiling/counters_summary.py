"""Counters of many launches → one entry per kernel: sums, duration-weighted means, hit rates from sums, and shares of a
peak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .hit_rates import CACHES, L2, hit_rate, mean
from .readers.counters import Counters, Floats, Integers

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


_NS_PER_S = 1e9
_BYTES = {"B", ""}  # the raw page without its row of units is in base units
_DRAM = (("dram__bytes.sum",), ("dram__bytes_read.sum", "dram__bytes_write.sum"))


@dataclass
class _Notes:
    """Warnings in the order they first occur, each once."""

    texts: dict[str, None] = field(default_factory=dict)

    def add(self, text: str) -> None:
        if text:
            self.texts.setdefault(text)


def summarise(counters: Counters) -> dict[str, Any]:
    """The counters document: ``kind``, ``kernels`` (longest total duration first) and ``warnings``.

    Per kernel name: ``launches``; ``duration_ns`` and ``.sum`` metrics summed over its launches; other metrics
    as means weighted by duration; ``l1_hit_rate`` and ``l2_hit_rate`` (0–1) from summed hits and misses;
    ``l2_hit_rate_ncu``, its own; ``dram_bytes``; ``dram_percent``, ``sm_percent`` and ``occupancy_percent`` of the
    peak; ``longest``, the same for its longest single launch. None where not collected.
    Metrics are {"unit", "value"} in SI base units.
    """
    notes = _Notes(dict.fromkeys(counters.warnings))
    duration = counters.duration()
    if np.isnan(duration).any() and len(counters):
        notes.add(
            f"{int(np.isnan(duration).sum())} of {len(counters)} launches have no gpu__time_duration.sum in a unit of "
            "time: means over them are unweighted, and the longest launch of their kernel is not known"
        )
    kernels = [_entry(counters, duration, name, rows, notes) for name, rows in group(counters.kernels).items()]
    kernels.sort(key=lambda entry: -(entry["duration_ns"] or 0.0))
    notes.add(to_ask_for(kernels))
    return {"kind": "counters", "kernels": kernels, "warnings": list(notes.texts)}


def summarise_ranges(counters: Counters, name_of: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """The same entries per NVTX range instead of per kernel; ``name_of`` maps a range's path to its group."""
    notes = _Notes()
    names = [name_of(path) for path in counters.nvtx]
    return [_entry(counters, counters.duration(), name, rows, notes) for name, rows in group(names).items()]


def group(names: Sequence[str]) -> dict[str, Integers]:
    """Name → the places where it occurs, names in order of first occurrence."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return {name: np.array(rows, dtype=np.int64) for name, rows in places.items()}


def _entry(counters: Counters, duration: Floats, name: str, rows: Integers, notes: _Notes) -> dict[str, Any]:
    entry = {"name": name, "launches": len(rows), **_values(counters, duration, rows, notes)}
    longest = _longest(duration, rows)
    if longest is None:
        return {**entry, "longest": None}
    values = _values(counters, duration, longest, notes)
    kept = ("duration_ns", "metrics", "l1_hit_rate", "l2_hit_rate")
    return {**entry, "longest": {key: values[key] for key in kept}}


def _longest(duration: Floats, rows: Integers) -> Integers | None:
    """The row of the longest launch; None where that cannot be known."""
    if len(rows) == 1:
        return rows
    if np.isnan(duration[rows]).any():
        return None
    return rows[[int(np.argmax(duration[rows]))]]


def _values(counters: Counters, duration: Floats, rows: Integers, notes: _Notes) -> dict[str, Any]:
    seconds = _total(duration[rows])
    rates = {}
    for cache in CACHES:
        rates[cache.name], note = hit_rate(counters, rows, cache)
        notes.add(note)
    ncu_rate, note = l2_of_ncu(counters, rows, rates["l2_hit_rate"])
    notes.add(note)
    return {
        # Rounded far below ncu's resolution: only to take the noise of s → ns out.
        "duration_ns": None if seconds is None else round(seconds * _NS_PER_S, 6),
        "metrics": _metrics(counters, duration[rows], rows),
        **rates,
        "l2_hit_rate_ncu": ncu_rate,
        "dram_bytes": _dram_bytes(counters, rows, notes),
        **shares(counters, rows),
    }


def _metrics(counters: Counters, duration: Floats, rows: Integers) -> dict[str, Any]:
    metrics = {}
    for name, column in counters.metrics.items():
        values = column.values[rows]
        if not np.isnan(values).all():
            value = float(np.nansum(values)) if name.endswith(".sum") else mean(values, duration)
            metrics[name] = {"unit": column.unit, "value": _whole_number(value) if name.endswith(".sum") else value}
    return metrics


def _whole_number(value: float) -> float:
    """A count as a whole number, where it is one."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _total(values: Floats) -> float | None:
    """The sum over the launches that have a value; None if none has."""
    return None if np.isnan(values).all() else float(np.nansum(values))


def _dram_bytes(counters: Counters, rows: Integers, notes: _Notes) -> float | None:
    for names in _DRAM:
        parts = [_total(counters.values(name)[rows]) for name in names]
        known = [part for part in parts if part is not None]
        units = sorted({counters.metrics[name].unit for name in names if name in counters.metrics} - _BYTES)
        if units:
            notes.add(f"dram_bytes is not from {' and '.join(names)}: its unit is {' and '.join(units)}")
            continue
        if len(known) == len(parts):
            return _whole_number(float(sum(known)))
        if known:
            notes.add(f"dram_bytes needs both of {' and '.join(names)}, and only one was collected")
    return None
