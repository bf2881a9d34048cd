"""Why the joules differ: ΔE = P̄_original·Δt + t·ΔP̄, exactly, and at which share of the node's host a sign turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.statistics import Estimate, difference

from ..published import ORIGINAL
from .joules import ArmJoules, SettingJoules

Part = Literal["GPU", "all parts"]
PARTS: tuple[Part, ...] = ("GPU", "all parts")


@dataclass(frozen=True)
class JouleSplit:
    """One arm against its original, J and W. ``longer`` = P̄_original·Δt and ``power`` = t·ΔP̄ add up to the difference;
    ``delta`` is it with its interval. "all parts": GPU, CPU packages with their wraps, DRAM's constant."""

    part: Part
    powers: tuple[float, float]
    longer: float
    power: float
    delta: Estimate


def split(setting: SettingJoules, arm: str, part: Part) -> JouleSplit:
    base, own = _joules(setting.of(ORIGINAL), part), _joules(setting.of(arm), part)
    (joules, seconds), (joules_own, seconds_own) = (_sums(pairs) for pairs in (base, own))
    power, power_own = joules / seconds, joules_own / seconds_own
    delta = difference([(j,) for j, _ in own], [(j,) for j, _ in base], statistic="mean")
    return JouleSplit(
        part,
        (power, power_own),
        power * (seconds_own - seconds),
        seconds_own * (power_own - power),
        delta,
    )


def _joules(arm: ArmJoules, part: Part) -> Sequence[tuple[float, float]]:
    """(J, s) of each run whose joules are known."""
    if part == "GPU":
        return [(run.run.gpu, run.run.seconds) for run in arm.runs]
    return [(run.total, run.run.seconds) for run in arm.known if run.total is not None]


def _sums(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Means over runs, so that P̄ × t̄ is the mean energy exactly."""
    return sum(j for j, _ in pairs) / len(pairs), sum(s for _, s in pairs) / len(pairs)


def even_share(setting: SettingJoules, arm: str) -> float | None:
    """Which share of the node's CPU packages and DRAM, added to the GPU, makes the arm cost as much as the original;
    None where the GPU alone costs more already."""
    base, own = setting.of(ORIGINAL), setting.of(arm)
    gpu = own.gpu.value - base.gpu.value
    host = (own.corrected.value - base.corrected.value) - gpu
    return -gpu / host if gpu < 0 < host else None
