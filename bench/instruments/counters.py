"""Energy counters: joules since some fixed moment, only ever growing. NVML for a GPU, RAPL for CPU packages and memory.

The NVML counter moves about every 100 ms, and on A100 and H100 the power behind it is sampled for only a
part of that time (facts: windows of seconds and repeats are needed). RAPL moves about every millisecond.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from bench.record.errors import MachineError
from bench.record.schema import Finding

from .nvml import Nvml, connect, measured_gpu
from .rapl import Domain

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """``name`` is the ending of its metrics: energy_<name>, idle_energy_<name>."""

    name: str

    def read(self) -> float:
        """Joules, never decreasing. Raises MachineError if the counter stops answering or cannot be believed."""
        ...


class NvmlCounter:
    """Energy of one whole GPU board since the driver was loaded."""

    name = "gpu"

    def __init__(self, nvml: Nvml, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def read(self) -> float:
        """NVML counts in mJ."""
        return float(self._nvml.call("nvmlDeviceGetTotalEnergyConsumption", self._handle)) * 1e-3


class RaplCounter:
    """Energy of several RAPL domains together, each followed over its wrap-around (rapl.py).

    It must be read at least every ``period`` seconds, also while the work runs: energy_pass.py does. Safe to be read by
    several threads. Two domains of the same values and range, from construction on, are one counter seen twice
    (dies of one package): counted once. Once it could not be believed it stays so.
    """

    def __init__(
        self, domains: Sequence[Path], name: str = "cpu", clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.name = name
        self._clock, self._lock, self._trouble = clock, threading.Lock(), ""
        self._files = [domain / "energy_uj" for domain in domains]
        self._domains = [
            Domain(_label(path), _microjoules(path / "max_energy_range_uj"), _microjoules(file), clock())
            for path, file in zip(domains, self._files, strict=True)
        ]
        self._twins = _twins(self._domains, self._files)
        self._readings: list[tuple[float, ...]] = []

    @property
    def period(self) -> float:
        """Seconds within which it must be read again, for no wrap to pass unseen."""
        return min(domain.period for domain in self._domains)

    def timed_by(self, clock: Callable[[], float]) -> None:
        """Times of readings are of ``clock`` from now on: that of the windows, which a test may move itself. What was
        before, without readings, is no window's: it is not counted."""
        with self._lock:
            fresh = clock == self._clock and clock() - self._domains[0].read_at <= self.period
            if fresh or self._trouble:
                return
            self._clock = clock
            try:
                for domain, file in zip(self._domains, self._files, strict=True):
                    domain.restart(_microjoules(file), clock())
            except MachineError as error:
                self.distrust(str(error))

    def read(self) -> float:
        """Joules since construction, of every domain that is not another's twin."""
        with self._lock:
            self._take()
            return sum(domain.joules for place, domain in enumerate(self._domains) if place not in self._twins)

    def note(self) -> None:
        """Read, and keep the reading as proof that it took place. Raises MachineError as ``read``."""
        with self._lock:
            moment = self._take()
            self._readings.append((moment, *(domain.raw for domain in self._domains)))

    def distrust(self, why: str) -> None:
        """From now on every reading raises MachineError with ``why``."""
        self._trouble = self._trouble or why

    def _take(self) -> float:
        if self._trouble:
            raise MachineError(self._trouble)
        try:
            raws = [_microjoules(file) for file in self._files]
            moment = self._clock()
            self._compare(raws)
            for domain, raw in zip(self._domains, raws, strict=True):
                domain.take(raw, moment)
        except MachineError as error:
            self.distrust(str(error))
            raise
        return moment

    def _compare(self, raws: Sequence[int]) -> None:
        """Twins must go on showing the same; two that parted before either had moved are none."""
        for place, first in list(self._twins.items()):
            if _may_pass_through(
                raws[first], raws[place], _microjoules(self._files[first]), self._domains[place].range_uj
            ):
                continue
            one, other = self._domains[first], self._domains[place]
            if one.moved and other.moved:
                raise MachineError(
                    f"{one.label} and {other.label} showed the same joules and then did not: are they one or two?"
                )
            del self._twins[place]

    def findings(self) -> tuple[Finding, ...]:
        """That domains were counted once which show one and the same counter."""
        return tuple(
            Finding(
                "energy-packages-mirrored",
                "info",
                f"{self._domains[first].label} and {self._domains[place].label} show one and the same counter: "
                "counted once",
                remedy="none is needed; a tool that adds them up reports twice the joules",
            )
            for place, first in self._twins.items()
            if self._domains[place].moved
        )

    def setup(self) -> dict[str, Any]:
        """What was read and how often, in JSON types; ``readings``: the clock, then each domain's raw µJ."""
        times = [reading[0] for reading in self._readings]
        return {
            "domains": [domain.label for domain in self._domains],
            "range_j": [domain.range_uj * 1e-6 for domain in self._domains],
            "mirrored": [self._domains[place].label for place in self._twins if self._domains[place].moved],
            "reader_period_s": self.period,
            "longest_gap_s": max((after - before for before, after in pairwise(times)), default=None),
            "readings": [list(reading) for reading in self._readings],
        }


