"""How long the GPU was busy, in the authors' own job records, and what share of a slowdown that leaves to GPU work.

EAR reads the GPU's utilisation, the share of the time in which some kernel ran, and rounds it to whole per cents; its
step holds the loading of the model too. So the busy seconds of a run are bounded, not known: all of the rounding and of
the loading is put where it makes a GPU-bound explanation as good as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..published import ORIGINAL
from .data import Raw, RawArm, RawRun

ROUNDING = 0.005


@dataclass(frozen=True)
class Busy:
    """Means over the runs that EAR watched. ``least`` and ``most``: busy seconds of a run; ``shares``: the utilisation
    as EAR has it, least and greatest; ``power``: GPU, W, loading included."""

    seconds: float
    least: float
    most: float
    shares: tuple[float, float]
    power: float


@dataclass(frozen=True)
class HostBound:
    """``at_most``: the share of the slowdown that longer GPU work could carry. ``original`` is None where EAR was off
    for the original: then it is taken to have been idle all the time, the most that can be said for the GPU."""

    model: str
    tokens: int
    arm: str
    own: Busy
    original: Busy | None
    slowdown: float
    at_most: float


def busy(arm: RawArm) -> Busy | None:
    """None where EAR watched no run of the arm."""
    runs = [run for run in arm.runs if run.ear is not None]
    if not runs:
        return None
    bounds = [_bounds(run) for run in runs]
    shares = [run.ear.gpu_busy for run in runs if run.ear]
    return Busy(
        fmean(run.seconds for run in arm.runs),
        fmean(low for low, _ in bounds),
        fmean(high for _, high in bounds),
        (min(shares), max(shares)),
        fmean(run.ear.gpu_power for run in runs if run.ear),
    )


def _bounds(run: RawRun) -> tuple[float, float]:
    assert run.ear is not None
    loading = run.ear.seconds - run.seconds
    low = (run.ear.gpu_busy - ROUNDING) * run.ear.seconds - loading
    return max(0.0, low), min(run.seconds, (run.ear.gpu_busy + ROUNDING) * run.ear.seconds)


def host_bound(raw: Raw, settings: Sequence[tuple[str, int]], arms: Sequence[str]) -> tuple[HostBound, ...]:
    found = []
    for model, tokens in settings:
        whole = raw.arm(model, tokens, ORIGINAL)
        original = busy(whole)
        for arm in arms:
            own = busy(raw.arm(model, tokens, arm))
            if own is not None:
                slowdown = own.seconds - fmean(run.seconds for run in whole.runs)
                more = own.most - (original.least if original else 0.0)
                found.append(HostBound(model, tokens, arm, own, original, slowdown, max(0.0, more / slowdown)))
    return tuple(found)
