"""A machine in simulated time: true joules, the counters and sensors that show them, and what goes wrong with them.

Nothing sleeps. The real energy pass runs in it: counters, edges, samplers and readers are the project's own; only the
clock, NVML and the files of powercap are the world's.
"""

from __future__ import annotations

import bisect
import itertools
import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from fake_nvml import FakeGpu, FakeNvml, FakeNvmlError

from bench.instruments import counters
from bench.instruments.energy_pass import Reader, measure_energy
from bench.instruments.gpu import watched
from bench.instruments.nvml import Nvml, measured_gpu
from bench.instruments.sampler import Sampler
from bench.record.errors import MachineError
from bench.record.schema import Record
from tests import factories as make

OURS, OTHERS = (f"GPU-{letter * 4}1111-0000-0000-0000-000000000000" for letter in "ab")
INTEL, AMD = 262_143_328_850, 65_532_610_987
Power = Callable[["World"], float]


def busy(watts: float = 300.0, rest: float = 100.0) -> Power:
    """``watts`` while the work runs, ``rest`` otherwise."""
    return lambda world: watts if world.working else rest


_OUR_GPU = FakeGpu(uuid=OURS)
_AT_200_W, _AT_300_W = busy(200.0, 80.0), busy()


@dataclass(frozen=True)
class Package:
    """One RAPL domain. ``power``: W it draws; ``shows``: (true µJ since the start, world) → µJ in its file before it is
    taken modulo ``range_uj``, which may raise OSError; ``mirrors``: the domain that it shows a second time."""

    name: str = "package-0"
    power: Power = _AT_200_W
    range_uj: int = INTEL
    start: int = 5_000_000
    tick: float = 0.01
    shows: Callable[[float, World], float] = lambda joules, world: joules
    mirrors: int | None = None


@dataclass(frozen=True, eq=False)  # so that each may be looked up by itself
class StandIn:
    """One machine and what is wrong with it. ``fate``: what must become of its joules; ``codes``: every finding.
    ``slept``: s that it was suspended by now, ``ahead``: s by which its clock is ahead."""

    what: str
    fate: str
    codes: tuple[str, ...] = ()
    counter: str = "gpu"
    power: Power = _AT_300_W
    tick: Callable[[random.Random], float] = lambda dice: 0.1
    shows: Callable[[float, World], float] = lambda joules, world: joules
    senses: Callable[[float, World], float] = lambda watts, world: watts
    mean_of: float = 0.0
    packages: tuple[Package, ...] = ()
    seconds: float = 2.0
    windows: int = 3
    call: float = 0.37
    gpus: tuple[FakeGpu, ...] = (_OUR_GPU,)
    others_power: float = 650.0
    limit: Callable[[World], float] = lambda world: 700.0
    mask: Callable[[World], int] = lambda world: 0
    clock: Callable[[World], float] = lambda world: 1980.0
    pids: Callable[[World], int] = lambda world: 0
    unsupported: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    sampler_ends: float = math.inf
    reader: bool = True
    slept: Callable[[World], float] = lambda world: 0.0
    ahead: Callable[[World], float] = lambda world: 0.0


