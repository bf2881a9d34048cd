"""The device's state over an energy window, sampled from a thread of its own; never beside a timed run.

A sample costs some 0.1 ms of driver calls and takes the interpreter lock for part of it, which would
show in a host-bound decode step. That is why only energy windows have a sampler.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import Finding, metric

from .nvml import Nvml
from .readings import Readings

Source = Callable[[], float]


def gpu_sources(nvml: Nvml, handle: Any) -> dict[str, Source]:
    """What NVML tells about one GPU in motion: metric name → a function that reads it in SI."""
    module = nvml.module
    return {
        "gpu_power": lambda: nvml.call("nvmlDeviceGetPowerUsage", handle) * 1e-3,
        "gpu_temperature": lambda: nvml.call("nvmlDeviceGetTemperature", handle, module.NVML_TEMPERATURE_GPU),
        "gpu_clock_sm": lambda: nvml.call("nvmlDeviceGetClockInfo", handle, module.NVML_CLOCK_SM) * 1e6,
        "gpu_throttle_reasons": lambda: throttle_mask(nvml, handle),
    }


def throttle_mask(nvml: Nvml, handle: Any) -> int:
    """NVML's clock event reasons; drivers before R535 know them by the older name. Raises MachineError."""
    try:
        return int(nvml.call("nvmlDeviceGetCurrentClocksEventReasons", handle))
    except MachineError:
        return int(nvml.call("nvmlDeviceGetCurrentClocksThrottleReasons", handle))


class Sampler:
    """Samples all ``sources`` every ``period`` seconds while in a ``with`` block, which may be entered again.

    A source that fails is left out with its reason: a column must have one value per sample. Where it fails with
    anything but MachineError, or the thread ends early, a finding says so.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        period: float = 0.1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._sources, self._period, self._clock = dict(sources), period, clock
        self._absent: dict[str, str] = {}
        self._findings: list[Finding] = []
        self._times: list[float] = []
        self._columns: dict[str, list[float]] = {name: [] for name in sources}
        self._stop = threading.Event()
        self._thread = threading.Thread()

    def __enter__(self) -> Sampler:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="bitledger-sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                self.sample()
                if self._stop.wait(self._period):
                    return
        except BaseException as error:
            self._findings.append(_died(f"{type(error).__name__}: {error}"))
            raise

    def sample(self) -> None:
        """Take one sample of every source that still answers."""
        moment, row = self._clock(), {}
        for name, source in list(self._sources.items()):
            try:
                row[name] = _finite(source())
            except MachineError as error:
                self._leave_out(name, str(error))
            except Exception as error:  # one broken source must not silently end the others
                why = f"{type(error).__name__}: {error}"
                self._leave_out(name, why)
                self._findings.append(_broken(name, why))
        self._times.append(moment)
        for name, value in row.items():
            self._columns[name].append(value)

    def _leave_out(self, name: str, reason: str) -> None:
        self._absent[name] = reason
        del self._sources[name], self._columns[name]

    def readings(self, began: float | None = None, prefix: str = "") -> Readings:
        """The samples as metrics, their names after ``prefix``. ``began``: the clock's value that is time 0 (default:
        the first sample); give ``EnergyWindows.began``. Call it after the ``with`` block."""
        absent = {f"{prefix}{name}": reason for name, reason in self._absent.items()}
        if not self._columns or not self._times:
            absent[f"{prefix}sample_time"] = "nothing could be sampled"
            return Readings(not_collected=absent, findings=tuple(self._findings))
        origin = self._times[0] if began is None else began
        columns = [metric(f"{prefix}{name}", values) for name, values in self._columns.items()]
        times = metric(f"{prefix}sample_time", [moment - origin for moment in self._times])
        setup = {"sample_period_s": self._period}
        return Readings((times, *columns), absent, tuple(self._findings), setup)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise MachineError(f"it gave {value}, which is no reading")
    return float(value)


def _died(error: str) -> Finding:
    return Finding(
        "energy-sampler-stopped",
        "warning",
        "the thread that samples power, clocks and temperature died during the windows",
        error,
        "joules are the counter's own and stand; whether they are plausible could not be checked: measure again",
    )


def _broken(name: str, error: str) -> Finding:
    return Finding(
        "energy-sample-broken",
        "warning",
        f"{name} could not be sampled: it is left out",
        error,
        "measure again; if it stays so, report it with the driver's version",
    )
