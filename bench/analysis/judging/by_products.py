"""What layer products and counters judge: what a scheme's kernels are bound by."""

from __future__ import annotations

import numpy as np

from bench.record.schema import Record

from ..matmul import MatmulRow
from .evidence import Evidence, Found, not_tested
from .rules import SHARE

_ISSUE = "sm__inst_issued.avg.pct_of_peak_sustained_active"
_DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"


def lookups(e: Evidence) -> Found:
    """H5: a fused 4-bit kernel issues nearer to its peak than it reads."""
    if not e.on_gpu:
        return not_tested("issue slots against DRAM throughput are counters of a GPU (Nsight Compute)")
    found = {
        record.case.scheme: pair
        for record in e.records
        if record.instrument == "ncu-warm" and (pair := _issue_and_dram(record)) is not None
    }
    if not found:
        return not_tested("no counters of a fused 4-bit kernel were collected: run 'make profile OUT=RUN_FOLDER'")
    told = tuple(
        f"{scheme}: issue slots {issue:.0f} %, DRAM {dram:.0f} % of their peaks"
        for scheme, (issue, dram) in found.items()
    )
    bound = [issue > dram for issue, dram in found.values()]
    return Found("supported" if all(bound) else "ambiguous" if any(bound) else "refuted", told)


def _issue_and_dram(record: Record) -> tuple[float, float] | None:
    """Of the fused 4-bit kernel that takes longest, in % of their peaks."""
    for kernel in record.setup.get("top", ()):
        metrics = kernel.get("metrics") or {}
        if "gemm_4bit" in str(kernel.get("name")) and _ISSUE in metrics and _DRAM in metrics:
            values = (metrics[name].get("value") for name in (_ISSUE, _DRAM))
            issue, dram = (float(value) if value is not None else float("nan") for value in values)
            return None if np.isnan(issue) or np.isnan(dram) else (issue, dram)
    return None


def caches(e: Evidence) -> Found:
    """Cold weights against hot ones: what misses cost a scheme beyond what they cost the reference."""
    if not e.on_gpu:
        return not_tested("L1 and L2 are the GPU's: a CPU's caches do not stand for them")
    ratios: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in e.matmul:
        if row.op == "linear":
            ratios.setdefault((row.layer, row.scheme, row.m), {})[row.residency] = row.time.value
    known = {key: item["cold"] / item["hot"] for key, item in ratios.items() if {"cold", "hot"} <= set(item)}
    if not known:
        return not_tested("layers were not measured both hot and cold")
    told, worse = [], []
    for (layer, scheme, m), ratio in known.items():
        base = known.get((layer, "fp16", m))
        if scheme != "fp16" and m == 1 and base:
            told.append(f"{scheme} {layer}, m=1: cold ÷ hot ×{ratio:.2f}, fp16 ×{base:.2f}")
            worse.append(ratio > base * (1 + SHARE))
    if not told:
        return not_tested("no layer was measured in fp16 and a quantised scheme, hot and cold")
    return Found("supported" if all(worse) else "ambiguous" if any(worse) else "refuted", tuple(told))


def integer(e: Evidence) -> Found:
    """The bare int8 product against the 16-bit one at the same shape and rows."""
    float_, integer = {}, {}
    for row in e.matmul:
        key = (row.layer, row.n, row.k, row.m, row.residency)
        if row.scheme == "fp16" and row.op == "linear":
            float_[key] = row
        if row.scheme in ("int8", "int8-thr0") and row.op == "gemm":
            integer[key] = row
    common = [key for key in integer if key in float_ and key[3] == 1]
    if not common:
        return not_tested("the bare int8 product was not measured beside the 16-bit one")
    ratios = [integer[key].time.value / float_[key].time.value for key in common]
    told = tuple(
        f"{key[0]} {key[1]}×{key[2]}, m=1, {key[4]}: int8 product ÷ fp16 Linear ×{ratio:.2f}"
        for key, ratio in zip(common, ratios, strict=True)
    )
    sure = [_apart(integer[key], float_[key]) for key in common]
    if all(sign > 0 for sign in sure):
        return Found("supported", told)
    return Found("refuted" if all(sign < 0 for sign in sure) else "ambiguous", told)


def _apart(one: MatmulRow, other: MatmulRow) -> int:
    """+1 where ``one`` is slower for sure, -1 where it is faster, else 0."""
    if None in (one.time.low, one.time.high, other.time.low, other.time.high):
        return 0
    if one.time.low > other.time.high:  # type: ignore[operator]
        return 1
    return -1 if one.time.high < other.time.low else 0  # type: ignore[operator]
