"""What the card draws while this process does not use it: before a CUDA context exists, its clocks down.

Another baseline than idle windows, which lie within a process that holds a context and keeps the clocks up (on an H100
72 W against 119 to 125 W). Which one a process "adds" to depends on whether the card would otherwise be held.
"""

from __future__ import annotations

from bench.record.errors import MachineError
from bench.record.metrics import METRICS

from .counters import nvml_counter
from .energy import measure_idle
from .gpu import watched
from .nvml import Nvml, connect, measured_gpu
from .readings import Readings
from .sampler import Sampler

_PREFIX = "unused_"


def measure_unused(seconds: float = 1.0, nvml: Nvml | None = None) -> Readings:
    """One window of at least ``seconds`` with samples; where it cannot be had, the reason. Call it before anything of
    this process creates a CUDA context."""
    try:
        nvml = nvml or connect()
        if not nvml.order_is_certain():
            raise MachineError("this host has unlike GPUs, and which of them CUDA means is known to CUDA only")
        counter, handle = nvml_counter(nvml), measured_gpu(nvml)
    except MachineError as error:
        return Readings(not_collected={f"{_PREFIX}energy_gpu": str(error)})
    sampler = Sampler({name: read for name, read in watched(nvml, handle).items() if f"{_PREFIX}{name}" in METRICS})
    with sampler:
        window = measure_idle([counter], seconds, 1, prefix=_PREFIX)
    return window.readings() + sampler.readings(window.began, _PREFIX)
