"""The normal form of hardware counters: one row per kernel launch, one column per metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.record.errors import RecordError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# The first of these that a launch has is its duration; the last is the label of ncu's details page.
DURATIONS = ("gpu__time_duration.sum", "gpu__time_duration.avg", "gpu__time_duration.max", "Duration")


_SPARSE, _SMALL_TABLE = 16, 1 << 20


@dataclass(frozen=True)
class CounterColumn:
    """One metric over all launches, in an SI base unit; NaN where a launch does not have it."""

    unit: str
    values: Floats


@dataclass(frozen=True)
class Counters:
    """Counters of n launches in the order of the file.

    ``kernels`` (n): demangled names. ``launch_id``, ``process_id`` (n): as ncu numbers them, -1 if unknown.
    ``block``, ``grid`` (n × 3): threads and blocks per dimension, -1 if unknown. ``nvtx`` (n): the path of
    push/pop ranges around the launch, "domain:outer/inner", or "". ``warnings``: what a reader should know.
    """

    kernels: tuple[str, ...]
    launch_id: Integers
    process_id: Integers
    block: Integers
    grid: Integers
    nvtx: tuple[str, ...]
    metrics: Mapping[str, CounterColumn]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.kernels)

    def values(self, name: str) -> Floats:
        """The column of a metric, all NaN where it was not collected."""
        column = self.metrics.get(name)
        return np.full(len(self), np.nan) if column is None else column.values

    def duration(self) -> Floats:
        """Seconds per launch, NaN where not collected."""
        result = np.full(len(self), np.nan)
        for name in DURATIONS:
            column = self.metrics.get(name)
            if column is not None and column.unit == "s":
                result = np.where(np.isnan(result), column.values, result)
        return result


@dataclass(slots=True)
class Launch:
    """One launch while a file is being read. ``metrics``: name → (value, SI unit)."""

    kernel: str
    launch_id: int = -1
    process_id: int = -1
    block: tuple[int, int, int] = (-1, -1, -1)
    grid: tuple[int, int, int] = (-1, -1, -1)
    nvtx: str = ""
    metrics: dict[str, tuple[float, str]] = field(default_factory=dict)


class Columns:
    """Columns of ``launches`` launches under construction."""

    def __init__(self, launches: int) -> None:
        self.found: dict[str, CounterColumn] = {}
        self._launches, self._values = launches, 0

    def put(self, launch: int, metric: str, value: float, unit: str) -> float:
        """The first value of a metric stays (the details page repeats some) and is given back; with another unit it is
        another quantity.

        Raises RecordError where the launches have hardly a metric in common.
        """
        column = self.found.get(metric)
        if column is not None and column.unit != unit:
            metric = f"{metric} [{unit}]"
            column = self.found.get(metric)
        if column is None:
            column = self.found[metric] = self._new(unit)
        if np.isnan(column.values[launch]):
            column.values[launch] = value
            self._values += 1
        return float(column.values[launch])

    def _new(self, unit: str) -> CounterColumn:
        # A table of every metric and launch must not be much larger than what there is to put into it.
        if (len(self.found) + 1) * self._launches > _SPARSE * self._values + _SMALL_TABLE:
            raise RecordError("its launches have hardly a metric in common: damaged, or no output of ncu")
        return CounterColumn(unit, np.full(self._launches, np.nan))


def from_launches(launches: Sequence[Launch], warnings: Iterable[str] = ()) -> Counters:
    """Columns from launches. A metric whose unit differs between launches becomes one column per unit.

    Raises RecordError where the launches have hardly a metric in common.
    """
    columns = Columns(len(launches))
    for row, launch in enumerate(launches):
        for name, (value, unit) in launch.metrics.items():
            columns.put(row, name, value, unit)
    return counters_of(launches, columns.found, warnings)


def counters_of(
    launches: Sequence[Launch], columns: Mapping[str, CounterColumn], warnings: Iterable[str] = ()
) -> Counters:
    """Counters of launches whose metrics are columns already."""
    return Counters(
        kernels=tuple(launch.kernel for launch in launches),
        launch_id=np.array([launch.launch_id for launch in launches], dtype=np.int64),
        process_id=np.array([launch.process_id for launch in launches], dtype=np.int64),
        block=np.array([launch.block for launch in launches], dtype=np.int64).reshape(-1, 3),
        grid=np.array([launch.grid for launch in launches], dtype=np.int64).reshape(-1, 3),
        nvtx=tuple(launch.nvtx for launch in launches),
        metrics=columns,
        warnings=tuple(dict.fromkeys(warnings)),
    )
