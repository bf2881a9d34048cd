"""Peak memory of what runs inside a ``with`` block: resident set, torch's allocator, and the driver's view."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import Metric, metric

from .nvml import Nvml, connect, measured_gpu
from .readings import Readings

_DEVICE_METRICS = ("memory_allocated_peak", "memory_reserved_peak", "memory_device_used")
_PROC = Path("/proc/self")


def resident_peak(proc: Path = _PROC) -> int:
    """Peak resident set in bytes since the process began or the last reset. Raises OSError or ValueError."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", (proc / "status").read_text(), re.MULTILINE)
    if match is None:
        raise ValueError("no VmHWM in /proc/self/status")
    return int(match[1]) * 1024


def reset_resident_peak(proc: Path = _PROC) -> str:
    """Start the peak anew. Returns "" or the reason why not. Source: proc(5), clear_refs, value 5."""
    try:
        (proc / "clear_refs").write_text("5")
    except OSError as error:
        return f"the kernel does not let the peak be reset ({error.strerror or error})"
    return ""


class MemoryWatch:
    """Resets the peaks on entry and reads them on exit; then ``readings()`` gives the metrics.

    ``uuid`` names the GPU where CUDA and NVML may number GPUs differently.
    """

    def __init__(
        self,
        device: str,
        torch_module: Any = None,
        nvml: Nvml | None = None,
        uuid: str | None = None,
        proc: Path = _PROC,
    ) -> None:
        self._device, self._uuid, self._proc = device, uuid, proc
        self._on_gpu = device.startswith("cuda")
        self._torch = import_module("torch") if self._on_gpu and torch_module is None else torch_module
        self._nvml = nvml
        self._metrics: list[Metric] = []
        self._absent: dict[str, str] = {}

    def __enter__(self) -> MemoryWatch:
        self._metrics, self._absent = [], {}
        self._not_reset = reset_resident_peak(self._proc)
        self._peak_before = self._resident()
        if self._on_gpu:
            self._torch.cuda.synchronize(self._device)
            self._torch.cuda.reset_peak_memory_stats(self._device)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return  # asking a device that just failed would hide the error that matters
        self._read_resident()
        if self._on_gpu:
            self._read_device()
        else:
            self._absent.update(dict.fromkeys(_DEVICE_METRICS, "this Case runs on the CPU: see memory_resident_peak"))

    def metrics(self) -> list[Metric]:
        """What was read on exit."""
        return list(self._metrics)

    def not_collected(self) -> dict[str, str]:
        """Metric name → why it was not read."""
        return dict(self._absent)

    def readings(self) -> Readings:
        """Both together."""
        return Readings(tuple(self._metrics), dict(self._absent))

    def peak(self) -> int | None:
        """Bytes at the peak where the model lives: allocated on the device, or resident on a CPU; None if unknown."""
        wanted = "memory_allocated_peak" if self._on_gpu else "memory_resident_peak"
        return next((int(item.values[0]) for item in self._metrics if item.name == wanted), None)

    def _resident(self) -> int | None:
        try:
            return resident_peak(self._proc)
        except (OSError, ValueError) as error:
            self._absent["memory_resident_peak"] = f"/proc/self/status cannot be read ({error})"
            return None

    def _read_resident(self) -> None:
        peak = self._resident()
        if peak is None or self._peak_before is None:
            return
        if self._not_reset and peak == self._peak_before:
            # The old peak still stands, so all that is known is that this block stayed below it.
            self._absent["memory_resident_peak"] = f"{self._not_reset} and it was reached before this block"
            return
        self._metrics.append(metric("memory_resident_peak", peak))

    def _read_device(self) -> None:
        cuda = self._torch.cuda
        cuda.synchronize(self._device)
        self._metrics.append(metric("memory_allocated_peak", cuda.max_memory_allocated(self._device)))
        self._metrics.append(metric("memory_reserved_peak", cuda.max_memory_reserved(self._device)))
        try:
            nvml = self._nvml or connect()
            used = nvml.call("nvmlDeviceGetMemoryInfo", measured_gpu(nvml, self._uuid)).used
        except MachineError as error:
            self._absent["memory_device_used"] = str(error)
            return
        self._metrics.append(metric("memory_device_used", used))
