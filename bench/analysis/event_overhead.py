"""What a pair of CUDA events costs by itself, taken off the times of which it is a part.

Between two events with nothing in between some time passes on the device (1.25 µs on an H100): the floor of every event
time, and a seventh of a small product's. It is measured in every process that times products behind a held queue, with
the same queue, and Records keep raw times and floor apart. Records from before a product's process measured it are
corrected by the floor that the run's ceilings hold. Where a call synchronises the queue is empty, the floor was not
measured like that, and nothing is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from bench.record.schema import Record, metric

from .once import once

OVERHEAD = "event_overhead"
KEPT_FULL = "kept full"
# Where the floor that was taken off stands in the corrected Record's setup, in s.
TAKEN_OFF = "event_overhead_taken_off"
_TIMES = {"matmul": ("forward_time",), "ceiling": ("copy_time", "gemm_time")}


def less_overhead(records: Sequence[Record]) -> tuple[Record, ...]:
    """The Records with event times less their floor; those that it does not concern, or did before, as they are.

    Where a time would not stay above 0 nothing is taken off: the floor cannot be that process's.
    """
    floors = _floors(records)
    return tuple(
        _corrected(record, floors.get(_run_and_device(record), 0.0)) if record.instrument in _TIMES else record
        for record in records
    )


def _floors(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """(run, device) → the median floor of its ceilings."""
    found: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if record.instrument == "ceiling" and record.status == "ok":
            found.setdefault(_run_and_device(record), []).extend(record.values(OVERHEAD))
    return {where: float(np.median(values)) for where, values in found.items() if values}


def _run_and_device(record: Record) -> tuple[str, str]:
    return (f"{record.run_id} on {record.environment.hostname}", record.case.device)


@once
def _corrected(record: Record, of_run: float) -> Record:
    """``of_run``: s, the floor that its run's ceilings hold."""
    names = _TIMES[record.instrument]
    if record.status != "ok" or TAKEN_OFF in record.setup or not _behind_a_held_queue(record):
        return record
    own = record.values(OVERHEAD)
    floor = float(np.median(own)) if own else of_run
    times = [value for name in names for value in record.values(name)]
    if floor <= 0.0 or not times or min(times) <= floor:
        return record
    metrics = tuple(
        metric(item.name, [value - floor for value in item.values]) if item.name in names else item
        for item in record.metrics
    )
    return replace(record, metrics=metrics, setup={**record.setup, TAKEN_OFF: floor})


def _behind_a_held_queue(record: Record) -> bool:
    return record.instrument == "ceiling" or record.setup.get("queue") == KEPT_FULL
