"""Was a Record made on a machine that was busy with other work, or whose clocks were held back, or with a pause?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.record.schema import Record

# Codes of bench/instruments/fitness.py.
_BUSY, _HELD = frozenset(("cpu-busy", "gpu-in-use")), frozenset(("gpu-throttled", "gpu-hot"))
# Code of bench/run/child.py.
_PAUSED = frozenset(("process-stopped",))
# A quarter of the cores, as in fitness.
_BUSY_SHARE = 0.25
# NVML's reasons that are no complaint: nothing to do, and clocks that somebody set (nvml.h).
HARMLESS = frozenset(("gpu_idle", "applications_clocks_setting", "display_clock_setting"))


def busy(record: Record) -> bool:
    """Other processes kept a quarter of the cores busy, or were on the GPU."""
    cores = record.environment.cpu.get("usable_cores") or 1
    others = any((state.get("busy_others_cores") or 0.0) > _BUSY_SHARE * cores for state in _states(record))
    return others or any(gpu.get("other_processes") for gpu in _gpus(record)) or _has_finding(record, _BUSY)


def held_back(record: Record) -> bool:
    """The GPU gave a reason for lower clocks, or was about to."""
    return any(set(gpu.get("throttle_reasons") or ()) - HARMLESS for gpu in _gpus(record)) or _has_finding(
        record, _HELD
    )


def paused(record: Record) -> bool:
    """The measuring process was stopped, and went on."""
    return _has_finding(record, _PAUSED)


def _has_finding(record: Record, codes: frozenset[str]) -> bool:
    return any(finding.code in codes for finding in record.findings)


def _states(record: Record) -> Iterator[Mapping[str, Any]]:
    yield from (record.environment.before, record.environment.after)


def _gpus(record: Record) -> Iterator[Mapping[str, Any]]:
    """The states of the GPUs that the Record used."""
    if record.case.device == "cpu":
        return
    for state in _states(record):
        found = state.get("gpus")
        yield from (gpu for gpu in found or () if isinstance(gpu, Mapping))
