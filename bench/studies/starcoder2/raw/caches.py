"""What EAR's cache misses are: the CPU's, per cycle and per instruction, quantised and not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL
from .data import EarStep, Raw

Per = Literal["cycle", "instruction"]
PER: tuple[Per, ...] = ("cycle", "instruction")
LEVELS = ("L1", "L2")
ALL = (ORIGINAL, FOUR_BIT, EIGHT_BIT)


@dataclass(frozen=True)
class Misses:
    """Means over the steps of one arm. Rates are misses ÷ cycles and misses ÷ instructions of the CPU cores."""

    name: str
    quantised: bool
    seconds: float
    cycles: float
    instructions: float
    l1: float
    l2: float

    def rate(self, level: str, per: Per) -> float:
        return (self.l1 if level == "L1" else self.l2) / (self.cycles if per == "cycle" else self.instructions)


def misses(raw: Raw) -> tuple[Misses, ...]:
    """StarCoder2-7B at 128 tokens, of which the study tells, then what else EAR watched."""
    table = [
        *((f"StarCoder2-7B, 128, {arm}", arm != ORIGINAL, _steps(raw, "StarCoder2-7B", 128, arm)) for arm in ALL),
        *((f"StarCoder2-7B, 256, {arm}", arm != ORIGINAL, _steps(raw, "StarCoder2-7B", 256, arm)) for arm in ALL),
        ("StarCoder2-3B less a layer, 128, original", False, _pruned(raw)),
        *((f"StarCoder2-3B, 128, {arm}", True, _steps(raw, "StarCoder2-3B", 128, arm)) for arm in ALL[1:]),
        ("Phi-2 (float16), 128, original", False, _steps(raw, "Phi-2", 128, ORIGINAL)),
    ]
    return tuple(_mean(name, quantised, steps) for name, quantised, steps in table)


def _steps(raw: Raw, model: str, tokens: int, arm: str) -> list[EarStep]:
    return [run.ear for run in raw.arm(model, tokens, arm).runs if run.ear is not None]


def _pruned(raw: Raw) -> list[EarStep]:
    return [step for step in raw.steps if step.job.startswith("pruning") and step.step == 0]


def _mean(name: str, quantised: bool, steps: Sequence[EarStep]) -> Misses:
    return Misses(
        name,
        quantised,
        fmean(step.seconds for step in steps),
        fmean(step.cycles for step in steps),
        fmean(step.instructions for step in steps),
        fmean(step.l1_misses for step in steps),
        fmean(step.l2_misses for step in steps),
    )


def more(found: Sequence[Misses], arm: str, what: str) -> float:
    """How much more StarCoder2-7B at 128 tokens has of something in an arm than in the original, as a share."""
    base, own = (next(one for one in found if one.name == f"StarCoder2-7B, 128, {name}") for name in (ORIGINAL, arm))
    return float(getattr(own, what) / getattr(base, what) - 1)


def span(found: Sequence[Misses], level: str, per: Per) -> tuple[float, float]:
    """The least and the greatest rate."""
    rates = [one.rate(level, per) for one in found]
    return min(rates), max(rates)


def above_unquantised(found: Sequence[Misses], own: Sequence[Misses], level: str) -> bool:
    """Whether some of ``own`` misses more often, per cycle or per instruction, than every unquantised model."""
    usual = [one for one in found if not one.quantised]
    return any(span(own, level, per)[1] > span(usual, level, per)[1] for per in PER)
