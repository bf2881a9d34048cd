"""The doctor: what this machine can measure, and how to get what is missing. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import gpu, host, profilers
from .check import Check, Machine

__all__ = ["Check", "Machine", "diagnose"]

ORDER: tuple[Callable[[Machine], Check], ...] = (
    host.cores,
    host.memory,
    gpu.driver,
    gpu.torch_build,
    gpu.bitsandbytes_build,
    gpu.energy_counter,
    host.rapl,
    gpu.nvidia_smi,
    host.codecarbon,
    profilers.counters,
    profilers.ncu,
    profilers.nsys,
    profilers.nvtx,
    profilers.py_spy,
    host.hub,
)


def diagnose(reports_folder: Path, machine: Machine | None = None) -> tuple[Check, ...]:
    """All checks in reading order, side by side: programs and the hub take most of a second each, and none needs
    another's answer. Takes a few seconds at most; never raises for what a machine lacks."""
    asked = machine or Machine()
    checks = [partial(check, asked) for check in ORDER] + [partial(host.disk, reports_folder)]
    with ThreadPoolExecutor() as pool:
        return tuple(pool.map(_safely, checks))


def _safely(check: partial[Check]) -> Check:
    """A check that breaks must not hide the others: its error is shown in its place."""
    try:
        return check()
    except Exception as error:
        name = check.func.__name__.replace("_", " ")
        return Check(name, "limited", f"the check failed ({type(error).__name__}: {error})", "please report this")
