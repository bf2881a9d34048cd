"""Fourteen possible reasons, each judged by what the run holds: supported, refuted, ambiguous or not tested.

A cause is *supported* where its part of a slower scheme's difference is at least a tenth of it, with an interval that
excludes 0; *refuted* where the interval's upper end stays under a tenth in every slower scheme; else *ambiguous*. A
measured removal outranks the ledger. What only a GPU can show is not tested on a CPU, and what is judged on a CPU is
said of this CPU. Four of them are the guesses of the StarCoder2 quantisation study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from bench.record import causes as c
from bench.record.schema import Record

from .energy_ledger import EnergyPair
from .generation import GenerationGroup
from .interventions import InterventionRow
from .ledger.closure import Line
from .ledger.pairs import Pair
from .matmul import MatmulRow

Judgement = Literal["supported", "refuted", "ambiguous", "not tested"]
SHARE = 0.10
# NVML's clock event reasons that slow a GPU down: power cap, hardware slowdown, thermal (nvml.h).
_SLOWING = 0x4 | 0x8 | 0x20 | 0x40 | 0x80


@dataclass(frozen=True)
class Evidence:
    """All that a run says."""

    records: Sequence[Record]
    pairs: Sequence[Pair] = ()
    interventions: Sequence[InterventionRow] = ()
    generation: Sequence[GenerationGroup] = ()
    matmul: Sequence[MatmulRow] = ()
    energy: Sequence[EnergyPair] = ()

    @property
    def on_gpu(self) -> bool:
        return any(record.case.device == "cuda" for record in self.records)

    @property
    def place(self) -> str:
        return "this GPU" if self.on_gpu else "this CPU"

    def slower(self) -> list[Pair]:
        """Pairs whose scheme is slower for sure and whose lines are known."""
        return [pair for pair in self.pairs if pair.instrument and pair.closed.delta.low and pair.closed.delta.low > 0]


@dataclass(frozen=True)
class Judged:
    """``paper``: which of the study's guesses it is, or ""."""

    id: str
    statement: str
    verdict: Judgement
    evidence: tuple[str, ...]
    paper: str = ""


@dataclass(frozen=True)
class _Found:
    verdict: Judgement
    evidence: tuple[str, ...] = field(default=())


def judge(evidence: Evidence) -> tuple[Judged, ...]:
    """H1 to H14, in order."""
    made = []
    for place, (statement, paper, decide) in enumerate(_HYPOTHESES, 1):
        found = decide(evidence)
        made.append(Judged(f"H{place}", statement.format(place=evidence.place), found.verdict, found.evidence, paper))
    return tuple(made)


def _not_tested(*why: str) -> _Found:
    return _Found("not tested", why)


def _line_text(pair: Pair, line: Line) -> str:
    share = line.delta_ms / pair.closed.delta.delta_ms
    bounds = "" if line.low is None or line.high is None else f" [{line.low:+.3g}, {line.high:+.3g}]"
    return (
        f"{pair.scheme}: {line.cause} {line.delta_ms:+.3g}{bounds} ms/token of "
        f"{pair.closed.delta.delta_ms:+.3g} ({share:.0%})"
    )


def _by_cause(evidence: Evidence, causes: Sequence[str], fits: Callable[[Pair], bool] = lambda _: True) -> _Found:
    """By the share of slower schemes' differences that the ledger gives to some causes."""
    pairs = [pair for pair in evidence.slower() if fits(pair)]
    if not pairs:
        return _not_tested("no scheme that it applies to is slower for sure, with its decode steps observed")
    told, supports, refutes = [], [], []
    for pair in pairs:
        lines = [line for line in pair.causes if line.cause in causes]
        delta = pair.closed.delta.delta_ms
        total = sum(line.delta_ms for line in lines)
        high = sum(line.high if line.high is not None else np.inf for line in lines)
        supports.append(total >= SHARE * delta and any(line.sure and line.delta_ms > 0 for line in lines))
        refutes.append(high < SHARE * delta)
        told += [_line_text(pair, line) for line in lines]
    verdict: Judgement = "supported" if any(supports) else "refuted" if all(refutes) else "ambiguous"
    return _Found(verdict, tuple(told) or ("no such line in any slower scheme's ledger",))


def _by_removal(evidence: Evidence, names: Sequence[str], otherwise: Callable[[], _Found]) -> _Found:
    """By measured removals, where there are any; the ledger's lines are told beside them."""
    rows = [row for row in evidence.interventions if row.name in names]
    ledger = otherwise()
    if not rows:
        return ledger
    told = tuple(map(_gain_text, rows))
    share = [row.gain.value / row.before.value for row in rows]
    if any(row.verdict == "FASTER" and part >= SHARE / 2 for row, part in zip(rows, share, strict=True)):
        return _Found("supported", told + ledger.evidence)
    small = [row.gain.high is not None and row.gain.high < SHARE * row.before.value for row in rows]
    return _Found("refuted" if all(small) else "ambiguous", told + ledger.evidence)


