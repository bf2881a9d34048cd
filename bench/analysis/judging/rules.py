"""What hypotheses are judged by, what a judgement is, and the two rules that most of them share: a cause's share of the
ledger, and its measured removal. A hypothesis is supported by any one of several schemes, so all of them are taken
together (see several.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bench.record.schema import Record

from ..energy.ledger import EnergyPair
from ..generation import GenerationGroup, verdicts
from ..grouping import REFERENCE
from ..interventions import InterventionRow
from ..ledger.closure import Line
from ..ledger.pairs import Pair
from ..statistics import Estimate
from ..statistics.assumed import mark
from ..statistics.several import chance_of_more, chance_of_slower, more_among, slower_among

Judgement = Literal["supported", "refuted", "ambiguous", "not tested"]


@dataclass(frozen=True)
class Evidence:
    """All that a run says. ``reference``: what the others are set against, where it was measured."""

    records: Sequence[Record]
    pairs: Sequence[Pair] = ()
    interventions: Sequence[InterventionRow] = ()
    generation: Sequence[GenerationGroup] = ()
    energy: Sequence[EnergyPair] = ()
    reference: str = REFERENCE

    @property
    def on_gpu(self) -> bool:
        return any(record.case.device == "cuda" for record in self.records)

    @property
    def place(self) -> str:
        return "this GPU" if self.on_gpu else "this CPU"

    def slower(self) -> list[Pair]:
        """Pairs whose scheme the table of generation calls SLOWER and whose lines are known."""
        table = verdicts(self.generation)
        return [
            pair
            for pair in self.pairs
            if pair.instrument and table.get((pair.setting, pair.scheme)) == "SLOWER" and pair.closed.delta.delta_ms > 0
        ]


@dataclass(frozen=True)
class Judged:
    """``paper``: which of the study's guesses it is, or ""."""

    id: str
    statement: str
    verdict: Judgement
    evidence: tuple[str, ...]
    paper: str = ""


@dataclass(frozen=True)
class Found:
    """A judgement before it is told which hypothesis it is of. ``chance``: P that it is supported where nothing is the
    matter; None where that is not a matter of chance, or where all spreads are assumed, which it then says."""

    verdict: Judgement
    evidence: tuple[str, ...] = field(default=())
    chance: float | None = None


def not_tested(*why: str) -> Found:
    return Found("not tested", why)


SHARE = 0.10


def _line_text(pair: Pair, line: Line) -> str:
    share = line.delta_ms / pair.closed.delta.delta_ms
    bounds = "" if line.low is None or line.high is None else f" [{line.low:+.3g}, {line.high:+.3g}]"
    bounds += mark(line.assumed)
    return (
        f"{pair.scheme}: {line.cause} {line.delta_ms:+.3g}{bounds} ms/token of "
        f"{pair.closed.delta.delta_ms:+.3g} ({share:.0%})"
    )


def by_cause(evidence: Evidence, causes: Sequence[str], fits: Callable[[Pair], bool] = lambda _: True) -> Found:
    """By the share of slower schemes' differences that the ledger gives to some causes."""
    pairs = [pair for pair in evidence.slower() if fits(pair)]
    if not pairs:
        return not_tested("no scheme that it applies to is slower for sure, with its decode steps observed")
    texts, supports, refutes = [], [], []
    by_pair = [[line for line in pair.causes if line.cause in causes] for pair in pairs]
    all_lines = [line for lines in by_pair for line in lines]
    differences = [(line.delta_ms, line.low, line.freedom) for line in all_lines]
    together = iter(more_among(differences))
    chance = None if all(line.assumed for line in all_lines) else chance_of_more(differences)
    for pair, lines in zip(pairs, by_pair, strict=True):
        delta = pair.closed.delta.delta_ms
        total = sum(line.delta_ms for line in lines)
        high = sum(line.high if line.high is not None else np.inf for line in lines)
        costs = [next(together) and line.low is not None and line.low > 0 for line in lines]
        supports.append(total >= SHARE * delta and any(costs))
        refutes.append(high < SHARE * delta)
        texts += [_line_text(pair, line) for line in lines]
    verdict: Judgement = "supported" if any(supports) else "refuted" if all(refutes) else "ambiguous"
    return Found(verdict, tuple(texts) or ("no such line in any slower scheme's ledger",), chance)


def by_removal(evidence: Evidence, names: Sequence[str], otherwise: Callable[[], Found]) -> Found:
    """By measured removals, where there are any; the ledger's lines are told beside them."""
    rows = [row for row in evidence.interventions if row.name in names]
    ledger = otherwise()
    if not rows:
        return ledger
    texts = tuple(map(gain_text, rows))
    share = [row.gain.value / row.before.value for row in rows]
    faster = [row.time_ratio.inverse() for row in rows]
    together, chance = slower_among(faster), chance_of_seen(faster)
    helps = [sure and row.verdict == "FASTER" for row, sure in zip(rows, together, strict=True)]
    if any(one and part >= SHARE / 2 for one, part in zip(helps, share, strict=True)):
        return Found("supported", texts + ledger.evidence, chance)
    small = [row.gain.high is not None and row.gain.high < SHARE * row.before.value for row in rows]
    return Found("refuted" if all(small) else "ambiguous", texts + ledger.evidence, chance)


def chance_of_seen(ratios: Sequence[Estimate]) -> float | None:
    """As Found's, of a hypothesis that any ratio above 1 supports."""
    return None if all(one.assumed for one in ratios) else chance_of_slower(ratios)


def gain_text(row: InterventionRow) -> str:
    """What removing a cause gained, with its interval and what was predicted, in ms per token."""
    low, high = row.gain.low, row.gain.high
    bounds = "" if low is None or high is None else f" [{low * 1e3:+.3g}, {high * 1e3:+.3g}]"
    bounds += mark(row.gain.assumed)
    said = "" if row.predicted is None else f", predicted {row.predicted * 1e3:+.3g}"
    return f"{row.scheme} with {row.name}: gain {row.gain.value * 1e3:+.3g}{bounds} ms/token{said} ({row.verdict})"


def ratio_text(one: Estimate) -> str:
    bounds = "" if one.low is None or one.high is None else f" [{one.low:.3g}, {one.high:.3g}]"
    return f"×{one.value:.3g}{bounds}{mark(one.assumed)}"


# (low, high); None where the estimate has no interval.
Bounds = tuple[float, float] | None


def span_of(one: Estimate) -> Bounds:
    """Of an estimate itself."""
    return None if one.low is None or one.high is None else (one.low, one.high)


def apart_by(factor: float, before: Bounds, after: Bounds) -> bool | None:
    """Whether ``after`` is more than ``factor`` times ``before``; None where the intervals allow both, or miss."""
    if before is None or after is None:
        return None
    return True if after[0] > factor * before[1] else False if after[1] <= factor * before[0] else None
