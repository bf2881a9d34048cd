"""The whole energy pass: rest, work, rest, each with its own samples, and RAPL read every few seconds all the while, so
that no wrap passes unseen; the readings are kept as proof."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any

from bench.record.errors import MachineError
from bench.record.metrics import METRICS
from bench.record.schema import Finding

from .counters import RaplCounter, nvml_counter
from .energy import EnergyCounter, measure_idle, measure_windows
from .gpu import watched
from .nvml import Nvml, connect, measured_gpu
from .readings import Readings
from .sampler import Sampler

_PREFIX = "unused_"


class Reader:
    """Reads ``counter`` every ``counter.period`` seconds from entry to exit of a ``with`` block."""

    def __init__(self, counter: RaplCounter) -> None:
        self._counter, self._stop = counter, threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"bitledger-rapl-{counter.name}", daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def period(self) -> float:
        """Seconds between two readings."""
        return self._counter.period

    def read(self) -> bool:
        """Take one reading; False where the counter is lost: it keeps the reason, and whoever reads it next is told."""
        try:
            self._counter.note()
        except MachineError:
            return False
        except Exception as error:  # the windows must not go on as if somebody were reading
            self._counter.distrust(f"the thread that reads it died ({type(error).__name__}: {error})")
            return False
        return True

    def _run(self) -> None:
        while self.read() and not self._stop.wait(self.period):
            pass


# Idle windows before and after the work: two a side show how the power of a card bends that warms up or cools down.
RESTS = 2
# s of sleep that are none: the two clocks are not read at one moment.
_AWAKE = 0.05

Beside = Callable[[Sampler | Reader], AbstractContextManager[Any]]


def _in_its_thread(thing: Sampler | Reader) -> AbstractContextManager[Any]:
    return thing


def suspended() -> float:
    """s that the machine has slept since it was started, which the windows' clock leaves out; 0 where the system does
    not tell."""
    since_boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(since_boot) - time.monotonic() if since_boot is not None else 0.0


def measure_energy(
    work: Callable[[], int],
    counters: Sequence[EnergyCounter],
    sources: Mapping[str, Callable[[], float]],
    *,
    seconds: float,
    windows: int,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
    beside: Beside = _in_its_thread,
    slept: Callable[[], float] = suspended,
) -> Readings:
    """``windows`` windows of at least ``seconds`` of ``work`` (see ``measure_windows``) between idle ones, which
    together take as long. ``sources``: what is sampled beside them, by metric; the counters are sampled too.
    ``beside``: how samplers and readers run meanwhile (default: each in its thread). ``slept``: as ``suspended``.
    """
    sampled = {**sources, **{f"counter_{counter.name}": counter.read for counter in counters}}
    at_work = Sampler(sampled, clock=clock)
    at_rest = Sampler({name: read for name, read in sampled.items() if f"idle_{name}" in METRICS}, clock=clock)
    rest = seconds * max(windows, RESTS) / (2 * RESTS)
    rapl = [counter for counter in counters if isinstance(counter, RaplCounter)]
    before = slept()
    with ExitStack() as stack:
        for counter in rapl:
            counter.timed_by(clock)
            stack.enter_context(beside(Reader(counter)))
        with beside(at_rest):
            idle = measure_idle(counters, rest, RESTS, clock=clock, sleep=sleep)
        with beside(at_work):
            busy = measure_windows(work, counters, min_seconds=seconds, windows=windows, clock=clock, sleep=sleep)
        with beside(at_rest):
            idle += measure_idle(counters, rest, RESTS, clock=clock, sleep=sleep)
    readings = busy.readings() + idle.readings(busy.began)
    readings += at_work.readings(busy.began) + at_rest.readings(busy.began, "idle_")
    setup = {"counters": {counter.name: counter.setup() for counter in rapl}} if rapl else {}
    return readings + Readings(setup=setup, findings=_suspended(slept() - before))


def _suspended(seconds: float) -> tuple[Finding, ...]:
    if seconds <= _AWAKE:
        return ()
    return (
        Finding(
            "energy-suspended",
            "warning",
            "the machine slept during the energy windows: its counters may have gone on, their time has not",
            f"{seconds:.1f} s",
            "keep it awake (systemd-inhibit, or no suspend on a closed lid), and measure again",
        ),
    )


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
