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

from ..ledger.pairs import Pair
from .rules import SHARE, Evidence, Found, Judgement, by_cause, by_removal, gain_text, not_tested


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
        told = tuple(map(gain_text, rows))
        costs = [row.gain.value if row.name.endswith("off") else -row.gain.value for row in rows]
        sure = [row.verdict in ("FASTER", "SLOWER") and cost > 0 for row, cost in zip(rows, costs, strict=True)]
        none = [row.verdict == "SAME" or cost <= 0 for row, cost in zip(rows, costs, strict=True)]
        return Found("supported" if all(sure) else "refuted" if all(none) else "ambiguous", told)
    return _two_arms(e, *PLAIN_AND_NESTED)


def _two_arms(e: Evidence, plain: str, nested: str) -> Found:
    for group in e.generation:
        rows = {row.scheme: row for row in group.rows}
        one, other = rows.get(plain), rows.get(nested)
        if one and other and one.time_per_token and other.time_per_token:
            a, b = one.time_per_token, other.time_per_token
            told = (f"{nested} {b.value * 1e3:.3g} ms/token against {plain} {a.value * 1e3:.3g}",)
            if None in (a.low, a.high, b.low, b.high):
                return Found("ambiguous", told)
            if b.low > a.high:  # type: ignore[operator]
                return Found("supported", told)
            return Found("refuted" if b.high < a.low else "ambiguous", told)  # type: ignore[operator]
    return not_tested(f"{plain} and {nested} were not measured in one setting")


def head(e: Evidence) -> Found:
    """H11: the share that the output layer takes of a step."""
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
        return not_tested("no observed step has a range lm_head")
    return Found("supported" if max(shares) >= SHARE else "refuted", tuple(told))


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
    told = tuple(f"{where}: {one.text}{_PASSES[instrument]}" for (where, instrument), one in found.items())
    verdicts = {one.verdict for one in found.values()}
    return Found(verdicts.pop() if len(verdicts) == 1 else "ambiguous", told)


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