class World(FakeNvml):
    """``now``: s. ``work_time``: s of work so far, by which faults are placed. ``energy``: true J by device."""

    def __init__(self, of: StandIn) -> None:
        super().__init__(list(of.gpus), of.unsupported)
        self.of, self.now, self.working, self.work_time, self.work_began = of, 1000.0, False, 0.0, math.inf
        self.dice = random.Random(7)
        self.places = [*range(len(of.gpus)), *(f"package {place}" for place in range(len(of.packages)))]
        self.energy: dict[Any, float] = dict.fromkeys(self.places, 0.0)
        self.shown = dict(self.energy)
        self.ticks = {place: self.now + self._tick(place) * self.dice.random() for place in self.places}
        self.history: list[tuple[float, dict[Any, float]]] = [(self.now, dict(self.energy))]
        self.told = [self.clock()]
        self.beside: dict[int, list[Any]] = {}
        self.numbers = itertools.count()

    def _tick(self, place: Any) -> float:
        return self.of.tick(self.dice) if isinstance(place, int) else self.package(place).tick

    def package(self, place: str) -> Package:
        return self.of.packages[int(place.split()[1])]

    def draws(self, place: Any) -> float:
        if not isinstance(place, int):
            return self.package(place).power(self)
        return self.of.power(self) if self.of.gpus[place].uuid == OURS else self.of.others_power

    def since(self) -> float:
        """s since the work began, rests between windows included; below 0 before it."""
        return self.now - self.work_began

    def clock(self) -> float:
        return self.now + self.of.ahead(self)

    def slept(self) -> float:
        return self.of.slept(self)

    def when(self, moment: float) -> float:
        """The world's time at which its clock showed ``moment``."""
        return float(np.interp(moment, self.told, [now for now, _ in self.history]))

    def sleep(self, seconds: float) -> None:
        self.run(seconds, False)

    def work(self) -> int:
        self.work_began = min(self.work_began, self.now)
        self.run(self.of.call, True)
        return 128

    def run(self, seconds: float, working: bool) -> None:
        end = self.now + seconds
        while self.now < end - 1e-12:
            self.working = working
            events = [when for when in self.ticks.values() if when > self.now] + [
                one[0] for one in self.beside.values()
            ]
            self._pass(max(min([end, self.now + 0.05, *events]) - self.now, 1e-9))
            for place in self.places:
                if self.now >= self.ticks[place] - 1e-12:
                    self.shown[place] = self.energy[place]
                    self.ticks[place] = self.now + self._tick(place)
            for due in list(self.beside.values()):
                if self.now >= due[0] - 1e-12:
                    due[0] = self.now + due[1]
                    due[2]()
        self.working = False

    def _pass(self, step: float) -> None:
        for place in self.places:
            self.energy[place] += step * self.draws(place)
        self.now += step
        self.work_time += step if self.working else 0.0
        self.history.append((self.now, dict(self.energy)))
        self.told.append(self.clock())

    def true(self, moment: float, place: Any) -> float:
        """True J at a moment that has passed."""
        at = bisect.bisect_left(self.history, moment, key=lambda one: one[0])
        (late, after), (early, before) = self.history[min(at, len(self.history) - 1)], self.history[max(at - 1, 0)]
        share = (moment - early) / (late - early) if late > early else 0.0
        return before[place] + share * (after[place] - before[place])

    @contextmanager
    def running(self, thing: Sampler | Reader) -> Iterator[Any]:
        """What the project runs in a thread, run at its times by the world instead."""
        number = next(self.numbers)
        step, period = (thing.sample, 0.1) if isinstance(thing, Sampler) else (thing.read, thing.period)
        if isinstance(thing, Reader) and not self.of.reader:
            step = lambda: None  # noqa: E731
        if isinstance(thing, Sampler):
            sample = step
            step = lambda: sample() if self.since() < self.of.sampler_ends else None  # noqa: E731
        step()
        self.beside[number] = [self.now + period, period, step]
        yield thing
        del self.beside[number]

    # NVML
    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        place = self.gpus.index(gpu)
        joules = self.shown[place]
        return int((self.of.shows(joules, self) if place == self.ours else joules) * 1e3) + 10**6

    @property
    def ours(self) -> int:
        return next(place for place, gpu in enumerate(self.gpus) if gpu.uuid == OURS)

    def nvmlDeviceGetPowerUsage(self, gpu):
        place = self.gpus.index(gpu)
        return int(self.of.senses(self._mean(place) if self.of.mean_of else self.draws(place), self) * 1e3)

    def _mean(self, place):
        seconds = min(self.of.mean_of, self.now - 1000.0)
        return (self.energy[place] - self.true(self.now - seconds, place)) / seconds if seconds else self.draws(place)

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu):
        return self.of.limit(self) * 1e3

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu):
        return self.of.mask(self)

    def nvmlDeviceGetClockInfo(self, gpu, kind):
        return self.of.clock(self) if kind == self.NVML_CLOCK_SM else 2619

    def nvmlDeviceGetComputeRunningProcesses(self, gpu):
        return [mock.Mock(pid=pid) for pid in range(10**8, 10**8 + self.of.pids(self))]

    # powercap
    def microjoules(self, file: Path) -> int:
        place = int(file.parent.name.split(":")[1])
        package = self.of.packages[place]
        if file.name == "max_energy_range_uj":
            return package.range_uj
        source = place if package.mirrors is None else package.mirrors
        try:
            raw = self.of.packages[source].shows(self.shown[f"package {source}"] * 1e6, self)
        except OSError as error:
            raise MachineError(f"{file.name} cannot be read ({error})") from error
        return int(raw + self.of.packages[source].start) % max(package.range_uj, 1)


