"""What NVML tells about a GPU: what does not change (``facts``) and how it is now (``state``), in JSON types."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench.record.errors import MachineError

from .nvml import Nvml
from .sampler import gpu_sources

# Bits of NVML's clock event reasons (nvml.h, nvmlClocksEventReason*). IDLE and CLOCK_SETTING are no complaint.
REASONS = {
    0x001: "gpu_idle",
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
THERMAL = 0x020 | 0x040
HARDWARE = 0x008 | 0x080
POWER_CAP = 0x004

Reader = Callable[[], Any]


def decode_reasons(mask: int) -> list[str]:
    """The names of the bits set in ``mask``; a bit unknown here as its hexadecimal value."""
    bits = [1 << place for place in range(mask.bit_length()) if mask >> place & 1]
    return [REASONS.get(bit, f"0x{bit:x}") for bit in bits]


def facts(nvml: Nvml, handle: Any) -> dict[str, Any]:
    """Name, driver, memory, limits, clocks and modes of one GPU. What the driver does not give is named with
    its reason under "not_available"."""
    module, call = nvml.module, nvml.call
    return _collect(
        {
            "index": lambda: call("nvmlDeviceGetIndex", handle),
            "name": lambda: call("nvmlDeviceGetName", handle),
            "uuid": lambda: nvml.uuid(handle),
            "driver": lambda: call("nvmlSystemGetDriverVersion"),
            "cuda_driver": lambda: _cuda_version(call("nvmlSystemGetCudaDriverVersion")),
            "compute_capability": lambda: ".".join(map(str, call("nvmlDeviceGetCudaComputeCapability", handle))),
            "memory_bytes": lambda: int(call("nvmlDeviceGetMemoryInfo", handle).total),
            "power_limit_w": lambda: call("nvmlDeviceGetEnforcedPowerLimit", handle) / 1e3,
            "power_limit_default_w": lambda: call("nvmlDeviceGetPowerManagementDefaultLimit", handle) / 1e3,
            "clock_sm_default_hz": lambda: _default_clock(nvml, handle, module.NVML_CLOCK_SM),
            "clock_sm_max_hz": lambda: call("nvmlDeviceGetMaxClockInfo", handle, module.NVML_CLOCK_SM) * 1e6,
            "clock_memory_default_hz": lambda: _default_clock(nvml, handle, module.NVML_CLOCK_MEM),
            "clock_memory_max_hz": lambda: call("nvmlDeviceGetMaxClockInfo", handle, module.NVML_CLOCK_MEM) * 1e6,
            "temperature_slowdown_degc": lambda: call(
                "nvmlDeviceGetTemperatureThreshold", handle, module.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
            ),
            "ecc": lambda: bool(call("nvmlDeviceGetEccMode", handle)[0]),
            "mig": lambda: bool(call("nvmlDeviceGetMigMode", handle)[0]),
            "persistence": lambda: bool(call("nvmlDeviceGetPersistenceMode", handle)),
            "pcie_generation_max": lambda: call("nvmlDeviceGetMaxPcieLinkGeneration", handle),
            "pcie_width_max": lambda: call("nvmlDeviceGetMaxPcieLinkWidth", handle),
        }
    )


def state(nvml: Nvml, handle: Any) -> dict[str, Any]:
    """Temperature, clocks, power, clock event reasons, load, memory and other processes of one GPU, now."""
    now = gpu_sources(nvml, handle)
    readers: dict[str, Reader] = {
        "index": lambda: nvml.call("nvmlDeviceGetIndex", handle),
        "temperature_degc": now["gpu_temperature"],
        "clock_sm_hz": now["gpu_clock_sm"],
        "clock_memory_hz": lambda: nvml.call("nvmlDeviceGetClockInfo", handle, nvml.module.NVML_CLOCK_MEM) * 1e6,
        "power_w": now["gpu_power"],
        "throttle_mask": lambda: int(now["gpu_throttle_reasons"]()),
        "utilisation": lambda: nvml.call("nvmlDeviceGetUtilizationRates", handle).gpu / 100,
        "memory_used_bytes": lambda: int(nvml.call("nvmlDeviceGetMemoryInfo", handle).used),
        "pcie_generation": lambda: nvml.call("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        "pcie_width": lambda: nvml.call("nvmlDeviceGetCurrPcieLinkWidth", handle),
        "other_processes": lambda: _other_processes(nvml, handle),
    }
    values = _collect(readers)
    if "throttle_mask" in values:
        values["throttle_reasons"] = decode_reasons(values["throttle_mask"])
    return values


def watched(nvml: Nvml, handle: Any) -> dict[str, Reader]:
    """What is sampled beside energy windows: the GPU's state, the power limit in force, and who else computes on it."""
    return {
        **gpu_sources(nvml, handle),
        "gpu_power_limit": lambda: nvml.call("nvmlDeviceGetEnforcedPowerLimit", handle) * 1e-3,
        "gpu_other_processes": lambda: _other_processes(nvml, handle),
    }


def _collect(readers: Mapping[str, Reader]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    absent = {}
    for name, read in readers.items():
        try:
            values[name] = read()
        except MachineError as error:
            absent[name] = str(error)
    return values | ({"not_available": absent} if absent else {})


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _default_clock(nvml: Nvml, handle: Any, kind: int) -> float:
    return float(nvml.call("nvmlDeviceGetDefaultApplicationsClock", handle, kind) * 1e6)


def _other_processes(nvml: Nvml, handle: Any) -> int:
    """Compute processes on the GPU that are not this one."""
    pids = [process.pid for process in nvml.call("nvmlDeviceGetComputeRunningProcesses", handle)]
    others = [pid for pid in pids if pid != os.getpid()]
    # In a container NVML gives the host's process ids, so our own entry cannot be known by its id.
    hidden = len(others) == len(pids) and _holds_cuda_context()
    return max(0, len(others) - hidden)


def _holds_cuda_context() -> bool:
    torch = sys.modules.get("torch")
    return bool(torch is not None and torch.cuda.is_initialized())
