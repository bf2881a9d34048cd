"""What measured times and joules judge: of layer products, of joules, and of a sweep of batch sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from bench.record.schema import Record
from bench.record.suggested import quoted
from bench.schemes import ARMS, Arm, family
from bench.schemes.traffic import INTEGER

from ..energy.ledger import EnergyPair
from ..energy.sources import PARTS, is_own
from ..event_overhead import less_overhead
from ..grouping import UNQUANTISED, Coordinates, reference_of, scheme_rank
from ..matmul import has_bias
from ..statistics import Estimate
from ..statistics.assumed import mark
from ..statistics.propagation import exact, product
from ..statistics.several import chance_of, faster_among, slower_among, tail_above
from ..statistics.turns import ratio_of_products
from ..statistics.verdict import verdict
from .rules import SHARE, Evidence, Found, Judgement, apart_by, chance_of_seen, not_tested, ratio_text, span_of


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
    evidence, worse = [], []
    for (*layer, scheme), ratio in known.items():
        reference = reference_of((str(name) for *other, name in known if other == layer), e.reference)
        if reference is None or scheme in (reference, *UNQUANTISED):
            continue
        base = known[(*layer, reference)]
        evidence.append(f"{scheme} {layer[1]}, m=1: cold ÷ hot ×{ratio.value:.2f}, {reference} ×{base.value:.2f}")
        worse.append(apart_by(1 + SHARE, span_of(base), span_of(ratio)))
    if not evidence:
        return not_tested(f"no layer was measured in {e.reference} and a quantised scheme, hot and cold")
    if all(worse):
        return Found("supported", tuple(evidence))
    return Found("ambiguous" if any(one is None or one for one in worse) else "refuted", tuple(evidence))


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
    evidence = tuple(
        f"{key[0]} {key[1]}×{key[2]}, m=1, {key[4]}: int8 product ÷ {base} Linear "
        f"×{found.value:.2f}{mark(found.assumed)}"
        for (key, base), found in ratios.items()
    )
    verdicts = {verdict(found) for found in ratios.values()}
    if verdicts == {"SLOWER"}:
        return Found("supported", evidence)
    return Found("refuted" if verdicts == {"FASTER"} else "ambiguous", evidence)


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


_NO_JOULES = "joules were not measured, at most estimated, on this machine"


def joules(e: Evidence) -> Found:
    """H14: longer time costs more joules than lower power saves, in gross joules that were measured: those of the
    device that worked, where it has a counter."""
    whole = [pair for pair in e.energy if not pair.estimated and pair.gross and pair.source not in PARTS]
    measured = [pair for pair in whole if not pair.doubt]
    if not measured:
        doubts = tuple(dict.fromkeys(f"{pair.source}: {pair.doubt}" for pair in whole if pair.doubt))
        parts = any(pair.source in PARTS for pair in e.energy)
        none = "only a part of the machine had its joules measured" if parts else _NO_JOULES
        return not_tested(*(doubts or (none,)))
    evidence, holds, fails = [], [], []
    own = [pair for pair in measured if is_own(pair.source, e.on_gpu)] or measured
    judged = [pair for pair in own if pair.scheme not in UNQUANTISED] or own
    known = [(pair, pair.time_ratio, pair.power_ratio) for pair in judged if pair.time_ratio and pair.power_ratio]
    if not known:
        return not_tested("what was measured gives no ratio of times and powers")
    more = slower_among([pair.ratio for pair, _, _ in known])
    longer = slower_among([time for _, time, _ in known])
    lower = faster_among([power for _, _, power in known])
    for (pair, _, power), *sure in zip(known, more, longer, lower, strict=True):
        split = pair.gross
        assert split is not None
        evidence.append(
            f"{pair.scheme}, {pair.source}: {split.delta.value:+.3g} J/token = {split.longer:+.3g} for longer time "
            f"{split.power:+.3g} for other power, {ratio_text(power)} the reference's"
        )
        # The table's own verdict, so that the two cannot say different things of the same windows.
        holds.append(all(sure) and pair.verdict == "SLOWER")
        fails.append(pair.verdict in ("FASTER", "SAME") or verdict(power) in ("SLOWER", "SAME"))
    answer: Judgement = "supported" if any(holds) else "refuted" if all(fails) else "ambiguous"
    return Found(answer, tuple(evidence), _chance_of_all_three(known))


def _chance_of_all_three(known: Sequence[tuple[EnergyPair, Estimate, Estimate]]) -> float | None:
    """Of more joules, longer time and lower power: the least sure of them says how sure all are."""
    if all(pair.ratio.assumed for pair, _, _ in known):
        return None
    of_each = [map(tail_above, (pair.ratio, time, power.inverse())) for pair, time, power in known]
    return chance_of([max(1.0 if tail is None else tail for tail in tails) for tails in of_each])


# Scheme → batch size → seconds of a step.
_Steps = dict[str, dict[int, Estimate]]
JUMP = 1.3


def cliff(e: Evidence) -> Found:
    """H10: a jump of the step's time between two batch sizes in a 4-bit scheme where the reference has none. Supported
    where the intervals leave no other reading than a jump somewhere; refuted where they allow none anywhere."""
    evidence: list[str] = []
    jumps: list[Estimate] = []
    most = exact(JUMP)
    for steps in (*_intervened(e), *_swept(e)):
        reference = reference_of(steps, e.reference) or ""
        base = steps.get(reference, {})
        for scheme, sizes in steps.items():
            ordered = sorted(set(sizes) & set(base))
            if "4" in scheme and scheme != reference and len(ordered) >= 3:
                ratios = [product([(sizes[size], 1.0), (base[size], -1.0)]) for size in ordered]
                evidence += _ratios_text(f"{scheme} ÷ {reference}", ordered, ratios)
                jumps += [product([(after, 1.0), (before, -1.0), (most, -1.0)]) for before, after in pairwise(ratios)]
    if not jumps:
        return not_tested(f"batch sizes were not swept: run {quoted('intervene --batch-sizes 2,4,6,8,16')}")
    none = all(jump.high is not None and jump.high <= 1.0 for jump in jumps)
    answer: Judgement = "supported" if any(slower_among(jumps)) else "refuted" if none else "ambiguous"
    return Found(answer, tuple(evidence), chance_of_seen(jumps))


def _intervened(e: Evidence) -> Iterable[_Steps]:
    """From the interventions that change the batch size, for each setting of the unchanged arms."""
    found: dict[Coordinates, _Steps] = {}
    for row in e.interventions:
        if row.name.startswith("batch-"):
            own, size = int(dict(row.setting).get("batch_size") or 1), row.batch_size
            sizes = found.setdefault(row.setting, {}).setdefault(row.scheme, {own: row.before.times(own)})
            sizes[size] = row.after.times(size)
    return found.values()


def _swept(e: Evidence) -> Iterable[_Steps]:
    """From timed runs, for each setting that differs in nothing but the batch size."""
    found: dict[Coordinates, _Steps] = {}
    for group in e.generation:
        size = int(dict(group.setting).get("batch_size") or 1)
        steps = found.setdefault(tuple(item for item in group.setting if item[0] != "batch_size"), {})
        for row in group.rows:
            if row.time_per_token:
                steps.setdefault(row.scheme, {})[size] = row.time_per_token.times(size)
    return found.values()


def _ratios_text(what: str, sizes: Sequence[int], ratios: Sequence[Estimate]) -> list[str]:
    evidence = [f"{what}, by batch: " + ", ".join(f"{s}: ×{r.value:.2f}" for s, r in zip(sizes, ratios, strict=True))]
    few = f"{what}: with few processes for each size, their spread is assumed"
    return evidence + [few] * any(ratio.assumed for ratio in ratios)