@dataclass(frozen=True)
class Seen:
    """What the energy pass made of a stand-in. ``error``: the worst window's share of joules too many; None: none."""

    record: Record
    error: float | None
    reason: str


def measure(of: StandIn) -> Seen:
    """The energy pass over a stand-in, as a record."""
    world = World(of)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, of.environ),
        mock.patch.object(counters, "_microjoules", world.microjoules),
    ):
        powercap = _powercap(Path(folder), of)
        found, reasons = counters.available_counters(not of.packages, nvml=Nvml(world), uuid=OURS, powercap=powercap)
        record = _record(of, world, found, reasons)
    name, place = of.counter, world.ours if of.counter == "gpu" else _places(of)
    return Seen(record, _error(record, world, name, place), record.not_collected.get(f"energy_{name}", ""))


def _powercap(root: Path, of: StandIn) -> Path:
    for place, package in enumerate(of.packages):
        folder = root / (f"intel-rapl:{place}" if package.name != "dram" else f"intel-rapl:{place}:0")
        folder.mkdir()
        (folder / "name").write_text(package.name)
    return root


def _places(of: StandIn) -> list[str]:
    kind = "dram" if of.counter == "dram" else "package"
    own = [place for place, one in enumerate(of.packages) if one.name.startswith(kind) and one.mirrors is None]
    return [f"package {place}" for place in own]


def _record(of: StandIn, world: World, found: list[Any], reasons: Mapping[str, str]) -> Record:
    case = make.case("nf4", device="cpu" if of.packages else "cuda")
    sources = {} if of.packages else _watched(world)
    if not found:
        return replace(make.record("energy", case), status="skipped", reason="no counter", not_collected=reasons)
    told = measure_energy(
        world.work, found, sources, seconds=of.seconds, windows=of.windows,
        clock=world.clock, sleep=world.sleep, beside=world.running, slept=world.slept,
    )  # fmt: skip
    bare = make.record("energy", case)
    return replace(
        bare, setup=told.setup, metrics=told.metrics, findings=told.findings,
        not_collected={**reasons, **told.not_collected},
    )  # fmt: skip


def _watched(world: World) -> Mapping[str, Callable[[], float]]:
    try:
        return watched(Nvml(world), measured_gpu(Nvml(world), OURS))
    except MachineError:
        return {}


def _error(record: Record, world: World, name: str, place: Any) -> float | None:
    joules, edges = record.values(f"energy_{name}"), record.values(f"edge_time_{name}")
    if not joules:
        return None
    zero = world.now - (world.now - _origin(record, world))
    places = place if isinstance(place, list) else [place]
    errors = []
    for window, value in enumerate(joules):
        opened, closed = (world.when(zero + moment) for moment in edges[2 * window : 2 * window + 2])
        true = sum(world.true(closed, one) - world.true(opened, one) for one in places)
        errors.append(value / true - 1)
    return max(errors, key=abs)


def _origin(record: Record, world: World) -> float:
    """The world's time that is the record's 0: the work began right after the first window's opening."""
    return world.work_began - record.values("work_begin")[0]


__all__ = [
    "AMD",
    "INTEL",
    "OTHERS",
    "OURS",
    "FakeGpu",
    "FakeNvmlError",
    "Package",
    "Seen",
    "StandIn",
    "busy",
    "measure",
]
