"""What layer products and counters judge: what a scheme's kernels are bound by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.record.schema import Record

from ..assumed import mark
from ..turns import ratio_of_products
from ..verdict import verdict
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
    floats, integers = _products(e, ("fp16",), "linear"), _products(e, ("int8", "int8-thr0"), "gemm")
    ratios = {
        key: found
        for key, records in integers.items()
        if key in floats and key[3] == 1 and (found := ratio_of_products(records, floats[key])) is not None
    }
    if not ratios:
        return not_tested("the bare int8 product was not measured beside the 16-bit one")
    told = tuple(
        f"{key[0]} {key[1]}×{key[2]}, m=1, {key[4]}: int8 product ÷ fp16 Linear ×{found.value:.2f}{mark(found.assumed)}"
        for key, found in ratios.items()
    )
    verdicts = {verdict(found) for found in ratios.values()}
    if verdicts == {"SLOWER"}:
        return Found("supported", told)
    return Found("refuted" if verdicts == {"FASTER"} else "ambiguous", told)


_Product = tuple[str | None, int | None, int | None, int | None, str | None]


def _products(e: Evidence, schemes: Sequence[str], op: str) -> dict[_Product, list[Record]]:
    """(layer, n, k, m, residency) → the records of the last of these schemes that has any."""
    found: dict[_Product, dict[str, list[Record]]] = {}
    for record in e.records:
        case = record.case
        if record.instrument == "matmul" and record.status == "ok" and case.scheme in schemes and case.op == op:
            key = (case.layer, case.n, case.k, case.m, case.residency)
            found.setdefault(key, {}).setdefault(case.scheme, []).append(record)
    return {key: named[max(named, key=schemes.index)] for key, named in found.items()}
