"""The one estimator of joules per token, for every table, split, map, score and hypothesis.

Gross joules of a window are the counter's difference less idle power × wait, because the wait for the counter's tick is
not work: windows open at ticks, so that the wait is the same in every window of an arm and does not average out. Net
joules are gross less a baseline's power × the work's own time, for each baseline that is known (``baselines``).

A process is the sum of its windows: Σ joules ÷ Σ tokens, and Σ work time ÷ Σ tokens. How windows of one process vary is
told by the ratio's linear residuals (Cochran 1977, "Sampling techniques", 6.3). Processes count the same, and are
judged by the one model of spread: ``statistics`` over processes, or over pairs of a sweep; what one or two of them
cannot show is assumed. An idle power's own error is in the interval of what is net of it; where three processes show
it, as each measured its own, only the part that they share is added.

A difference of gross joules has the interval of the *ratio*, in J: with M the geometric mean of both arms, E_scheme −
E_reference = M·2·sinh(ln ratio ÷ 2), in which M and the ratio are independent for arms that vary alike. So the
difference excludes 0 just where the ratio excludes 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from bench.record.schema import Record

from ..statistics import Estimate
from ..statistics.assumed import ENOUGH, Assumed, merged
from ..statistics.pairing import Located, difference_between, level_of, located, partners, ratio_of
from . import codecarbon
from .baselines import Baselines, Kind
from .idle_power import Idle, half_width, idle_of
from .sources import EnergySource
from .windows import no_verdict, withheld
from .work_windows import WorkWindow, work_windows

Quantity = Literal["gross", "held", "unused", "time", "power"]
_BASELINE = Assumed(between=("idle and work",)).text


@dataclass(frozen=True)
class ProcessJoules:
    """One record. ``gross``, ``held``, ``unused``: J/token; ``time``: s of work per token; each a value per window, the
    mean of which is the process's; () where it is not known. ``noise`` and ``alike``: standard deviations in J/token of
    ``held`` and ``unused``, drawn anew in each process and alike in all."""

    record: Record
    windows: int
    gross: tuple[float, ...]
    time: tuple[float, ...]
    held: tuple[float, ...]
    unused: tuple[float, ...]
    noise: dict[Kind, float]
    alike: dict[Kind, float]
    idle: Idle | None
    unused_power: float | None

    def values(self, of: Quantity) -> tuple[float, ...]:
        return {"gross": self.gross, "held": self.held, "unused": self.unused, "time": self.time, "power": self.power}[
            of
        ]

    @property
    def power(self) -> tuple[float, ...]:
        """W of the work, gross: one value, that of all windows."""
        return (fmean(self.gross) / fmean(self.time),) if self.time else ()


def process(record: Record, source: EnergySource, known: Baselines) -> ProcessJoules | None:
    """None where no window made tokens and joules, or where these cannot be believed."""
    windows, idle = work_windows(record, source), idle_of(record, source)
    if not windows or (source.counter and withheld(record, source.counter)):
        return None
    gross = gross_joules(windows, idle)
    if min(gross) <= 0:
        return None  # less than an idle machine draws in the wait: the counter did not follow the work
    unused = known.unused(record, source)
    seconds = _mean_time(windows)
    held_power = idle.powers if idle else ()
    unused_power = (unused.power,) * len(windows) if unused else ()
    return ProcessJoules(
        record, len(windows), positive(per_token(gross, windows)), _times(windows),
        _net(gross, held_power, windows), _net(gross, unused_power, windows),
        noise={
            "held": seconds * idle.noise if idle else 0.0,
            "unused": seconds * unused.error if unused and not unused.alike else 0.0,
        },
        alike={
            "held": seconds * idle.assumed if idle else 0.0,
            "unused": seconds * unused.error if unused and unused.alike else 0.0,
        },
        idle=idle, unused_power=unused.power if unused else None,
    )  # fmt: skip


def doubt(record: Record, source: EnergySource) -> str:
    """Why no comparison may rest on these joules; "" where one may."""
    return no_verdict(record, source.counter) if source.counter else codecarbon.no_verdict(record)


def gross_joules(windows: Sequence[WorkWindow], idle: Idle | None) -> tuple[float, ...]:
    """J of the work in each window: the counter's difference less what an idle machine drew in the wait."""
    powers = idle.powers if idle else (0.0,) * len(windows)
    return tuple(window.joules - watts * window.wait for window, watts in zip(windows, powers, strict=True))


def _net(gross: Sequence[float], powers: Sequence[float], windows: Sequence[WorkWindow]) -> tuple[float, ...]:
    if not powers or _mean_time(windows) <= 0:
        return ()
    net = [joules - watts * window.work for joules, watts, window in zip(gross, powers, windows, strict=True)]
    return per_token(net, windows)


def _times(windows: Sequence[WorkWindow]) -> tuple[float, ...]:
    """s of work per token; () where no time was recorded."""
    return positive(per_token([window.work for window in windows], windows)) if _mean_time(windows) > 0 else ()


def _mean_time(windows: Sequence[WorkWindow]) -> float:
    return math.fsum(window.work for window in windows) / math.fsum(window.tokens for window in windows)


def per_token(amounts: Sequence[float], windows: Sequence[WorkWindow]) -> tuple[float, ...]:
    """Σ amounts ÷ Σ tokens as one value per window, with that mean and the windows' residuals about it."""
    tokens = [window.tokens for window in windows]
    mean = math.fsum(tokens) / len(tokens)
    level = math.fsum(amounts) / math.fsum(tokens)
    return tuple(level + (amount - level * count) / mean for amount, count in zip(amounts, tokens, strict=True))


