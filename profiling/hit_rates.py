"""A cache's hit rate from counters: pairs of hits and misses first, because their sums aggregate correctly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .readers.counters import Counters, Floats, Integers


@dataclass(frozen=True)
class SectorPairs:
    """Pairs of metrics (hits, misses) in sectors, to be summed. ``note``: what they leave out, "" if nothing."""

    pairs: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True)
class Cache:
    """``sources`` in order of preference, then ready-made ``rates`` in percent."""

    name: str
    sources: tuple[SectorPairs, ...]
    rates: tuple[str, ...]


def _pair(stem: str) -> tuple[str, str]:
    return f"{stem}_lookup_hit.sum", f"{stem}_lookup_miss.sum"


# Disjoint parts of the L1 look-ups: ncu's memory tables collect them where the total was not asked for.
_L1_PARTS = (
    *(f"pipe_lsu_mem_{space}_op_{op}" for space in ("global", "local") for op in ("ld", "st")),
    *(f"pipe_lsu_mem_global_op_{op}" for op in ("atom", "red")),
    *(f"pipe_tex_mem_surface_op_{op}" for op in ("ld", "st", "atom", "red")),
    "pipe_tex_mem_texture",
)

L1 = Cache(
    "l1_hit_rate",
    (
        SectorPairs((_pair("l1tex__t_sectors"),)),
        SectorPairs(tuple(_pair(f"l1tex__t_sectors_{part}") for part in _L1_PARTS), "the parts that were collected"),
    ),
    ("l1tex__t_sector_hit_rate.pct", "L1/TEX Hit Rate"),
)

# Look-ups from the SMs (srcunit_tex) come first: the plain count also holds the traffic between L2 partitions.
L2 = Cache(
    "l2_hit_rate",
    (
        SectorPairs((_pair("lts__t_sectors_srcunit_tex"),)),
        SectorPairs((_pair("lts__t_sectors_op_read"),), "reads only, all sources"),
        SectorPairs((_pair("lts__t_sectors_srcunit_tex_op_read"),), "reads only"),
        SectorPairs((_pair("lts__t_sectors"),), "all sources, traffic between partitions included"),
    ),
    ("lts__t_sector_hit_rate.pct", "L2 Hit Rate"),
)

CACHES = (L1, L2)


def hit_rate(counters: Counters, rows: Integers, cache: Cache) -> tuple[float | None, str]:
    """(hits / (hits + misses) over the launches ``rows``, a note on its source or "").

    None where nothing was collected, or nothing was looked up.
    """
    for source in cache.sources:
        sums = [_sums(counters, rows, *pair) for pair in source.pairs]
        found = [(pair, both) for pair, both in zip(source.pairs, sums, strict=True) if both is not None]
        if found:
            hits, misses = (sum(both[side] for _, both in found) for side in (0, 1))
            return (hits / (hits + misses) if hits + misses > 0 else None), _note(cache, source, [p for p, _ in found])
    return _ready_made(counters, rows, cache)


def _sums(counters: Counters, rows: Integers, hit: str, miss: str) -> tuple[float, float] | None:
    """Sums over the launches that have both counters."""
    hits, misses = counters.values(hit)[rows], counters.values(miss)[rows]
    both = ~(np.isnan(hits) | np.isnan(misses))
    return (float(hits[both].sum()), float(misses[both].sum())) if both.any() else None


def _note(cache: Cache, source: SectorPairs, pairs: list[tuple[str, str]]) -> str:
    if not source.note:
        return ""
    stems = [hit.removesuffix("_lookup_hit.sum") for hit, _ in pairs]
    more = f" and {len(stems) - 1} more" if len(stems) > 1 else ""
    return f"{cache.name} is from hits and misses of {stems[0]}{more} ({source.note})"


def _ready_made(counters: Counters, rows: Integers, cache: Cache) -> tuple[float | None, str]:
    for name in cache.rates:
        percent = counters.values(name)[rows]
        if not np.isnan(percent).all():
            note = (
                f"{cache.name} is ncu's ready-made {name}, averaged over launches: hits and misses were not collected"
            )
            return mean(percent, counters.duration()[rows]) / 100, note
    return None, ""


def mean(values: Floats, weights: Floats) -> float:
    """The mean of the values that are not NaN, weighted; unweighted where a weight is missing or all are zero."""
    known = ~np.isnan(values)
    values, weights = values[known], weights[known]
    if (values == values[0]).all():
        return float(values[0])  # no rounding where there is nothing to average
    if np.isnan(weights).any() or weights.sum() <= 0:
        return float(values.mean())
    return float(np.average(values, weights=weights))
