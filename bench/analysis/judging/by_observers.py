"""What observers judge: the ledger's lines, or where it was measured the removal of their cause; and counters.

Nsight Compute's counters tell whether a fused 4-bit kernel is bound by the instructions that it issues. Busy issue
slots alone do not say so: a kernel may issue often and still wait for memory most of the time. So both must hold: at
least ``BUSY`` per cent of the issue slots used, and the warps that wait doing so more for instructions (the queue of
shuffles, the shuffles' results, branches, a pipe, their turn to issue) than for memory. Less than that is no bound by
instructions; and with DRAM below ``BUSY`` as well, neither is the bound: latency is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.record import causes as c
from bench.record.schema import Record
from bench.schemes.four_bit import PLAIN_AND_NESTED

from ..generation import call_times
from ..grouping import groups
from ..ledger.pairs import Pair
from ..statistics import Estimate
from ..statistics.assumed import mark
from ..statistics.pairing import ratio_between
from ..statistics.propagation import exact, product
from ..statistics.several import slower_among
from ..statistics.verdict import Verdict, verdict
from .rules import (
    SHARE,
    Evidence,
    Found,
    Judgement,
    by_cause,
    by_removal,
    chance_of_seen,
    gain_text,
    not_tested,
    ratio_text,
)


def host(e: Evidence) -> Found:
    """H1."""
    return by_removal(e, ("cuda-graph",), lambda: by_cause(e, (c.HOST_GAP,)))


def sync(e: Evidence) -> Found:
    """H2."""
    if not e.on_gpu:
        return not_tested("nothing on a CPU waits for a device")
    return by_cause(e, (c.SYNC_STALL,))


def outliers(e: Evidence) -> Found:
    """H3: of schemes that look for outliers."""

    def detects(pair: Pair) -> bool:
        return bool(_kind(pair, e.records).get("threshold"))

    return by_removal(e, ("threshold-0", "threshold-1e4"), lambda: by_cause(e, (c.OUTLIERS,), detects))


def _kind(pair: Pair, records: Sequence[Record]) -> Mapping[str, Any]:
    arms = (record.setup.get("arm") for record in records if record.case.scheme == pair.scheme)
    return next((arm for arm in arms if isinstance(arm, Mapping)), {})


def dequantise(e: Evidence) -> Found:
    """H4."""
    return by_removal(e, ("pre-dequantised",), lambda: by_cause(e, (c.DEQUANTISE,)))


def casts(e: Evidence) -> Found:
    """H8."""
    names = ("compute-matched", "float16-model")
    return by_removal(e, names, lambda: by_cause(e, (c.CAST,)))


def nested(e: Evidence) -> Found:
    """H9: by its switch, or else by the two arms beside each other."""
    rows = [row for row in e.interventions if row.name in ("double-quant-off", "double-quant-on")]
    if rows:
        off = [row.name.endswith("off") for row in rows]
        ratios = [row.time_ratio.inverse() if one else row.time_ratio for row, one in zip(rows, off, strict=True)]
        verdicts = [_TURNED[row.verdict] if one else row.verdict for row, one in zip(rows, off, strict=True)]
        return _costs(tuple(map(gain_text, rows)), ratios, verdicts)
    plain, other = PLAIN_AND_NESTED
    both = [group.schemes for group in groups(e.records, "generation") if {plain, other} <= set(group.schemes)]
    ratios = [one for of in both if (one := ratio_between(of[other], of[plain], call_times)) is not None]
    if not ratios:
        return not_tested(f"{plain} and {other} were not measured in one setting")
    evidence = tuple(f"{other} takes {ratio_text(one)} the time of {plain}" for one in ratios)
    return _costs(evidence, ratios, list(map(verdict, ratios)))


# Of a ratio turned over.
_TURNED: Mapping[Verdict, Verdict] = {"FASTER": "SLOWER", "SLOWER": "FASTER", "SAME": "SAME", "AMBIGUOUS": "AMBIGUOUS"}


def _costs(evidence: tuple[str, ...], ratios: Sequence[Estimate], verdicts: Sequence[Verdict]) -> Found:
    """Of times with it over those without: a cost that is not seen is not yet none."""
    none = [one in ("SAME", "FASTER") for one in verdicts]
    sure = [one and each == "SLOWER" for one, each in zip(slower_among(ratios), verdicts, strict=True)]
    answer: Judgement = "supported" if any(sure) and not any(none) else "refuted" if all(none) else "ambiguous"
    return Found(answer, evidence, chance_of_seen(ratios))


def head(e: Evidence) -> Found:
    """H11: the share that the output layer takes of a step."""
    known = [(pair, pair.head) for pair in e.pairs if pair.head is not None]
    if not known:
        return not_tested("no observed step has a range lm_head")
    evidence = tuple(
        f"{pair.scheme}: lm_head {_percent(one)} of {pair.closed.scheme_ms:.3g} ms/token" for pair, one in known
    )
    over = [product([(one, 1.0), (exact(SHARE), -1.0)]) for _, one in known]
    small = all(one.high is not None and one.high < SHARE for _, one in known)
    answer: Judgement = "supported" if any(slower_among(over)) else "refuted" if small else "ambiguous"
    return Found(answer, evidence, chance_of_seen(over))


def _percent(share: Estimate) -> str:
    bounds = "" if share.low is None or share.high is None else f" [{share.low:.1%}, {share.high:.1%}]"
    return f"{share.value:.1%}{bounds}{mark(share.assumed)}"


# Per cent of a peak at which a unit is called busy, as Nsight Compute's own rules do.
BUSY = 60.0
_ISSUE = "sm__inst_issued.avg.pct_of_peak_sustained_active"
_DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
STALL = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
# Why a warp did not issue: for what a look-up costs, or for what comes from memory. The first two look up by a shuffle
# (bitsandbytes since 0.50), branch_resolving by comparisons (before).
_LOOKING_UP = ("short_scoreboard", "mio_throttle", "branch_resolving")
_ISSUING = ("math_pipe_throttle", "not_selected")
_MEMORY = ("long_scoreboard", "lg_throttle")
# The caches as the step left them come first; flushed ones do for what a kernel does by itself.
_PASSES = {"ncu-warm": "", "ncu-cold": ", caches flushed before each pass"}


def lookups(e: Evidence) -> Found:
    """H5."""
    if not e.on_gpu:
        return not_tested("issue slots, stalls and DRAM throughput are counters of a GPU (Nsight Compute)")
    found = _counted(e)
    if not found:
        return not_tested("no counters of a fused 4-bit kernel were collected: run 'make profile OUT=RUN_FOLDER'")
    evidence = tuple(f"{where}: {one.text}{_PASSES[instrument]}" for (where, instrument), one in found.items())
    verdicts = {one.verdict for one in found.values()}
    return Found(verdicts.pop() if len(verdicts) == 1 else "ambiguous", evidence)


@dataclass(frozen=True)
class _Kernel:
    """``issue``, ``dram``: % of their peaks. ``waiting``: stall reason → warps that wait for it per cycle that issues;
    what was not collected is not in it."""

    issue: float
    dram: float | None
    waiting: Mapping[str, float]

    def _sum(self, reasons: tuple[str, ...]) -> float:
        return sum(self.waiting[reason] for reason in reasons)

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in (*_LOOKING_UP, *_ISSUING, *_MEMORY) if name not in self.waiting)

    @property
    def verdict(self) -> Judgement:
        if self.issue < BUSY:
            return "refuted"
        if self.missing:
            return "ambiguous"
        return "supported" if self._sum(_LOOKING_UP + _ISSUING) > self._sum(_MEMORY) else "refuted"

    @property
    def text(self) -> str:
        dram = "DRAM not collected" if self.dram is None else f"DRAM {self.dram:.0f} %"
        text = f"issue slots {self.issue:.0f} %, {dram} of their peaks"
        if self.issue < BUSY and self.dram is not None and self.dram < BUSY:
            text += ": neither is the bound, which leaves latency"
        if self.missing:
            return f"{text}; stall reasons not collected: {', '.join(self.missing)}"
        return (
            f"{text}; warps that wait per issue: {self._sum(_LOOKING_UP):.2g} for look-ups, "
            f"{self._sum(_ISSUING):.2g} for their turn, {self._sum(_MEMORY):.2g} for memory"
        )


def _counted(e: Evidence) -> dict[tuple[str, str], _Kernel]:
    """(scheme and batch, instrument) → its fused kernel, with flushed caches only where nothing else was counted."""
    found: dict[str, dict[str, _Kernel]] = {}
    for record in e.records:
        if record.instrument in _PASSES and record.status == "ok" and (one := _fused(record)) is not None:
            where = f"{record.case.scheme}, batch {record.case.batch_size or 1}"
            found.setdefault(where, {})[record.instrument] = one
    best = {where: next(name for name in _PASSES if name in counted) for where, counted in found.items()}
    return {(where, name): found[where][name] for where, name in best.items()}


def _fused(record: Record) -> _Kernel | None:
    """The fused 4-bit kernel that takes longest; None where it was not counted."""
    for kernel in record.setup.get("top", ()):
        if "gemm_4bit" in str(kernel.get("name")):
            metrics = kernel.get("metrics") or {}
            issue = _value(metrics, _ISSUE)
            every = (*_LOOKING_UP, *_ISSUING, *_MEMORY)
            waiting = {name: value for name in every if (value := _value(metrics, STALL.format(name))) is not None}
            return None if issue is None else _Kernel(issue, _value(metrics, _DRAM), waiting)
    return None


def _value(metrics: Mapping[str, Any], name: str) -> float | None:
    value = (metrics.get(name) or {}).get("value")
    return None if value is None or not np.isfinite(value) else float(value)
