"""Nsight Compute's binary report (``.ncu-rep``) → Counters, with NVIDIA's package ``ncu-report`` (no GPU needed)."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError, RecordError

from .counters import Counters, Launch, from_launches
from .ncu_container import MAGIC, count_results
from .ncu_nvtx import path_of_report
from .ncu_units import base_unit

_DIMENSIONS = ("x", "y", "z")


def looks_like_ncu_report(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read_ncu_report(path: Path) -> Counters:
    """Counters of every result of a report; metrics that are text, or that hold no value, are left out.

    Raises RecordError if the file cannot be read, is truncated or is damaged; MachineError if the package
    ``ncu-report`` is not installed.
    """
    try:
        announced = count_results(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except RecordError as error:
        raise RecordError(f"{path} {error}") from error
    launches = _launches(path)
    if len(launches) < announced:
        raise RecordError(f"{path} is damaged: {len(launches)} of {announced} results can be read; profile again")
    if not launches:
        raise RecordError(f"{path} holds no kernel: check the NVTX and kernel-name filters and profile again")
    return from_launches(launches)


def _launches(path: Path) -> list[Launch]:
    package = _package()
    try:
        with _quiet_stderr():
            actions = [action for part in package.load_report(str(path)) for action in part]
            return [_launch(action, number) for number, action in enumerate(actions)]
    except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        # A damaged string table shows as a metric without a name or as a name without a metric.
        raise RecordError(f"{path} is damaged ({error}): copy the report again, or profile again") from error


def _package() -> Any:
    try:
        return importlib.import_module("ncu_report")
    except (ImportError, OSError) as error:
        raise MachineError(
            f"reading .ncu-rep needs NVIDIA's package ncu-report ({error}): run 'pip install ncu-report', "
            "or export the report with 'ncu -i FILE --csv --page raw --print-units base'"
        ) from error


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """NVIDIA's library logs parse errors to the process's stderr; the user gets our one line instead."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as sink:  # noqa: PTH123 (os.devnull is not a path of the file system)
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _launch(action: Any, number: int) -> Launch:
    name = action.name(action.NameBase_DEMANGLED)
    if not name:
        # The library leaves a result that it cannot parse empty, and goes on.
        raise ValueError("a result has no kernel name")
    launch = Launch(
        kernel=str(name),
        launch_id=number,
        block=_dimensions(action, "block"),
        grid=_dimensions(action, "grid"),
        nvtx=path_of_report(action.nvtx_state()),
    )
    for name in action.metric_names():
        metric = action.metric_by_name(name)
        value = metric.value() if metric.has_value() else None
        if isinstance(value, int | float) and math.isfinite(value):
            unit, multiply, divide = base_unit(metric.unit())
            launch.metrics[str(name)] = (value * multiply / divide, unit)
    return launch


def _dimensions(action: Any, what: str) -> tuple[int, int, int]:
    metrics = [action.metric_by_name(f"launch__{what}_dim_{axis}") for axis in _DIMENSIONS]
    x, y, z = (-1 if metric is None else int(metric.value()) for metric in metrics)
    return x, y, z
