"""Energy over windows of seconds: repeat the work, read the counters at both edges.

How an edge is placed. The NVML counter moves about every 100 ms, so a read at any moment may be up to
one update old: at 5 s that is ±2 % on the energy of a window. Therefore a window opens when the slowest
counter ticks and closes at the first tick after the work is done. Energy and time then belong to the same
interval, to within the polling step (2 ms). The price is a tail without work of at most one update, kept as
``window_tail_time``: it adds to the gross figure idle power × tail (at most 2 % of 5 s at idle power), and
drops out of the net figure, since energy − idle power × window_time subtracts it.
The sampler may run beside a window; timed runs never have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.record.errors import MachineError, MeasurementError
from bench.record.schema import Finding, Metric, metric

from .counters import EnergyCounter, NvmlCounter, RaplCounter, available_counters
from .readings import Readings

__all__ = [
    "EnergyCounter",
    "EnergyWindows",
    "NvmlCounter",
    "RaplCounter",
    "available_counters",
    "measure_idle",
    "measure_windows",
]

_POLL_SECONDS = 0.002
_TICK_TIMEOUT_SECONDS = 1.0

Clock = Callable[[], float]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class EnergyWindows:
    """One value per window in every tuple. ``energies``: counter name → J. ``began``: the clock at the first
    window's start. ``failures``: counter name → why its energies must not be used."""

    began: float
    times: tuple[float, ...]
    tails: tuple[float, ...]
    energies: Mapping[str, tuple[float, ...]]
    tokens: tuple[int, ...] = ()
    prefix: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def readings(self) -> Readings:
        """As metrics. A counter that failed is in not_collected with its reason."""
        metrics = [self._times(), *self._work()]
        for name, values in self.energies.items():
            if name not in self.failures:
                metrics.append(metric(f"{self.prefix}energy_{name}", values))
        absent = {f"{self.prefix}energy_{name}": reason for name, reason in self.failures.items()}
        return Readings(tuple(metrics), absent, self.findings)

    def _times(self) -> Metric:
        return metric("idle_time" if self.prefix else "window_time", self.times)

    def _work(self) -> list[Metric]:
        if not self.tokens:
            return []
        return [metric("window_tokens", self.tokens), metric("window_tail_time", self.tails)]


def measure_windows(
    work: Callable[[], int],
    counters: Sequence[EnergyCounter],
    *,
    min_seconds: float,
    windows: int,
    clock: Clock = time.perf_counter,
    sleep: Sleep = time.sleep,
) -> EnergyWindows:
    """Energy of ``windows`` windows, in each of which ``work`` is repeated until ``min_seconds`` have passed.

    ``work`` returns the tokens it produced, and only when the device has finished them.
    Raises MeasurementError if a window produced no tokens.
    """

    def repeat(began: float) -> int:
        tokens = work()
        while clock() - began < min_seconds:
            tokens += work()
        if tokens <= 0:
            raise MeasurementError("an energy window produced no tokens: its energy per token means nothing")
        return tokens

    return _measure(repeat, counters, windows, clock, sleep)


def measure_idle(
    counters: Sequence[EnergyCounter],
    seconds: float,
    windows: int,
    *,
    clock: Clock = time.perf_counter,
    sleep: Sleep = time.sleep,
) -> EnergyWindows:
    """Energy of ``windows`` windows of ``seconds`` in which nothing is submitted, in the same process as the work."""

    def rest(_began: float) -> int:
        sleep(seconds)
        return 0

    return _measure(rest, counters, windows, clock, sleep, prefix="idle_")


@dataclass(frozen=True)
class _Window:
    began: float
    seconds: float
    tail: float
    tokens: int
    joules: Mapping[str, float]


def _measure(
    body: Callable[[float], int],
    counters: Sequence[EnergyCounter],
    windows: int,
    clock: Clock,
    sleep: Sleep,
    prefix: str = "",
) -> EnergyWindows:
    if windows < 1:
        raise MeasurementError("at least one energy window is needed")
    edges = _Edges(counters, clock, sleep)
    done = [_window(body, edges, clock) for _ in range(windows)]
    names = [counter.name for counter in counters if counter.name not in edges.failures]
    energies = {name: tuple(window.joules[name] for window in done) for name in names}
    empty = {name: reason for name, values in energies.items() if (reason := _unusable(name, values))}
    return EnergyWindows(
        began=done[0].began,
        times=tuple(window.seconds for window in done),
        tails=tuple(window.tail for window in done),
        energies=energies,
        tokens=() if prefix else tuple(window.tokens for window in done),
        prefix=prefix,
        failures=edges.failures | empty,
        findings=(*edges.findings(), *(_empty_finding(name, energies[name]) for name in empty)),
    )


def _window(body: Callable[[float], int], edges: _Edges, clock: Clock) -> _Window:
    began, before = edges.next()
    tokens = body(began)
    worked = clock()
    ended, after = edges.next()
    joules = {name: after[name] - before[name] for name in after if name in before}
    return _Window(began, ended - began, ended - worked, tokens, joules)


class _Edges:
    """Finds the moments at which the counters tick. A counter that fails is left out from then on."""

    def __init__(self, counters: Sequence[EnergyCounter], clock: Clock, sleep: Sleep) -> None:
        self._counters, self._clock, self._sleep = list(counters), clock, sleep
        self._stuck: set[str] = set()
        self.failures: dict[str, str] = {}

    def next(self) -> tuple[float, dict[str, float]]:
        """Wait until every counter has ticked since now; the clock, and all joules, at the last of the ticks."""
        first = self._read()
        waiting = set(first) - self._stuck
        deadline = self._clock() + _TICK_TIMEOUT_SECONDS
        moment, joules = self._clock(), first
        while waiting and moment < deadline:
            self._sleep(_POLL_SECONDS)
            joules, moment = self._read(), self._clock()
            waiting = {name for name in waiting & set(joules) if joules[name] == first[name]}
        self._stuck |= waiting  # waited for once only: a dead counter must not stretch every window
        return moment, joules

    def _read(self) -> dict[str, float]:
        joules = {}
        for counter in self._counters:
            if counter.name in self.failures:
                continue
            try:
                joules[counter.name] = counter.read()
            except MachineError as error:
                self.failures[counter.name] = f"the counter stopped answering: {error}"
        return joules

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(
                "energy-counter-slow",
                "warning",
                f"the {name} energy counter did not move within {_TICK_TIMEOUT_SECONDS:g} s at a window's edge",
                remedy="use longer windows; the error of a window is the energy of one update of the counter",
            )
            for name in sorted(self._stuck)
        )


def _unusable(name: str, joules: Sequence[float]) -> str:
    if all(value > 0 for value in joules):
        return ""
    return (
        f"the {name} energy counter read no increase in {sum(value <= 0 for value in joules)} of {len(joules)} windows"
    )


def _empty_finding(name: str, joules: Sequence[float]) -> Finding:
    return Finding(
        "energy-counter-zero",
        "warning",
        f"{_unusable(name, joules)}: its energy is not reported",
        evidence="J per window: " + ", ".join(f"{value:g}" for value in joules),
        remedy="use longer windows, and check that the counter belongs to the device that does the work",
    )
