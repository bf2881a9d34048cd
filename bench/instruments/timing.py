"""Time on a device: CUDA events on a GPU, ``perf_counter`` on a CPU, behind one interface; and when to stop sampling.

CUDA calls return before the device has done the work, so a host clock around them times the host.
Events are stamped by the device in stream order; ``mark()`` only enqueues one. torch is passed in or
imported when a CUDA device is first asked for, so that this module imports without it.

Single calls are timed in bursts. On CUDA the device is first held by a sleep kernel while the host issues the burst, so
that an event pair measures the device's work and not the host's pauses between launches; the host's own time per call
is measured at the same time. A call that reads back from the device would wait for the sleep, so it is timed with an
empty queue instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any, Protocol

from bench.record.errors import MeasurementError

# The floor is a few ticks of the device's clock, so that few pairs show it.
EVENT_PAIRS = 20
NO_EVENTS = "no CUDA events on the CPU"


class _Marks(Protocol):
    def mark(self) -> None: ...
    def gaps(self) -> list[float]: ...
    def count(self) -> int: ...
    def reset(self) -> None: ...


class Stamps:
    """Marks in time on ``device`` ("cpu", "cuda", "cuda:1"), at most ``capacity`` of them until ``reset``.

    ``mark`` is bound to the device's own method at construction, because it runs once per decode step
    and a layer of dispatch would be paid inside the timed region.
    """

    mark: Callable[[], None]

    def __init__(self, device: str, capacity: int, torch_module: Any = None) -> None:
        self.capacity = capacity
        on_gpu = device.startswith("cuda")
        self._marks: _Marks = _CudaMarks(device, capacity, _torch(torch_module)) if on_gpu else _HostMarks()
        self.mark = self._marks.mark

    def seconds(self) -> list[float]:
        """Offset of each mark from the first, in seconds, after waiting for the device.

        Raises MeasurementError if there were more marks than ``capacity``.
        """
        count = self._marks.count()
        if count > self.capacity:
            raise MeasurementError(f"{count} time stamps were taken but only {self.capacity} were planned")
        return list(accumulate(self._marks.gaps(), initial=0.0)) if count else []

    def intervals(self) -> list[float]:
        """Seconds between successive marks, one fewer than the marks. Raises as ``seconds`` does."""
        return [after - before for before, after in pairwise(self.seconds())]

    def reset(self) -> None:
        """Forget all marks; events are used again."""
        self._marks.reset()


class _HostMarks:
    def __init__(self) -> None:
        self._stamps: list[int] = []

    def mark(self) -> None:
        self._stamps.append(time.perf_counter_ns())

    def gaps(self) -> list[float]:
        return [(after - before) * 1e-9 for before, after in pairwise(self._stamps)]

    def count(self) -> int:
        return len(self._stamps)

    def reset(self) -> None:
        self._stamps.clear()


def made_events(count: int, torch: Any) -> list[Any]:
    """CUDA timing events that exist: torch creates an event when it is first recorded, so each is recorded once here,
    before any timed region."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(count)]
    for event in events:
        event.record()
    return events


class _CudaMarks:
    """Events made in advance: inside the timed region they are only recorded."""

    def __init__(self, device: str, capacity: int, torch: Any) -> None:
        self._torch, self._device, self._used = torch, device, 0
        self._events = made_events(capacity, torch)
        torch.cuda.synchronize(device)

    def mark(self) -> None:
        # A mark too many is counted and reported by Stamps.seconds(): raising here would break the run.
        if self._used < len(self._events):
            self._events[self._used].record()
        self._used += 1

    def gaps(self) -> list[float]:
        # elapsed_time is a 32-bit float in ms: exact enough between neighbours, not over a long run.
        self._torch.cuda.synchronize(self._device)
        used = self._events[: self._used]
        return [before.elapsed_time(after) * 1e-3 for before, after in pairwise(used)]

    def count(self) -> int:
        return self._used

    def reset(self) -> None:
        self._used = 0


class DeviceClock:
    """Wall time that includes the device's work: the device is synchronised before the clock is read."""

    def __init__(self, device: str, torch_module: Any = None) -> None:
        self.device = device
        self._torch = torch_module

    def synchronize(self) -> None:
        """Wait until the device has done all that was submitted. Does nothing on a CPU."""
        synchronize(self.device, self._torch)

    def now(self) -> float:
        """Seconds of ``perf_counter`` once the device is idle."""
        self.synchronize()
        return time.perf_counter()

    def stamps(self, capacity: int) -> Stamps:
        """Stamps for this device."""
        return Stamps(self.device, capacity, self._torch)


def synchronize(device: str, torch_module: Any = None) -> None:
    """Wait until ``device`` has done all that was submitted to it. Does nothing on a CPU."""
    if device.startswith("cuda"):
        _torch(torch_module).cuda.synchronize(device)


def _torch(module: Any) -> Any:
    return import_module("torch") if module is None else module


class RunningNoise:
    """Mean and variance in one pass.

    Source: B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
    Technometrics 4 (1962). It does not cancel where the spread is small beside the mean, as timings are.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        """Take in one sample."""
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self._squares += distance * (value - self.mean)

    def relative_standard_error(self) -> float:
        """Standard error of the mean over the mean: s / (|mean| · √count), s with count − 1 in its divisor.

        Infinite below two samples or at a mean of zero, where it says nothing yet.
        """
        if self.count < 2 or self.mean == 0.0:
            return math.inf
        deviation = math.sqrt(max(self._squares, 0.0) / (self.count - 1))
        return deviation / (abs(self.mean) * math.sqrt(self.count))

    def quiet(self, target: float = 0.005, min_samples: int = 10) -> bool:
        """Whether there are enough samples and their relative standard error is at most ``target``."""
        return self.count >= min_samples and self.relative_standard_error() <= target


@dataclass(frozen=True)
class Burst:
    """Seconds per call, in order; ``dispatch`` is the host's time per call, empty where it is not apart."""

    forward: tuple[float, ...]
    dispatch: tuple[float, ...] = ()


class CallTimer(Protocol):
    """Times calls of one device."""

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
