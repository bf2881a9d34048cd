"""Stand-ins of machines whose joules are hard to get right, and what must become of each.

``python tests/instruments/energy_standins.py`` writes what becomes of them into docs/method.md.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from energy_world import (  # noqa: E402
    AMD,
    INTEL,
    OTHERS,
    OURS,
    FakeGpu,
    FakeNvmlError,
    Package,
    Seen,
    StandIn,
    World,
    busy,
    measure,
)

from bench.analysis.energy.windows import judge, withheld  # noqa: E402

METHOD = ROOT / "docs" / "method.md"
BEGIN = "<!-- energy stand-ins: written by python tests/instruments/energy_standins.py -->"
END = "<!-- /energy stand-ins -->"
# Findings that say nothing against the joules.
QUIET = frozenset(("energy-packages-mirrored",))
WITHIN, WITHHELD, FLAGGED = "within 1 %", "withheld", "flagged"


def _from(seconds: float, after: float, before: float = 1.0) -> Callable[[float, World], float]:
    """A factor that changes ``seconds`` after the work began."""
    return lambda value, world: value * (after if world.since() > seconds else before)


def _silent(begin: float, end: float, lost: bool) -> Callable[[float, World], float]:
    """The counter shows nothing new for a while, and loses what was used meanwhile, or catches up."""
    held: list[float] = []

    def shows(joules: float, world: World) -> float:
        if not held and world.since() >= begin:
            held.append(joules)
        if begin <= world.since() < end:
            return held[0]
        if world.since() >= end and lost:
            if len(held) == 1:
                held.append(joules - held[0])
            return joules - held[1]
        return joules

    return shows


def _steps(seconds: float, by: float) -> Callable[[float, World], float]:
    """It steps by ``by`` once, ``seconds`` after the work began."""
    return lambda value, world: value + (by if world.since() > seconds else 0.0)


def _reset(seconds: float) -> Callable[[float, World], float]:
    held: list[float] = []

    def shows(value: float, world: World) -> float:
        if world.since() > seconds:
            held.append(value)
            return value - held[0]
        return value

    return shows


def _fails(seconds: float, error: Exception) -> Callable[[float, World], float]:
    def shows(value: float, world: World) -> float:
        if world.since() > seconds:
            raise error
        return value

    return shows


def _noisy(watts: float, rest: float, share: float) -> Callable[[World], float]:
    """Power that wanders by ``share`` within seconds."""
    return lambda world: (watts if world.working else rest) * (1 + share * math.sin(2.1 * world.now))


def _drifts(watts: float, rest: float, by: float) -> Callable[[World], float]:
    """An idle power that falls by ``by`` W with a time constant of 20 s, as a card cools, under work too."""
    return lambda world: (watts if world.working else rest) + by * math.exp(-(world.now - 1000.0) / 20.0)


def _every(seconds: float) -> Callable[[object], float]:
    return lambda dice: seconds


OTHER = FakeGpu(uuid=OTHERS, pids=[1, 2])
_CPU = StandIn("", WITHIN, counter="cpu", gpus=(FakeGpu(uuid=OURS),), seconds=5.0, windows=2, call=1.0)
_LONG = replace(_CPU, windows=1, call=1000.0, packages=(Package(power=busy(300.0, 60.0), tick=0.1),))
_SHORT = replace(_CPU, packages=(Package(range_uj=AMD, power=busy(300.0, 60.0), tick=0.1),), windows=1, call=400.0)
_UNREAD = replace(_CPU, fate=WITHHELD, codes=("energy-counter-refused",), windows=1, reader=False, sampler_ends=0.0)
_SOME = busy(30.0, 10.0)


def _cpu(what: str, fate: str, *codes: str, **package: object) -> StandIn:
    return replace(_CPU, what=what, fate=fate, codes=codes, packages=(Package(**package),))  # type: ignore[arg-type]


def _many(what: str, fate: str, codes: tuple[str, ...], *packages: Package, counter: str = "cpu") -> StandIn:
    return replace(_CPU, what=what, fate=fate, codes=codes, packages=packages, counter=counter)


REFUSED, SLOW = "energy-counter-refused", "energy-ticks-slow"
NOT_POWER, APART, CAPPED = "energy-counter-not-power", "energy-windows-apart", "energy-capped"
BACK, ODD, UNCHECKED = "energy-counter-backwards", "energy-power-implausible", "energy-unchecked"
STOPPED = "energy-sampler-stopped"

NONE_TICKED = ("energy-counter-slow", "energy-counter-zero")
ONE_GPU, SLICED = (FakeGpu(uuid=OURS),), (FakeGpu(uuid=OURS, mig=1),)
NEVER = ("nvmlDeviceGetTotalEnergyConsumption",)
NO_POWER = ("nvmlDeviceGetPowerUsage",)


def _one(what: str, fate: str, *codes: str, **given: object) -> StandIn:
    return StandIn(what, fate, codes, **given)  # type: ignore[arg-type]


def _minute(world: World) -> float:
    """A minute of sleep a second after the work began."""
    return 60.0 * (world.since() > 1.0)


def _limit(world: World) -> float:
    return 700.0 if world.since() < 2.5 else 150.0


GPU = (
    _one("a counter that ticks every 100 ms", WITHIN),
    _one("ticks of 20 ms", WITHIN, tick=_every(0.02)),
    _one("ticks of 50 ms", WITHIN, tick=_every(0.05)),
    _one("ticks of 60 to 140 ms, at random", WITHIN, tick=lambda dice: dice.uniform(0.06, 0.14)),
    _one("ticks of 250 ms", WITHIN, tick=_every(0.25)),
    _one("ticks of 0.5 s, windows of 2 s", WITHIN, tick=_every(0.5)),
    _one("ticks of 1.2 s, windows of 2 s", FLAGGED, SLOW, tick=_every(1.2)),
    _one("ticks of 1.5 s, windows of 2 s", FLAGGED, SLOW, tick=_every(1.5)),
    _one("ticks of 1.5 s, windows of 10 s", WITHIN, tick=_every(1.5), seconds=10.0),
    _one("ticks of 3 s, windows of 2 s", WITHHELD, *NONE_TICKED, SLOW, APART, NOT_POWER, tick=_every(3.0)),
    _one("windows of 1 s, power sampled as a mean of 1 s", WITHIN, seconds=1.0, windows=2, mean_of=1.0),
    _one("windows of 2 s, power sampled as a mean of 0.5 s", WITHIN, mean_of=0.5),
    _one("power that wanders by 5 %", WITHIN, power=_noisy(300.0, 100.0, 0.05)),
    _one("a card that cools by 60 W", WITHIN, power=_drifts(300.0, 100.0, 60.0)),
    _one("a card that cools by 6 W", WITHIN, power=_drifts(135.0, 122.0, 6.0)),
    _one("stuck from the beginning", WITHHELD, *NONE_TICKED, shows=lambda joules, world: 0.0),
    _one("stuck from the second window on", WITHHELD, *NONE_TICKED, shows=_silent(3.0, math.inf, False)),
    _one("silent for 1.2 s, then caught up", FLAGGED, SLOW, shows=_silent(0.4, 1.6, False)),
    _one("silent for 1.2 s, and those joules lost", WITHHELD, SLOW, APART, NOT_POWER, shows=_silent(0.4, 1.6, True)),
    _one("silent for 0.4 s, and those joules lost", FLAGGED, APART, NOT_POWER, shows=_silent(0.4, 0.8, True)),
    _one("steps back by 40 J within a window", WITHHELD, BACK, shows=_steps(1.0, -40.0)),
    _one("reset to 0 within a window", WITHHELD, REFUSED, shows=_reset(3.0)),
    _one("mJ taken for J", WITHHELD, ODD, NOT_POWER, shows=lambda joules, world: joules * 1e3),
    _one("J taken for mJ", WITHHELD, ODD, NOT_POWER, shows=lambda joules, world: joules * 1e-3),
    _one("20 % too few joules", FLAGGED, NOT_POWER, shows=lambda joules, world: 0.8 * joules),
    _one("25 % too many joules", FLAGGED, NOT_POWER, shows=lambda joules, world: 1.25 * joules),
    _one("15 % too many joules, one window of 2 s", FLAGGED, NOT_POWER, windows=1, mean_of=1.0,
         shows=lambda joules, world: 1.15 * joules),
    _one("45 % of the joules", WITHHELD, NOT_POWER, shows=lambda joules, world: 0.45 * joules),
    _one("20 % too few joules, power not sampled", FLAGGED, UNCHECKED, unsupported=NO_POWER,
         shows=lambda joules, world: 0.8 * joules),
    _one("a power sensor that breaks in the first window", FLAGGED, "energy-sample-broken", UNCHECKED,
         senses=_fails(0.5, ValueError("x"))),
    _one("a sampler that ends after 1 s", FLAGGED, STOPPED, sampler_ends=1.0),
    _one("two GPUs, the other one busy at 650 W", WITHIN, gpus=(*ONE_GPU, OTHER)),
    _one("two GPUs, NVML numbers the other one first", WITHIN, gpus=(OTHER, *ONE_GPU)),
    _one("MIG is on, another slice draws 350 W", WITHHELD, gpus=SLICED, power=busy(650.0, 450.0)),
    _one("CUDA_VISIBLE_DEVICES names a MIG slice", WITHHELD, gpus=SLICED, environ={"CUDA_VISIBLE_DEVICES": "MIG-1"}),
    _one("a driver without this counter", WITHHELD, unsupported=NEVER),
    _one("the GPU is lost within a window", WITHHELD, REFUSED, shows=_fails(3.0, FakeNvmlError("GPU is lost"))),
    _one("the power limit falls from 700 to 150 W", FLAGGED, "energy-limit-changed", APART, limit=_limit,
         power=lambda world: min(300.0, _limit(world)) if world.working else 100.0),
    _one("held back by its power cap for 1 s", FLAGGED, CAPPED, mask=lambda world: 4 * (1 < world.since() < 2)),
    _one("held back by heat, its clock falls", FLAGGED, "energy-clock-changed", CAPPED,
         mask=lambda world: 0x20 * (world.since() > 3), clock=lambda world: 1980.0 if world.since() < 3 else 1400.0),
    _one("another process comes for 1 s", FLAGGED, "energy-gpu-shared", pids=lambda world: int(1 < world.since() < 2)),
    _one("200 W more from the second window on, nobody seen", FLAGGED, APART,
         power=lambda world: (300.0 if world.working else 100.0) + 200.0 * (world.since() > 2.4)),
    _one("the machine sleeps for a minute at 0.5 W, the counter goes on", WITHHELD, "energy-suspended",
         shows=_steps(1.0, 30.0), slept=_minute),
    _one("the clock jumps ahead by 2 s in the first window", WITHHELD, APART, NOT_POWER, STOPPED,
         ahead=lambda world: 2.0 * (world.since() > 1.0)),
    _one("the clock jumps ahead by 2 s in the only window", WITHHELD, NOT_POWER, STOPPED, windows=1,
         ahead=lambda world: 2.0 * (world.since() > 1.0)),
    _one("an idle card that drew more than at work", FLAGGED, "energy-net-negative", power=busy(150.0, 160.0)),
)  # fmt: skip

CPU = (
    _cpu("a package that ticks every millisecond", WITHIN, tick=0.001),
    replace(_LONG, what="262 kJ range, one call of 1,000 s at 300 W"),
    replace(_UNREAD, what="the same, and nobody reads", packages=_LONG.packages, call=1000.0),
    replace(_SHORT, what="66 kJ range, one call of 400 s at 300 W"),
    replace(_UNREAD, what="the same with 66 kJ, and nobody reads", packages=_SHORT.packages, call=400.0),
    replace(_SHORT, what="66 kJ range, 1,000 s: four wraps in a window", call=1000.0),
    _cpu("a wrap in the first window", WITHIN, start=INTEL - 900_000_000),
    _cpu("a wrap while idle", WITHIN, start=INTEL - 100_000_000),
    _many("wraps of two packages at unlike times", WITHIN, (), Package(start=INTEL - 900_000_000),
          Package("package-1", busy(150.0, 70.0), start=INTEL - 1_500_000_000)),
    _cpu("a range of 1 kJ: read four times a second", WITHIN, range_uj=1_000_000_000),
    _cpu("steps back by 1 J while it counts on: 0.1 %", WITHIN, shows=_steps(3.0, -1e6)),
    _cpu("steps back by 500 J", WITHHELD, REFUSED, shows=_steps(3.0, -5e8)),
    _cpu("reset to 0, far from its range", WITHHELD, REFUSED, shows=_reset(3.0), start=100_000_000_000),
    _cpu("jumps ahead by 100 kJ", WITHHELD, REFUSED, shows=_steps(3.0, 1e11)),
    _cpu("a range of 0", WITHHELD, range_uj=0),
    _cpu("stuck", WITHHELD, *NONE_TICKED, shows=lambda joules, world: 0.0),
    _cpu("ticks of 1 s", WITHIN, tick=1.0),
    _cpu("no longer readable from 3 s on", WITHHELD, REFUSED, shows=_fails(3.0, OSError("gone"))),
    _cpu("mJ taken for µJ", WITHHELD, ODD, shows=lambda joules, world: joules * 1e-3),
    _many("two dies that show one counter", WITHIN, ("energy-packages-mirrored",), Package("package-0-die-0"),
          Package("package-0-die-1", mirrors=0)),
    _many("two packages of unlike load", WITHIN, (), Package(), Package("package-1", busy(90.0, 40.0), start=77)),
    _many("core and psys beside the package", WITHIN, (), Package(), Package("core", _SOME), Package("psys", _SOME)),
    replace(_CPU, what="the machine sleeps, and a package counts on", fate=WITHHELD,
            codes=("energy-suspended",), packages=(Package(shows=_steps(1.0, 3e7)),), slept=_minute),
    _many("the memory's own domain", WITHIN, (), Package(), Package("dram", _SOME), counter="dram"),
)  # fmt: skip

ALL = (*GPU, *CPU)


@dataclass(frozen=True)
class Told:
    """What became of a stand-in: its fate, the codes of its findings, and why it was withheld."""

    seen: Seen
    fate: str
    codes: frozenset[str]
    reason: str


@cache
def told(of: StandIn) -> Told:
    seen = measure(of)
    codes = frozenset(one.code for one in (*seen.record.findings, *judge(seen.record)))
    reason = seen.reason or withheld(seen.record, of.counter)
    if seen.error is None or reason:
        return Told(seen, WITHHELD, codes, reason)
    right = abs(seen.error) <= 0.01 and not codes - QUIET
    return Told(seen, WITHIN if right else FLAGGED if codes else "wrong, unseen", codes, "")


def table() -> str:
    """As Markdown: every stand-in, by how much its joules are wrong, and what is said."""
    lines = ["| Counter | Machine | Joules recorded ÷ true | What becomes of them |", "| --- | --- | ---: | --- |"]
    for one in ALL:
        of = told(one)
        ratio = "–" if of.seen.error is None else f"{1 + of.seen.error:.3f}" if of.seen.error > -0.99 else "0.001"
        codes = ", ".join(f"`{code}`" for code in sorted(of.codes)) or of.reason.split(";")[0]
        lines.append(f"| {one.counter.upper()} | {one.what} | {ratio} | {of.fate}{f': {codes}' if codes else ''} |")
    fates = Counter(told(one).fate for one in ALL)
    return "\n".join(
        [*lines, "", f"{len(ALL)} machines: " + ", ".join(f"{n} {fate}" for fate, n in fates.items()) + "."]
    )


if __name__ == "__main__":
    text = METHOD.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    METHOD.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
