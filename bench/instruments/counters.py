"""Energy counters: joules since some fixed moment, only ever growing. NVML for a GPU, RAPL for CPU packages.

The NVML counter moves about every 100 ms, and on A100 and H100 the power behind it is sampled for only a
part of that time (facts: windows of seconds and repeats are needed). RAPL moves about every millisecond.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from bench.record.errors import MachineError

from .nvml import Nvml, connect, measured_gpu

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """``name`` is the ending of its metrics: energy_<name>, idle_energy_<name>."""

    name: str

    def read(self) -> float:
        """Joules, never decreasing. Raises MachineError if the counter stops answering."""
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
    """Energy of all CPU packages: the sum of the package domains, each followed over its wrap-around.

    A domain counts in µJ up to ``max_energy_range_uj`` and begins again (kernel documentation,
    power/powercap). One wrap between two reads is made good; two cannot be seen, so a window must stay
    below range ÷ power: 65 kJ at 300 W, the worst common case, is 200 s.
    """

    name = "cpu"

    def __init__(self, domains: list[Path]) -> None:
        self._files = [domain / "energy_uj" for domain in domains]
        self._ranges = [_microjoules(domain / "max_energy_range_uj") for domain in domains]
        self._last = [_microjoules(file) for file in self._files]
        self._total = 0

    def read(self) -> float:
        """Joules since construction."""
        for index, file in enumerate(self._files):
            now = _microjoules(file)
            self._total += _advance(self._last[index], now, self._ranges[index])
            self._last[index] = now
        return self._total * 1e-6


def _advance(before: int, now: int, full: int) -> int:
    return now - before if now >= before else now - before + full


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
    top = [path for path in sorted(powercap.glob("intel-rapl:*")) if re.fullmatch(r"intel-rapl:\d+", path.name)]
    return [path for path in top if _domain_name(path).startswith("package")]


def _domain_name(path: Path) -> str:
    try:
        return (path / "name").read_text().strip()
    except OSError:
        return ""


def rapl_counter(powercap: Path = POWERCAP) -> RaplCounter:
    """A counter over this machine's packages. Raises MachineError, with the remedy, where there is none."""
    domains = package_domains(powercap)
    if not domains:
        raise MachineError(
            "no RAPL counters: virtual machines hide them and containers need /sys/class/powercap mounted; "
            "run on bare metal, or 'modprobe intel_rapl_msr' on the host"
        )
    return RaplCounter(domains)


def nvml_counter(nvml: Nvml | None = None, uuid: str | None = None) -> NvmlCounter:
    """A counter over the measured GPU, tried once. Raises MachineError where it does not count (before Volta)."""
    nvml = nvml or connect()
    counter = NvmlCounter(nvml, measured_gpu(nvml, uuid))
    counter.read()
    return counter


def available_counters(
    gpu: bool, *, nvml: Nvml | None = None, uuid: str | None = None, powercap: Path = POWERCAP
) -> tuple[list[EnergyCounter], dict[str, str]]:
    """The counters of this machine, and for each missing one: metric name → reason with its remedy.

    ``gpu`` is whether the Case runs on a GPU; ``uuid`` is that GPU's where CUDA may number otherwise.
    """
    counters: list[EnergyCounter] = []
    reasons: dict[str, str] = {}
    try:
        if not gpu:
            raise MachineError("this Case runs on the CPU: GPU energy is not its own")
        counters.append(nvml_counter(nvml, uuid))
    except MachineError as error:
        reasons |= _reasons("gpu", str(error))
    try:
        counters.append(rapl_counter(powercap))
    except MachineError as error:
        reasons |= _reasons("cpu", str(error))
    return counters, reasons


def _reasons(name: str, reason: str) -> dict[str, str]:
    return {f"energy_{name}": reason, f"idle_energy_{name}": reason}
