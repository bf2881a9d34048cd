"""Energy over windows of seconds: repeat the work, read the counters at both edges.

How an edge is placed. The NVML counter moves about every 100 ms, so a read at any moment may be up to
one update old: at 5 s that is ±2 % on the energy of a window. Therefore a window opens when the slowest
counter ticks and closes at the first tick after the work is done. Energy and time then belong to the same
interval, to within the polling step (2 ms): for each counter alone, that between its own two ticks
(``edge_time_<counter>``). The price is a tail without work of at most one update; the work's own begin and
end are kept, so that idle power × tail can be taken off. A counter that fails is left out from then on.
Idle windows lie before and after the work. The samplers may run beside windows; timed runs never have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.record.errors import MachineError, MeasurementError
from bench.record.schema import Finding, Metric, metric

from .counters import EnergyCounter, NvmlCounter, RaplCounter, available_counters
from .readings import Readings

_POLL_SECONDS = 0.002
# Longer than the slowest counter known (1.5 s); one that does not move for so long is not waited for again.
_TICK_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Edge:
    """A tick of one counter: the clock when it was seen, and what the counter then showed, J."""

    moment: float
    joules: float


class Edges:
    """Finds the moments at which all of ``counters`` tick, and follows them: one that steps backwards has failed."""

    def __init__(
        self, counters: Sequence[EnergyCounter], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._counters, self._clock, self._sleep = list(counters), clock, sleep
        self._stuck: set[str] = set()
        self._last: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        for counter in counters:
            timed_by = getattr(counter, "timed_by", None)
            if timed_by is not None:
                timed_by(clock)

    def next(self) -> tuple[float, Mapping[str, Edge]]:
        """Wait until every counter has ticked since now; the clock at the last of the ticks, and each one's last tick.

        A counter that is stuck has what it shows then instead.
        """
        shown = self._read()
        waiting = set(shown) - self._stuck
        moment = self._clock()
        deadline, ticks = moment + _TICK_TIMEOUT_SECONDS, dict[str, Edge]()
        while waiting and moment < deadline:
            self._sleep(_POLL_SECONDS)
            now, moment = self._read(), self._clock()
            ticks |= {name: Edge(moment, joules) for name, joules in now.items() if joules != shown[name]}
            shown = now
            waiting = {name for name in waiting & set(now) if name not in ticks}
        self._stuck |= waiting  # waited for once only: a dead counter must not stretch every window
        return moment, {name: ticks.get(name, Edge(moment, joules)) for name, joules in shown.items()}

    def _read(self) -> dict[str, float]:
        for counter in self._counters:
            if counter.name not in self.failures:
                self._read_one(counter)
        return {name: joules for name, joules in self._last.items() if name not in self.failures}

    def _read_one(self, counter: EnergyCounter) -> None:
        name = counter.name
        try:
            joules = counter.read()
        except MachineError as error:
            self.failures[name] = f"the counter stopped answering, or cannot be believed: {error}"
            return
        before = self._last.get(name, joules)
        if joules < before:
            self.failures[name] = f"the {name} energy counter stepped backwards, from {before:.6g} J to {joules:.6g} J"
        self._last[name] = joules

    def findings(self) -> tuple[Finding, ...]:
        """What is odd about the counters, as seen from the edges, and what the counters say of themselves."""
        slow = [self._slow(name) for name in sorted(self._stuck - set(self.failures))]
        own = [one for counter in self._counters for one in getattr(counter, "findings", tuple)()]
        return (*slow, *(self._refused(name) for name in sorted(self.failures)), *own)

    def _slow(self, name: str) -> Finding:
        return Finding(
            "energy-counter-slow",
            "warning",
            f"the {name} energy counter did not move within {_TICK_TIMEOUT_SECONDS:g} s at a window's edge",
            remedy="use longer windows; the error of a window is the energy of one update of the counter",
        )

    def _refused(self, name: str) -> Finding:
        return Finding(
            "energy-counter-refused",
            "warning",
            f"the {name} energy counter failed during the windows: its energy is not reported",
            evidence=self.failures[name],
            remedy="look for a reset of the device or its driver (dmesg), or for what kept the counter from being read",
        )


__all__ = [
    "EnergyCounter",
    "EnergyWindows",
    "NvmlCounter",
    "RaplCounter",
    "available_counters",
    "measure_idle",
    "measure_windows",
]

Clock = Callable[[], float]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class EnergyWindows:
    """One value per window in every tuple. ``energies``: counter name → J, () where it failed. ``began``: the clock
    at the first window's start. ``work``: the clock when the work of each window began and when it ended. ``edges``:
    counter name → the ticks that opened and that closed each window. ``failures``: counter name → why its energies
    must not be used.
    ``prefix``: "", or "idle_" or "unused_" for windows without work."""

    began: float
    times: tuple[float, ...]
    tails: tuple[float, ...]
    energies: Mapping[str, tuple[float, ...]]
    tokens: tuple[int, ...] = ()
    prefix: str = ""
    failures: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    work: tuple[tuple[float, float], ...] = ()
    edges: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)

    def __add__(self, later: EnergyWindows) -> EnergyWindows:
        """These and ``later`` ones of the same kind; a counter that failed in either is used in neither."""
        failures = {**later.failures, **self.failures}
        both = [name for name in self.edges if name in later.edges]
        return EnergyWindows(
            self.began,
            self.times + later.times,
            self.tails + later.tails,
            {name: (*self.energies[name], *later.energies[name]) for name in both},
            self.tokens + later.tokens,
            self.prefix,
            failures,
            tuple(dict.fromkeys(self.findings + later.findings)),
            self.work + later.work,
            {name: (*self.edges[name], *later.edges[name]) for name in both},
        )

    def readings(self, origin: float | None = None) -> Readings:
        """As metrics. ``origin``: the clock's value that is time 0 (default: ``began``). A counter that failed is in
        not_collected with its reason."""
        zero = self.began if origin is None else origin
        metrics = [metric("window_time" if not self.prefix else f"{self.prefix}time", self.times), *self._work(zero)]
        for name, values in self.energies.items():
            if name not in self.failures:
                metrics.append(metric(f"{self.prefix}energy_{name}", values))
                metrics += self._ticks(name, zero)
        absent = {f"{self.prefix}energy_{name}": reason for name, reason in self.failures.items()}
        return Readings(tuple(metrics), absent, self.findings)

    def _work(self, zero: float) -> list[Metric]:
        begins = [began - zero for began, _ in self.work]
        if self.prefix == "idle_":
            return [metric("idle_begin", begins)]
        if not self.tokens:
            return []
        ends = metric("work_end", [ended - zero for _, ended in self.work])
        tails = metric("window_tail_time", self.tails)
        return [metric("window_tokens", self.tokens), tails, metric("work_begin", begins), ends]

    def _ticks(self, name: str, zero: float) -> list[Metric]:
        if self.prefix == "unused_":
            return []
        return [metric(f"{self.prefix}edge_time_{name}", [edge.moment - zero for edge in self.edges[name]])]


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
    prefix: str = "idle_",
) -> EnergyWindows:
    """Energy of ``windows`` windows of ``seconds`` in which nothing is submitted, in the same process as the work."""

    def rest(_began: float) -> int:
        sleep(seconds)
        return 0

    return _measure(rest, counters, windows, clock, sleep, prefix)


@dataclass(frozen=True)
class _CounterWindow:
    opened: float
    began: float
    ended: float
    closed: float
    tokens: int
    edges: tuple[Mapping[str, Edge], Mapping[str, Edge]]

    def joules(self, name: str) -> float:
        return self.edges[1][name].joules - self.edges[0][name].joules


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
    edges = Edges(counters, clock, sleep)
    done = [_window(body, edges, clock) for _ in range(windows)]
    names = [counter.name for counter in counters if counter.name not in edges.failures]
    energies = dict.fromkeys(edges.failures, ()) | {name: tuple(one.joules(name) for one in done) for name in names}
    empty = {name: reason for name, values in energies.items() if (reason := _unusable(name, values))}
    return EnergyWindows(
        began=done[0].opened,
        times=tuple(window.closed - window.opened for window in done),
        tails=tuple(window.closed - window.ended for window in done),
        energies=energies,
        tokens=() if prefix else tuple(window.tokens for window in done),
        prefix=prefix,
        failures=edges.failures | empty,
        findings=(*edges.findings(), *(_empty_finding(name, energies[name]) for name in empty)),
        work=tuple((window.began, window.ended) for window in done),
        edges={name: tuple(edge[name] for window in done for edge in window.edges) for name in names},
    )


def _window(body: Callable[[float], int], edges: Edges, clock: Clock) -> _CounterWindow:
    opened, before = edges.next()
    began = clock()
    tokens = body(opened)
    ended = clock()
    closed, after = edges.next()
    return _CounterWindow(opened, began, ended, closed, tokens, (before, after))


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