def _gain_text(row: InterventionRow) -> str:
    low, high = row.gain.low, row.gain.high
    bounds = "" if low is None or high is None else f" [{low * 1e3:+.3g}, {high * 1e3:+.3g}]"
    said = "" if row.predicted is None else f", predicted {row.predicted * 1e3:+.3g}"
    return f"{row.scheme} with {row.name}: gain {row.gain.value * 1e3:+.3g}{bounds} ms/token{said} ({row.verdict})"


def _kind(pair: Pair, records: Sequence[Record]) -> Mapping[str, Any]:
    arms = (record.setup.get("arm") for record in records if record.case.scheme == pair.scheme)
    return next((arm for arm in arms if isinstance(arm, Mapping)), {})


def _host(e: Evidence) -> _Found:
    return _by_removal(e, ("cuda-graph",), lambda: _by_cause(e, (c.HOST_GAP,)))


def _sync(e: Evidence) -> _Found:
    if not e.on_gpu:
        return _not_tested("nothing on a CPU waits for a device")
    return _by_cause(e, (c.SYNC_STALL,))


def _outliers(e: Evidence) -> _Found:
    def detects(pair: Pair) -> bool:
        return bool(_kind(pair, e.records).get("threshold"))

    return _by_removal(e, ("threshold-0", "threshold-1e4"), lambda: _by_cause(e, (c.OUTLIERS,), detects))


def _dequantise(e: Evidence) -> _Found:
    return _by_removal(e, ("pre-dequantised",), lambda: _by_cause(e, (c.DEQUANTISE,)))


def _lookups(e: Evidence) -> _Found:
    if not e.on_gpu:
        return _not_tested("issue slots against DRAM throughput are counters of a GPU (Nsight Compute)")
    found = {
        record.case.scheme: pair
        for record in e.records
        if record.instrument == "ncu-warm" and (pair := _issue_and_dram(record)) is not None
    }
    if not found:
        return _not_tested("no counters of a fused 4-bit kernel were collected: run 'make profile OUT=RUN_FOLDER'")
    told = tuple(
        f"{scheme}: issue slots {issue:.0f} %, DRAM {dram:.0f} % of their peaks"
        for scheme, (issue, dram) in found.items()
    )
    bound = [issue > dram for issue, dram in found.values()]
    return _Found("supported" if all(bound) else "ambiguous" if any(bound) else "refuted", told)


_ISSUE = "sm__inst_issued.avg.pct_of_peak_sustained_active"
_DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"


def _issue_and_dram(record: Record) -> tuple[float, float] | None:
    """Of the fused 4-bit kernel that takes longest, in % of their peaks."""
    for kernel in record.setup.get("top", ()):
        metrics = kernel.get("metrics") or {}
        if "gemm_4bit" in str(kernel.get("name")) and _ISSUE in metrics and _DRAM in metrics:
            values = (metrics[name].get("value") for name in (_ISSUE, _DRAM))
            issue, dram = (float(value) if value is not None else float("nan") for value in values)
            return None if np.isnan(issue) or np.isnan(dram) else (issue, dram)
    return None


def _caches(e: Evidence) -> _Found:
    """Cold weights against hot ones: what misses cost a scheme beyond what they cost the reference."""
    if not e.on_gpu:
        return _not_tested("L1 and L2 are the GPU's: a CPU's caches do not stand for them")
    ratios: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in e.matmul:
        if row.op == "linear":
            ratios.setdefault((row.layer, row.scheme, row.m), {})[row.residency] = row.time.value
    known = {key: item["cold"] / item["hot"] for key, item in ratios.items() if {"cold", "hot"} <= set(item)}
    if not known:
        return _not_tested("layers were not measured both hot and cold")
    told, worse = [], []
    for (layer, scheme, m), ratio in known.items():
        base = known.get((layer, "fp16", m))
        if scheme != "fp16" and m == 1 and base:
            told.append(f"{scheme} {layer}, m=1: cold ÷ hot ×{ratio:.2f}, fp16 ×{base:.2f}")
            worse.append(ratio > base * (1 + SHARE))
    if not told:
        return _not_tested("no layer was measured in fp16 and a quantised scheme, hot and cold")
    return _Found("supported" if all(worse) else "ambiguous" if any(worse) else "refuted", tuple(told))


