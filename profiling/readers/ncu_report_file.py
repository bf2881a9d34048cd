"""Nsight Compute's binary report (``.ncu-rep``) → Counters, with NVIDIA's package ``ncu-report`` (no GPU needed)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError, RecordError

from .counters import Counters, Launch, from_launches
from .ncu_container import MAGIC, count_results
from .ncu_nvtx import path as nvtx_path
from .ncu_report_worker import DAMAGED, NOT_LOADED
from .ncu_units import base_unit

# No counter is that large, and sums of what is larger would be no numbers.
_LARGEST = 1e100
# A report of a thousand launches is read in some 30 s.
_LONGEST_S = 600

Results = Iterable[Mapping[str, Any]]


def looks_like_ncu_report(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read_ncu_report(path: Path, results: Callable[[Path], Results] | None = None) -> Counters:
    """Counters of every result of a report; metrics that are text, or that hold no value, are left out.

    ``results``: reads a report as ncu_report_worker does (None: a process of its own). Raises RecordError if the file
    cannot be read, is truncated or is damaged; MachineError if the package ``ncu-report`` is not installed.
    """
    try:
        announced = count_results(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except RecordError as error:
        raise RecordError(f"{path} {error}") from error
    try:
        launches = [_launch(result, number) for number, result in enumerate((results or _in_a_process)(path))]
    except ValueError as error:
        raise RecordError(f"{path} is damaged ({error}): copy the report again, or profile again") from error
    if len(launches) < announced:
        raise RecordError(f"{path} is damaged: {len(launches)} of {announced} results can be read; profile again")
    if not launches:
        raise RecordError(f"{path} holds no kernel: check the NVTX and kernel-name filters and profile again")
    return from_launches(launches)


def _in_a_process(path: Path) -> Results:
    """Raises ValueError where the report is damaged, MachineError where the package is missing."""
    # -P: beside the script are modules that must not be taken for other packages'.
    command = [sys.executable, "-P", str(Path(__file__).with_name("ncu_report_worker.py")), str(path.resolve())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        raise ValueError(f"NVIDIA's library did not end within {_LONGEST_S} s") from None
    said = done.stderr.decode("utf-8", "replace").rpartition("\n")[2].strip()
    if done.returncode == NOT_LOADED:
        raise MachineError(
            f"{path}: reading .ncu-rep needs NVIDIA's package ncu-report ({said}): run 'pip install ncu-report', "
            "or export the report with 'ncu -i FILE --csv --page raw --print-units base'"
        )
    if done.returncode:
        raise ValueError(said if done.returncode == DAMAGED else "NVIDIA's library broke down on it")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _launch(result: Mapping[str, Any], number: int) -> Launch:
    if not result["kernel"]:
        # The library leaves a result that it cannot parse empty, and goes on.
        raise ValueError("a result has no kernel name")
    launch = Launch(
        kernel=result["kernel"],
        launch_id=number,
        block=_sizes(result["block"]),
        grid=_sizes(result["grid"]),
        nvtx=nvtx_path({domain: list(names) for domain, names in result["nvtx"]}),
    )
    for name, (value, unit) in result["metrics"].items():
        # Not a number is not less than it.
        if abs(value) < _LARGEST:
            base, multiply, divide = base_unit(unit)
            launch.metrics[name] = (value * multiply / divide, base)
    return launch


def _sizes(values: Iterable[float | None]) -> tuple[int, int, int]:
    """Threads or blocks per dimension, -1 if unknown. CUDA counts them in 32 bits."""
    x, y, z = (-1.0 if value is None else value for value in values)
    if not all(-1 <= size < 2**32 for size in (x, y, z)):
        raise ValueError("an impossible size of a block or grid")
    return int(x), int(y), int(z)
