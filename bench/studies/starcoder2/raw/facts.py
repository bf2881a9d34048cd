"""The figures that the page's sentences quote, each computed in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from ..published import EIGHT_BIT, FOUR_BIT
from .grounds import Grounds
from .joules import TrueRun, best_range


@dataclass(frozen=True)
class WrapFacts:
    """Of the runs of 8-bit: ``runs``, how many have a fit, and the ``most`` wraps of one; W between each fit and EAR's
    power of the same step (``largest``, and the median), and of EAR's nearest step of the same job (``nearest``, the
    largest); ``step``: the least W between two numbers; ``range``: the counter's range that the data alone give, J."""

    runs: int
    fitted: int
    most: int
    largest: float
    middle: float
    nearest: float
    step: float
    range: float


@lru_cache(maxsize=1)
def wrap_facts(g: Grounds) -> WrapFacts:
    runs = [run for setting in g.settings for run in setting.of(EIGHT_BIT).runs]
    off = [abs(run.off) for run in runs if run.off is not None]
    fits = [run.wraps.fit.wraps for run in runs if run.wraps.fit is not None]
    return WrapFacts(
        runs=len(runs),
        fitted=len(off),
        most=max(fits),
        largest=max(off),
        middle=median(off),
        nearest=max(_nearest(g, run) for run in runs if run.off is not None),
        step=min(run.wraps.step for run in runs),
        range=best_range(runs, 200_000, 330_000),
    )


def _nearest(g: Grounds, run: TrueRun) -> float:
    assert run.run.ear is not None and run.wraps.fit is not None
    watts = run.wraps.fit.watts
    return min(abs(watts - step.package_power) for step in g.raw.of_job(run.run.ear.job))


def span(values: Sequence[float], decimals: int = 2) -> str:
    """×1.61 to ×3.40; one of them where they read alike."""
    low, high = f"×{min(values):.{decimals}f}", f"×{max(values):.{decimals}f}"
    return low if low == high else f"{low} to {high}"


def gpu_of_four_bit(g: Grounds, model: str) -> str:
    return span([one.gpu(FOUR_BIT).value for one in g.settings if one.model == model])


def busy_span(g: Grounds, arms: Sequence[str]) -> str:
    """Least and greatest GPU utilisation by EAR, in per cent."""
    found = [
        100 * run.run.ear.gpu_busy
        for setting in g.settings
        for arm in setting.arms
        if arm.arm.arm in arms
        for run in arm.runs
        if run.run.ear
    ]
    return f"{min(found):.0f} to {max(found):.0f} %"


def carried(g: Grounds, model: str) -> str:
    """At most how much of the slowdown GPU work could carry, over both arms and lengths, in per cent."""
    shares = [100 * one.at_most for one in g.host if one.model == model]
    return f"{min(shares):.0f} to {max(shares):.0f} %"