def _twins(domains: Sequence[Domain], files: Sequence[Path]) -> dict[int, int]:
    """For each domain that shows what an earlier one shows: its place → the earlier one's."""
    found: dict[int, int] = {}
    for place, domain in enumerate(domains):
        for first in range(place):
            one = domains[first]
            same = one.range_uj == domain.range_uj
            if (
                same
                and first not in found
                and _may_pass_through(one.raw, domain.raw, _microjoules(files[first]), one.range_uj)
            ):
                found[place] = first
                break
    return found


def _may_pass_through(before: int, value: int, after: int, full: int) -> bool:
    """Whether a counter that showed ``before`` and then ``after`` can have shown ``value`` in between."""
    return (value - before) % full <= (after - before) % full


def _microjoules(file: Path) -> int:
    try:
        return int(file.read_text())
    except PermissionError:
        raise MachineError(
            f"{file} may only be read by root: run as root, or 'chmod a+r' it on the host and mount /sys/class/powercap"
        ) from None
    except (OSError, ValueError) as error:
        raise MachineError(f"{file} cannot be read ({error})") from error


def package_domains(powercap: Path = POWERCAP) -> list[Path]:
    """The RAPL domains of whole CPU packages, without their parts (core, dram) and without psys.

    AMD's counters appear under the name intel-rapl too.
    """
    return [path for path in _named(powercap, r"intel-rapl:\d+") if _domain_name(path).startswith("package")]


def dram_domains(powercap: Path = POWERCAP) -> list[Path]:
    """The RAPL domains of the memory, one a package where the CPU counts it."""
    return [path for path in _named(powercap, r"intel-rapl:\d+:\d+") if _domain_name(path) == "dram"]


def _named(powercap: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(powercap.glob("intel-rapl:*")) if re.fullmatch(pattern, path.name)]


def _domain_name(path: Path) -> str:
    try:
        return (path / "name").read_text().strip()
    except OSError:
        return ""


def _label(path: Path) -> str:
    return f"{_domain_name(path)} ({path.name})"


def rapl_counter(powercap: Path = POWERCAP) -> RaplCounter:
    """A counter over this machine's packages. Raises MachineError, with the remedy, where there is none."""
    domains = package_domains(powercap)
    if not domains:
        raise MachineError(
            "no RAPL counters: virtual machines hide them and containers need /sys/class/powercap mounted; "
            "run on bare metal, or 'modprobe intel_rapl_msr' on the host"
        )
    return RaplCounter(domains)


def dram_counter(powercap: Path = POWERCAP) -> RaplCounter:
    """A counter over the memory of this machine's packages. Raises MachineError where it is not counted apart."""
    domains = dram_domains(powercap)
    if not domains:
        raise MachineError(
            "this CPU does not count its memory's energy apart (servers by Intel do): it is in no figure"
        )
    return RaplCounter(domains, "dram")


def nvml_counter(nvml: Nvml | None = None, uuid: str | None = None) -> NvmlCounter:
    """A counter over the measured GPU, tried once. Raises MachineError where it does not count (before Volta), and
    where MIG is on: it counts the whole board, other slices' work included."""
    nvml = nvml or connect()
    handle = measured_gpu(nvml, uuid)
    if _mig(nvml, handle):
        raise MachineError(
            "MIG is on: NVML counts energy for the whole board, and the share of this slice is not known; "
            "measure on a GPU with MIG off (an administrator: nvidia-smi -mig 0)"
        )
    counter = NvmlCounter(nvml, handle)
    counter.read()
    return counter


def _mig(nvml: Nvml, handle: Any) -> bool:
    try:
        return bool(nvml.call("nvmlDeviceGetMigMode", handle)[0])
    except MachineError:
        return False  # GPUs without MIG do not know the question


def available_counters(
    gpu: bool, *, nvml: Nvml | None = None, uuid: str | None = None, powercap: Path = POWERCAP
) -> tuple[list[EnergyCounter], dict[str, str]]:
    """The counters of this machine, and for each missing one: metric name → reason with its remedy.

    ``gpu`` is whether the Case runs on a GPU; ``uuid`` is that GPU's where CUDA may number otherwise.
    """
    makers: dict[str, Callable[[], EnergyCounter]] = {
        "gpu": lambda: _gpu_counter(gpu, nvml, uuid),
        "cpu": lambda: rapl_counter(powercap),
        "dram": lambda: dram_counter(powercap),
    }
    counters: list[EnergyCounter] = []
    reasons: dict[str, str] = {}
    for name, make in makers.items():
        if name == "dram" and "energy_cpu" in reasons:
            continue  # what hides the packages hides their memory: one reason is enough
        try:
            counters.append(make())
        except MachineError as error:
            reasons |= {f"energy_{name}": str(error), f"idle_energy_{name}": str(error)}
    return counters, reasons


def _gpu_counter(gpu: bool, nvml: Nvml | None, uuid: str | None) -> NvmlCounter:
    if not gpu:
        raise MachineError("this Case runs on the CPU: GPU energy is not its own")
    return nvml_counter(nvml, uuid)
