"""What the ledger's lines judge, or where it was measured the removal of their cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.record import causes as c
from bench.record.schema import Record
from bench.schemes.four_bit import PLAIN_AND_NESTED

from ..ledger.pairs import Pair
from .evidence import Evidence, Found, not_tested
from .rules import SHARE, by_cause, by_removal, gain_text


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
