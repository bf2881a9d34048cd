"""The edges of energy windows: moments at which the counters tick. A counter that fails is left out from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.record.errors import MachineError
from bench.record.schema import Finding

from .counters import EnergyCounter

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