def _integer(e: Evidence) -> _Found:
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
        return _not_tested("the bare int8 product was not measured beside the 16-bit one")
    ratios = [integer[key].time.value / float_[key].time.value for key in common]
    told = tuple(
        f"{key[0]} {key[1]}×{key[2]}, m=1, {key[4]}: int8 product ÷ fp16 Linear ×{ratio:.2f}"
        for key, ratio in zip(common, ratios, strict=True)
    )
    sure = [_apart(integer[key], float_[key]) for key in common]
    if all(sign > 0 for sign in sure):
        return _Found("supported", told)
    return _Found("refuted" if all(sign < 0 for sign in sure) else "ambiguous", told)


def _apart(one: MatmulRow, other: MatmulRow) -> int:
    """+1 where ``one`` is slower for sure, -1 where it is faster, else 0."""
    if None in (one.time.low, one.time.high, other.time.low, other.time.high):
        return 0
    if one.time.low > other.time.high:  # type: ignore[operator]
        return 1
    return -1 if one.time.high < other.time.low else 0  # type: ignore[operator]


def _casts(e: Evidence) -> _Found:
    names = ("compute-matched", "float16-model")
    return _by_removal(e, names, lambda: _by_cause(e, (c.CAST,)))


def _nested(e: Evidence) -> _Found:
    rows = [row for row in e.interventions if row.name in ("double-quant-off", "double-quant-on")]
    if rows:
        told = tuple(map(_gain_text, rows))
        costs = [row.gain.value if row.name.endswith("off") else -row.gain.value for row in rows]
        sure = [row.verdict in ("FASTER", "SLOWER") and cost > 0 for row, cost in zip(rows, costs, strict=True)]
        none = [row.verdict == "SAME" or cost <= 0 for row, cost in zip(rows, costs, strict=True)]
        return _Found("supported" if all(sure) else "refuted" if all(none) else "ambiguous", told)
    return _two_arms(e, "nf4", "nf4-dq")


def _two_arms(e: Evidence, plain: str, nested: str) -> _Found:
    for group in e.generation:
        rows = {row.scheme: row for row in group.rows}
        one, other = rows.get(plain), rows.get(nested)
        if one and other and one.time_per_token and other.time_per_token:
            a, b = one.time_per_token, other.time_per_token
            told = (f"{nested} {b.value * 1e3:.3g} ms/token against {plain} {a.value * 1e3:.3g}",)
            if None in (a.low, a.high, b.low, b.high):
                return _Found("ambiguous", told)
            if b.low > a.high:  # type: ignore[operator]
                return _Found("supported", told)
            return _Found("refuted" if b.high < a.low else "ambiguous", told)  # type: ignore[operator]
    return _not_tested(f"{plain} and {nested} were not measured in one setting")


def _cliff(e: Evidence) -> _Found:
    """A jump of the step's time between two batch sizes in a 4-bit scheme where the reference has none."""
    steps: dict[str, dict[int, float]] = {}
    for row in e.interventions:
        if row.name.startswith("batch-"):
            size = int(row.name.removeprefix("batch-"))
            steps.setdefault(row.scheme, {1: row.before.value})[size] = row.after.value * size
    base = steps.get("fp16", {})
    four = {scheme: sizes for scheme, sizes in steps.items() if "4" in scheme and len(sizes) >= 3}
    if not four or len(base) < 3:
        return _not_tested("batch sizes were not swept: run 'python -m bench intervene --batch-sizes 2,4,6,8,16'")
    told, jumps = [], []
    for scheme, sizes in four.items():
        ordered = sorted(set(sizes) & set(base))
        ratio = {size: sizes[size] / base[size] for size in ordered}
        told.append(f"{scheme} ÷ fp16, by batch: " + ", ".join(f"{size}: ×{ratio[size]:.2f}" for size in ordered))
        jumps.append(any(ratio[b] > 1.3 * ratio[a] for a, b in pairwise(ordered)))
    return _Found("supported" if any(jumps) else "refuted", tuple(told))


def _head(e: Evidence) -> _Found:
    told, shares = [], []
    for pair in (pair for pair in e.pairs if pair.instrument):
        line = pair.closed.line(c.LM_HEAD)
        if line is not None:
            share = line.scheme_ms / pair.closed.scheme_ms
            shares.append(share)
            told.append(
                f"{pair.scheme}: lm_head {line.scheme_ms:.3g} of {pair.closed.scheme_ms:.3g} ms/token ({share:.1%})"
            )
    if not shares:
        return _not_tested("no observed step has a range lm_head")
    return _Found("supported" if max(shares) >= SHARE else "refuted", tuple(told))


