"""Time single calls in bursts: perf_counter on the CPU, event pairs behind a held queue on CUDA.

On CUDA the device is first held by a sleep kernel while the host issues the burst, so that an event pair measures the
device's work and not the host's pauses between launches; the host's own time per call is measured at the same time. A
call that reads back from the device would wait for the sleep, so it is timed with an empty queue instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bench.instruments.timing import made_events

# The floor is a few ticks of the device's clock, so that few pairs show it.
EVENT_PAIRS = 20
NO_EVENTS = "no CUDA events on the CPU"


@dataclass(frozen=True)
class Burst:
    """Seconds per call, in order; ``dispatch`` is the host's time per call, empty where it is not apart."""

    forward: tuple[float, ...]
    dispatch: tuple[float, ...] = ()


class CallTimer(Protocol):
    def burst(self, call: Callable[[], Any], count: int, *, hold: bool) -> Burst:
        """Time ``count`` calls one by one; ``hold``: keep the device busy while the host issues them."""

    def event_overhead(self) -> list[float]:
        """What every time of a held burst contains besides the call; [] where it contains nothing else."""


class CpuTimer:
    """perf_counter around each call."""

    def burst(self, call: Callable[[], Any], count: int, *, hold: bool) -> Burst:  # noqa: ARG002 - protocol
        clock = time.perf_counter
        times = []
        for _ in range(count):
            start = clock()
            call()
            times.append(clock() - start)
        return Burst(tuple(times))

    def event_overhead(self) -> list[float]:
        return []


class CudaTimer:
    """An event pair around each call. ``torch`` is a parameter so that the logic is tested without a GPU.

    ``hold_cycles`` keeps the device busy for about 1 ms per 2 million cycles; issuing 20 calls takes the host under
    4 ms with bitsandbytes' slowest path that does not synchronise.
    """

    def __init__(self, torch: Any, hold_cycles: int = 10_000_000) -> None:
        self._torch = torch
        self._hold_cycles = hold_cycles
        self._events: list[Any] = []

    def burst(self, call: Callable[[], Any], count: int, *, hold: bool) -> Burst:
        cuda = self._torch.cuda
        self._events += made_events(2 * count - len(self._events), self._torch)
        pairs = list(zip(self._events[:count], self._events[count : 2 * count], strict=True))
        dispatch = []
        cuda.synchronize()
        if hold:
            cuda._sleep(self._hold_cycles)
        for before, after in pairs:
            before.record()
            start = time.perf_counter()
            call()
            dispatch.append(time.perf_counter() - start)
            after.record()
        cuda.synchronize()
        forward = tuple(before.elapsed_time(after) / 1e3 for before, after in pairs)
        return Burst(forward, tuple(dispatch))

    def event_overhead(self, count: int = EVENT_PAIRS) -> list[float]:
        """Seconds between two events with nothing between them: the floor of every event time behind a held queue."""
        return list(self.burst(lambda: None, count, hold=True).forward)


def timer_for(device: str) -> CpuTimer | CudaTimer:
    import torch

    return CudaTimer(torch) if device == "cuda" else CpuTimer()
