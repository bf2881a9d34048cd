"""The machine a record was made on: what stays (``capture``) and what changes (``state``). Nothing here raises:
a part that cannot be read is left out, with its reason where there is a place for it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import Environment

from . import cpu, gpu, software
from .fitness import during, unfit
from .nvml import Nvml, connect

__all__ = ["capture", "during", "state", "unfit"]

# Remembers the last reading, so that a later state covers all the time between.
_OTHERS = cpu.OthersMeter()


def capture(repository: Path | None = None, nvml: Nvml | None = None) -> Environment:
    """All that does not change during a run. ``before`` and ``after`` are left empty: fill them from ``state``."""
    return Environment(
        hostname=socket.gethostname(),
        os=_os_name(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        cpu=cpu.facts(),
        gpus=_gpus(nvml),
        packages=software.packages(),
        source=software.source(repository),
        variables=software.variables(),
    )


def state(folder: Path = Path(), nvml: Nvml | None = None) -> dict[str, Any]:
    """The machine now: load, memory, clock, temperature, free bytes of ``folder``'s disk, and each GPU.

    "busy_others_cores" is the mean since the last call; the first call of a process sleeps 0.2 s for it.
    Without a GPU "gpus" is empty and "gpus_reason" says why.
    """
    now: dict[str, Any] = {
        "load_average": _load_average(),
        "busy_others_cores": _OTHERS.cores(),
        "cpu_temperature_degc": cpu.temperature_degc(),
        "disk_free_bytes": _disk_free(folder),
        **cpu.memory(),
    }
    now = {name: value for name, value in now.items() if value is not None}
    try:
        now["cpu_clock_hz"] = cpu.clock_hz()
    except MachineError as error:
        now["cpu_clock_reason"] = str(error)
    return now | _gpu_states(nvml)


def _gpus(nvml: Nvml | None) -> tuple[dict[str, Any], ...]:
    try:
        nvml = nvml or connect()
        return tuple(gpu.facts(nvml, handle) for handle in nvml.visible())
    except MachineError:
        return ()  # state() has room for the reason


def _gpu_states(nvml: Nvml | None) -> dict[str, Any]:
    try:
        nvml = nvml or connect()
        gpus = [gpu.state(nvml, handle) for handle in nvml.visible()]
        certain = nvml.order_is_certain()
    except MachineError as error:
        return {"gpus": [], "gpus_reason": str(error)}
    return {"gpus": gpus, "gpu_order_certain": certain} | (
        {} if gpus else {"gpus_reason": "CUDA_VISIBLE_DEVICES leaves no GPU"}
    )


def _load_average() -> list[float] | None:
    try:
        return list(os.getloadavg())
    except OSError:
        return None


def _os_name() -> str:
    try:
        pretty = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        pretty = ""
    return f"{pretty or platform.system()}, kernel {platform.release()}"


def _disk_free(folder: Path) -> int | None:
    # The run folder may not exist yet: its nearest existing parent is on the same disk.
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
