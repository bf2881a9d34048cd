"""What hypotheses are judged by, and what a judgement is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.record.schema import Record

from ..energy.ledger import EnergyPair
from ..generation import GenerationGroup, verdicts
from ..grouping import REFERENCE
from ..interventions import InterventionRow
from ..ledger.pairs import Pair

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
    """A judgement before it is told which hypothesis it is of."""

    verdict: Judgement
    evidence: tuple[str, ...] = field(default=())


def not_tested(*why: str) -> Found:
    return Found("not tested", why)
