"""Each setting's joules, as CodeCarbon wrote them and with the CPU counter's wraps put back.

A run's CPU packages drew what EAR read from the same node's counters in the same job step: that power, ± TOLERANCE, is
what makes a number of wraps plausible. Runs without EAR are held against all that EAR read on these nodes; where
several numbers fit then, the run is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.analysis.energy.wraps import INTEL_RANGE, Wraps, find_wraps
from bench.analysis.statistics import Estimate

from ..published import ORIGINAL
from .data import ARMS, SETTINGS, Raw, RawArm, RawRun
from .means import Mean, mean, over

# EAR's step holds the loading of the model too, so that its power is not quite the run's. Assumed; the largest
# difference seen in runs that need no wrap is 1.6 W, and neighbouring numbers of wraps lie 38 W and more apart.
TOLERANCE = 2.0
# Between two ranges of the counter that are tried.
_STEP_J = 10.0


@dataclass(frozen=True)
class TrueRun:
    """A run with its wraps. ``wraps.fit`` is None where several numbers fit."""

    run: RawRun
    wraps: Wraps

    @property
    def cpu(self) -> float | None:
        return self.wraps.fit.joules if self.wraps.fit else None

    @property
    def total(self) -> float | None:
        """GPU, CPU with its wraps, and CodeCarbon's constant for DRAM, J."""
        return None if self.cpu is None else self.run.gpu + self.cpu + self.run.dram

    @property
    def off(self) -> float | None:
        """W between the power with the wraps put back and EAR's of the same job step."""
        if self.run.ear is None or self.wraps.fit is None:
            return None
        return self.wraps.fit.watts - self.run.ear.package_power


@dataclass(frozen=True)
class ArmJoules:
    """One arm. Means over all runs for what CodeCarbon wrote; over the runs with known wraps for what is corrected."""

    arm: RawArm
    runs: tuple[TrueRun, ...]

    @property
    def known(self) -> tuple[TrueRun, ...]:
        return tuple(run for run in self.runs if run.total is not None)

    @property
    def left_out(self) -> tuple[TrueRun, ...]:
        return tuple(run for run in self.runs if run.total is None)

    @cached_property
    def seconds(self) -> Mean:
        return mean(self.written(lambda run: run.seconds))

    @cached_property
    def gpu(self) -> Mean:
        return mean(self.written(lambda run: run.gpu))

    @cached_property
    def total(self) -> Mean:
        """As CodeCarbon wrote it."""
        return mean(self.written(lambda run: run.total))

    @cached_property
    def corrected(self) -> Mean:
        return mean([run.total for run in self.known if run.total is not None])

    @cached_property
    def cpu_corrected(self) -> Mean:
        return mean([run.cpu for run in self.known if run.cpu is not None])

    @property
    def dram_measured(self) -> Mean | None:
        """The node's DRAM power by EAR × the run's seconds; None where EAR was off in some run."""
        found = [run.run.ear.dram_power * run.run.seconds for run in self.known if run.run.ear]
        return mean(found) if len(found) == len(self.known) else None

    def written(self, what: Callable[[RawRun], float]) -> list[float]:
        return [what(run.run) for run in self.runs]


@dataclass(frozen=True)
class SettingJoules:
    """The three arms of one setting, and their ratios to the original."""

    model: str
    tokens: int
    arms: tuple[ArmJoules, ...]

    def of(self, arm: str) -> ArmJoules:
        return next(one for one in self.arms if one.arm.arm == arm)

    def time(self, arm: str) -> Estimate:
        return over(self.of(arm).seconds.runs, self.of(ORIGINAL).seconds.runs)

    def gpu(self, arm: str) -> Estimate:
        return over(self.of(arm).gpu.runs, self.of(ORIGINAL).gpu.runs)

    def written(self, arm: str) -> Estimate:
        """Of CodeCarbon's totals, without the runs whose wraps are not known."""
        known = [run.run.total for run in self.of(arm).known]
        return over(known, [run.run.total for run in self.of(ORIGINAL).known])

    def corrected(self, arm: str) -> Estimate:
        return over(self.of(arm).corrected.runs, self.of(ORIGINAL).corrected.runs)


def true_run(run: RawRun, powers: tuple[float, float]) -> TrueRun:
    """``powers``: W that are plausible where EAR did not watch the run."""
    if run.ear is not None:
        powers = run.ear.package_power - TOLERANCE, run.ear.package_power + TOLERANCE
    return TrueRun(run, find_wraps(run.cpu, run.seconds, *powers, INTEL_RANGE))


def settings(raw: Raw) -> tuple[SettingJoules, ...]:
    """The study's four settings in its order."""
    return tuple(
        SettingJoules(model, tokens, tuple(_arm(raw.arm(model, tokens, arm), raw) for arm in ARMS))
        for model, tokens in SETTINGS
    )


def _arm(arm: RawArm, raw: Raw) -> ArmJoules:
    return ArmJoules(arm, tuple(true_run(run, raw.package_powers) for run in arm.runs))


def best_range(runs: Sequence[TrueRun], low: float, high: float) -> float:
    """The counter's range, J, between ``low`` and ``high``, at which the runs' own EAR powers are met best: whole
    numbers of wraps are chosen anew at each. What the data alone say of it."""
    watched = [run for run in runs if run.run.ear is not None]

    def worst(range_: float) -> float:
        return sum(_residue(run, range_) ** 2 for run in watched)

    return min((low + place * _STEP_J for place in range(int((high - low) / _STEP_J) + 1)), key=worst)


def _residue(run: TrueRun, range_: float) -> float:
    assert run.run.ear is not None
    missing = run.run.ear.package_power * run.run.seconds - run.run.cpu
    return (missing - round(missing / range_) * range_) / run.run.seconds


def between_nodes(found: Sequence[SettingJoules], what: Callable[[TrueRun], float | None]) -> float:
    """The largest ratio between two nodes of the joules of one arm in one setting: how far two arms on two nodes may
    differ without any difference between them."""
    most = 1.0
    for arm in (arm for setting in found for arm in setting.arms):
        by_node: dict[str, list[float]] = {}
        for run in arm.known:
            joules = what(run)
            if run.run.ear is not None and joules is not None:
                by_node.setdefault(run.run.ear.node, []).append(joules)
        means = [sum(values) / len(values) for values in by_node.values()]
        most = max(most, max(means) / min(means)) if len(means) > 1 else most
    return most
