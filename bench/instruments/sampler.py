"""The device's state over an energy window, sampled from a thread of its own; never beside a timed run.

A sample costs some 0.1 ms of driver calls and takes the interpreter lock for part of it, which would
show in a host-bound decode step. That is why only energy windows have a sampler.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import metric

from .cpu import clock_hz
from .nvml import Nvml
from .readings import Readings

Source = Callable[[], float]
GPU_METRICS = ("gpu_power", "gpu_temperature", "gpu_clock_sm", "gpu_clock_memory", "gpu_throttle_reasons")


def gpu_sources(nvml: Nvml, handle: Any) -> dict[str, Source]:
    """What NVML tells about one GPU in motion: metric name → a function that reads it in SI."""
    module = nvml.module
    return {
        "gpu_power": lambda: nvml.call("nvmlDeviceGetPowerUsage", handle) * 1e-3,
        "gpu_temperature": lambda: nvml.call("nvmlDeviceGetTemperature", handle, module.NVML_TEMPERATURE_GPU),
        "gpu_clock_sm": lambda: nvml.call("nvmlDeviceGetClockInfo", handle, module.NVML_CLOCK_SM) * 1e6,
        "gpu_clock_memory": lambda: nvml.call("nvmlDeviceGetClockInfo", handle, module.NVML_CLOCK_MEM) * 1e6,
        "gpu_throttle_reasons": lambda: throttle_mask(nvml, handle),
    }


def throttle_mask(nvml: Nvml, handle: Any) -> int:
    """NVML's clock event reasons; drivers before R535 know them by the older name. Raises MachineError."""
    try:
        return int(nvml.call("nvmlDeviceGetCurrentClocksEventReasons", handle))
    except MachineError:
        return int(nvml.call("nvmlDeviceGetCurrentClocksThrottleReasons", handle))


def cpu_sources() -> dict[str, Source]:
    """The mean clock of the usable cores."""
    return {"cpu_clock": clock_hz}


class Sampler:
    """Samples all ``sources`` every ``period`` seconds from entry to exit of a ``with`` block.

    A source that fails (MachineError) is left out with its reason: a column must have one value per sample.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        period: float = 0.1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._sources, self._period, self._clock = dict(sources), period, clock
        self._absent: dict[str, str] = {}
        self._times: list[float] = []
        self._columns: dict[str, list[float]] = {name: [] for name in sources}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bitledger-sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.sample()
            if self._stop.wait(self._period):
                return

    def sample(self) -> None:
        """Take one sample of every source that still answers."""
        self._times.append(self._clock())
        for name, source in list(self._sources.items()):
            try:
                self._columns[name].append(float(source()))
            except MachineError as error:
                self._absent[name] = str(error)
                del self._sources[name], self._columns[name]

    def readings(self, began: float | None = None) -> Readings:
        """The samples as metrics. ``began``: the clock's value that is time 0 (default: the first sample);
        give ``EnergyWindows.began``. Call it after the ``with`` block."""
        if not self._columns or not self._times:
            return Readings(not_collected=self._absent | {"sample_time": "nothing could be sampled"})
        origin = self._times[0] if began is None else began
        columns = [metric(name, values) for name, values in self._columns.items()]
        times = metric("sample_time", [moment - origin for moment in self._times])
        return Readings((times, *columns), dict(self._absent), setup={"sample_period_s": self._period})