def positive(values: tuple[float, ...]) -> tuple[float, ...]:
    """As they are; their mean alone where windows are so unlike that a residual makes one of them negative."""
    return values if min(values) > 0 else (math.fsum(values) / len(values),)


@dataclass(frozen=True)
class SchemeJoules:
    """The processes of one scheme in one setting, from one source."""

    processes: tuple[ProcessJoules, ...]

    def located(self, of: Quantity) -> Located:
        """From ENOUGH processes on only these count: how windows of one vary is in how they differ."""
        held = {id(item.record): item.values(of) for item in self.processes}
        if len(self.processes) >= ENOUGH:
            held = {name: (math.fsum(values) / len(values),) for name, values in held.items() if values}
        return located([item.record for item in self.processes], lambda record: held.get(id(record), ()))

    @property
    def windows(self) -> int:
        return sum(item.windows for item in self.processes)

    def doubt(self, source: EnergySource) -> str:
        """Why no comparison may rest on these joules; "" where one may."""
        return next(filter(None, (doubt(item.record, source) for item in self.processes)), "")

    def baseline(self, of: Kind) -> float | None:
        """W of a baseline, the mean over the processes that know it."""
        held = [item.idle.power for item in self.processes if item.idle]
        known = held if of == "held" else [w for item in self.processes if (w := item.unused_power) is not None]
        return math.fsum(known) / len(known) if known else None


def arm(records: Sequence[Record], source: EnergySource, known: Baselines) -> SchemeJoules | None:
    """None where no record has joules."""
    found = tuple(item for record in records if (item := process(record, source, known)) is not None)
    return SchemeJoules(found) if found else None


def in_pairs(one: SchemeJoules, base: SchemeJoules) -> tuple[SchemeJoules, SchemeJoules]:
    """Both arms less the records of a sweep that have no partner in the other."""
    kept = partners([item.record for item in one.processes], [item.record for item in base.processes])
    return _only(one, kept[0]), _only(base, kept[1])


def _only(of: SchemeJoules, records: Sequence[Record]) -> SchemeJoules:
    kept = {id(record) for record in records}
    return SchemeJoules(tuple(item for item in of.processes if id(item.record) in kept))


def level(of: SchemeJoules, quantity: Quantity) -> Estimate | None:
    """J or s per token with its interval; None where it is not known."""
    values = of.located(quantity)
    if not values.samples:
        return None
    found = level_of(values, "mean")
    return found if quantity not in ("held", "unused") else widened(found, *_errors((of,), quantity))


def ratio(one: SchemeJoules, base: SchemeJoules, of: Quantity = "gross") -> Estimate | None:
    """One arm's gross joules (or time, or power) over the base's with its interval; None where it cannot be formed."""
    return ratio_of(one.located(of), base.located(of), "mean")


def difference(one: SchemeJoules, base: SchemeJoules, of: Kind) -> Estimate | None:
    """One arm's net J/token less the base's with its interval, all that the baselines leave unsure in it; None where
    one of them is not known. It may have any sign."""
    here, there = one.located(of), base.located(of)
    if not here.samples or not there.samples:
        return None
    return widened(difference_between(here, there, "mean"), *_errors((one, base), of))


def _errors(arms: Sequence[SchemeJoules], of: Kind) -> tuple[float, float]:
    """J/token: of what each process drew anew, where processes are too few to show it, and of what they share."""
    noise = [
        math.sqrt(math.fsum(item.noise[of] ** 2 for item in one.processes)) / len(one.processes)
        for one in arms
        if len(one.processes) < ENOUGH
    ]
    alike = [math.fsum(item.alike[of] for item in one.processes) / len(one.processes) for one in arms]
    return math.hypot(*noise), math.hypot(*alike)


def widened(found: Estimate, noise: float, alike: float) -> Estimate:
    """With a baseline's errors in its interval: half-widths of independent errors add in quadrature (JCGM 100:2008
    "GUM", 5.1.6)."""
    if found.low is None or found.high is None:
        return found
    more = half_width(noise, alike)
    return replace(
        found,
        low=found.value - math.hypot(found.value - found.low, more),
        high=found.value + math.hypot(found.high - found.value, more),
        relative_error=None,
        assumed=merged((found.assumed, _BASELINE)) if alike else found.assumed,
    )


def in_joules(between: Estimate, reference: float) -> Estimate:
    """The difference that a ratio is, above a reference of so many joules: see above for its interval."""
    value = reference * (between.value - 1.0)
    if between.low is None or between.high is None:
        return replace(between, value=value, relative_error=None)
    middle, logs = reference * math.sqrt(between.value), (math.log(between.low), math.log(between.high))
    spread = 0.25 * (logs[1] - logs[0])  # half the half-width of the ratio's logarithm: that of the geometric mean's
    low, high = (middle * 2.0 * math.sinh(0.5 * bound) for bound in logs)
    low = value - math.hypot(value - low, value * spread)
    high = value + math.hypot(high - value, value * spread)
    if logs[0] > 0:
        low = max(low, middle * math.exp(-spread) * 2.0 * math.sinh(0.5 * logs[0]))
    if logs[1] < 0:
        high = min(high, middle * math.exp(-spread) * 2.0 * math.sinh(0.5 * logs[1]))
    return replace(between, value=value, low=low, high=high, relative_error=None)