def _clocks(e: Evidence) -> _Found:
    if not e.on_gpu:
        return _not_tested("clocks, power and temperature are the GPU's")
    clocks: dict[str, list[float]] = {}
    slowed: dict[str, int] = {}
    for record in e.records:
        clocks.setdefault(record.case.scheme, []).extend(record.values("gpu_clock_sm"))
        bits = sum(int(mask) & _SLOWING != 0 for mask in record.values("gpu_throttle_reasons"))
        slowed[record.case.scheme] = slowed.get(record.case.scheme, 0) + bits
    means = {scheme: float(np.mean(values)) for scheme, values in clocks.items() if values}
    if "fp16" not in means or len(means) < 2:
        return _not_tested("clocks were not sampled for the reference and a scheme")
    told = [f"{s}: SM clock {m * 1e-6:.0f} MHz, {slowed.get(s, 0)} samples throttled" for s, m in means.items()]
    lower = [m < 0.98 * means["fp16"] for s, m in means.items() if s != "fp16"]
    return _Found("supported" if any(lower) else "refuted", tuple(told))


def _unfair(e: Evidence) -> _Found:
    """What differs between the arms beyond the scheme."""
    found = [
        text
        for group in e.generation
        for text in _differences(e.records, {row.scheme for row in group.rows}, dict(group.setting))
    ]
    short = [f"{row.scheme} made fewer tokens than asked for" for g in e.generation for row in g.rows if row.short]
    if not e.generation:
        return _not_tested("nothing was generated")
    unfair = tuple(dict.fromkeys((*found, *short)))
    if unfair:
        return _Found("supported", unfair)
    return _Found(
        "refuted",
        ("compilation is off on every arm, compute dtypes are the models', token counts and attention are alike",),
    )


def _differences(records: Iterable[Record], schemes: set[str], setting: Mapping[str, Any]) -> list[str]:
    texts = []
    attention: dict[str, str] = {}
    for record in records:
        arm = record.setup.get("arm")
        if record.instrument != "generation" or record.case.scheme not in schemes or not isinstance(arm, Mapping):
            continue
        if record.case.batch_size != setting.get("batch_size"):
            continue
        if not arm.get("disable_compile"):
            texts.append(f"{record.case.scheme} may be compiled")
        if arm.get("kind") == "4bit" and arm.get("compute_dtype") != arm.get("dtype"):
            texts.append(f"{record.case.scheme} computes in {arm.get('compute_dtype')} on a {arm.get('dtype')} model")
        model = record.setup.get("model")
        if isinstance(model, Mapping):
            attention[str(model.get("attention"))] = record.case.scheme
    if len(attention) > 1:
        texts.append("attention differs: " + ", ".join(f"{name} in {scheme}" for name, scheme in attention.items()))
    return texts


def _joules(e: Evidence) -> _Found:
    measured = [pair for pair in e.energy if not pair.estimated and pair.gross]
    if not measured:
        return _not_tested("joules were not measured, at most estimated, on this machine")
    told, holds, fails = [], [], []
    for pair in measured:
        split = pair.gross
        assert split is not None
        told.append(
            f"{pair.scheme}, {pair.source}: {split.delta.value:+.3g} J/token = {split.longer:+.3g} for longer time "
            f"{split.power:+.3g} for other power"
        )
        sure = split.delta.low is not None and split.delta.low > 0
        holds.append(sure and split.power < 0 < split.longer)
        fails.append((split.delta.high is not None and split.delta.high <= 0) or split.power >= 0)
    return _Found("supported" if any(holds) else "refuted" if all(fails) else "ambiguous", tuple(told))


_HYPOTHESES: tuple[tuple[str, str, Callable[[Evidence], _Found]], ...] = (
    ("Host dispatch: quantised decoding is slower because the host takes longer, on {place}", "", _host),
    ("Synchronisation: the GPU idles while the host waits for it", "", _sync),
    ("Outlier detection and decomposition slow int8 down, on {place}", "", _outliers),
    ("Dequantising weights as a step of its own slows a scheme down, on {place}", "", _dequantise),
    ("Table look-ups: 4-bit kernels are bound by instructions, not by memory", "guess 1", _lookups),
    ("L1 and L2 cache misses slow quantised products down", "guess 2", _caches),
    ("Integer matrix products are slower than floating-point ones, on {place}", "guess 3", _integer),
    ("Changes of number format slow a scheme down, on {place}", "", _casts),
    ("Nested absmax (double quantisation) costs time, on {place}", "", _nested),
    ("4-bit products fall off a cliff between two batch sizes, on {place}", "", _cliff),
    ("The 16-bit output layer limits what quantising can gain, on {place}", "", _head),
    ("Lower clocks, power or heat slow a scheme down", "", _clocks),
    ("The comparison is unfair: compilation, dtype, attention or token counts differ", "", _unfair),
    ("Lower power is outweighed by the longer time", "guess 4", _joules),
)
