"""What layer products judge: what a miss of the GPU's caches costs, and an integer product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.record.schema import Record
from bench.schemes import ARMS, Arm, family
from bench.schemes.traffic import INTEGER

from ..event_overhead import less_overhead
from ..grouping import UNQUANTISED, reference_of, scheme_rank
from ..matmul import has_bias
from ..statistics import Estimate
from ..statistics.assumed import mark
from ..statistics.turns import ratio_of_products
from ..statistics.verdict import verdict
from .evidence import Evidence, Found, not_tested
from .rules import SHARE, apart_by, span_of


def caches(e: Evidence) -> Found:
    """H6: weights in the GPU's caches against weights in its memory: what misses cost a scheme beyond the reference.

    The misses in the StarCoder2 study's logs are counts of the CPU's caches, and no evidence here."""
    if not e.on_gpu:
        return not_tested(
            "it is about the GPU's L1 and L2: a CPU's caches, of which the study's counts are, say nothing"
        )
    known = _cold_over_hot(e)
    if not known:
        return not_tested("layers were not measured both hot and cold")
    told, worse = [], []
    for (*layer, scheme), ratio in known.items():
        reference = reference_of((str(name) for *other, name in known if other == layer), e.reference)
        if reference is None or scheme in (reference, *UNQUANTISED):
            continue
        base = known[(*layer, reference)]
        told.append(f"{scheme} {layer[1]}, m=1: cold ÷ hot ×{ratio.value:.2f}, {reference} ×{base.value:.2f}")
        worse.append(apart_by(1 + SHARE, span_of(base), span_of(ratio)))
    if not told:
        return not_tested(f"no layer was measured in {e.reference} and a quantised scheme, hot and cold")
    if all(worse):
        return Found("supported", tuple(told))
    return Found("ambiguous" if any(one is None or one for one in worse) else "refuted", tuple(told))


def _cold_over_hot(e: Evidence) -> dict[tuple[object, ...], Estimate]:
    """(model, layer, n, k, bias, scheme) → cold ÷ hot of one row of activations."""
    found: dict[tuple[object, ...], dict[str, list[Record]]] = {}
    for record in sorted(_measured(e), key=lambda record: scheme_rank(record.case.scheme)):
        case = record.case
        if case.op == "linear" and case.m == 1:
            key = (case.model, case.layer, case.n, case.k, has_bias(record), case.scheme)
            found.setdefault(key, {}).setdefault(str(case.residency), []).append(record)
    return {
        key: ratio
        for key, both in found.items()
        if {"cold", "hot"} <= set(both) and (ratio := ratio_of_products(both["cold"], both["hot"])) is not None
    }


def _measured(e: Evidence) -> list[Record]:
    """The timed products, less the floor of event times."""
    return [r for r in less_overhead(e.records) if r.instrument == "matmul" and r.status == "ok"]


def integer(e: Evidence) -> Found:
    """H7: the bare int8 product against the floating-point one at the same shape and rows."""
    floats = _products(e, UNQUANTISED, "linear")
    integers = _products(e, [name for name, one in ARMS.items() if _integer(one)], "gemm")
    ratios = {}
    for key, named in integers.items():
        base = reference_of(floats.get(key, ()), e.reference)
        found = ratio_of_products(_last(named), floats[key][base]) if base and key[3] == 1 else None
        if found is not None:
            ratios[key, base] = found
    if not ratios:
        return not_tested("the bare int8 product was not measured beside a floating-point one")
    told = tuple(
        f"{key[0]} {key[1]}×{key[2]}, m=1, {key[4]}: int8 product ÷ {base} Linear "
        f"×{found.value:.2f}{mark(found.assumed)}"
        for (key, base), found in ratios.items()
    )
    verdicts = {verdict(found) for found in ratios.values()}
    if verdicts == {"SLOWER"}:
        return Found("supported", told)
    return Found("refuted" if verdicts == {"FASTER"} else "ambiguous", told)


def _integer(arm: Arm) -> bool:
    """Whether its products are of integers, in a float16 model without planted outliers, as users have them."""
    own = family(arm).product_dtype(arm.facts()) == INTEGER and arm.dtype == "float16"
    return own and not arm.planted_columns


_Product = tuple[str | None, int | None, int | None, int | None, str | None]


def _products(e: Evidence, schemes: Sequence[str], op: str) -> dict[_Product, dict[str, list[Record]]]:
    """(layer, n, k, m, residency) → scheme → its records."""
    found: dict[_Product, dict[str, list[Record]]] = {}
    for record in _measured(e):
        case = record.case
        if case.scheme in schemes and case.op == op:
            key = (case.layer, case.n, case.k, case.m, case.residency)
            found.setdefault(key, {}).setdefault(case.scheme, []).append(record)
    return found


def _last(named: Mapping[str, list[Record]]) -> list[Record]:
    """Those without outliers where there are any: the product alone is asked about."""
    return named[min(named, key=lambda name: ARMS[name].threshold or 0.0)]
