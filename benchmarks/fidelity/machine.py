"""A made-up host and GPU: plays a list of actions and says when everything happened.

It is written without the replay's code on purpose: it knows the truth (what waits for what), the replay has to find
it. Times are ns. The host runs its actions one after the other; each stream runs its work in order; a kernel starts
when its launch has reached the GPU, the work before it in its stream is done, and the event that it waits for has
happened.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

LATENCY = 2_500  # from the start of a launching call until the kernel can start
KERNEL_GAP = 900  # between two kernels that follow each other in a stream at once
SYNC_RETURN = 3_000  # from the end of the awaited work until the waiting call returns
GRAPH_NODE = 400  # between two kernels of one graph


@dataclass(frozen=True)
class Kernel:
    """GPU work. ``after``: name of an event that it waits for. ``copy``: a copy of so many bytes instead."""

    name: str
    ns: int
    stream: int = 7
    after: str = ""
    copy: int = 0


@dataclass(frozen=True)
class Action:
    """What the host does. ``before``: its own work first; ``call`` ns long. ``kind``: "launch" (of ``work``, several
    for a graph), "sync" (waits for all work asked for so far), "copy back" (a copy that the call waits for), "record"
    (an event called ``event`` after the work of its stream so far), "wait" (for the event called ``event``) or "host"
    (only its own work)."""

    kind: str
    before: int = 0
    call: int = 3_000
    work: tuple[Kernel, ...] = ()
    ranges: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    event: str = ""
    thread: int = 0


@dataclass
class Happened:
    """Everything as a profiler would record it. Rows: calls (thread, name, start, end, correlation), kernels
    (name, stream, start, end, correlation, graph node), copies (bytes, stream, start, end, correlation), spans
    (kind, thread, name, start, end)."""

    calls: list[tuple[int, str, int, int, int]] = field(default_factory=list)
    kernels: list[tuple[str, int, int, int, int, int]] = field(default_factory=list)
    copies: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    spans: list[tuple[str, int, str, int, int]] = field(default_factory=list)

    @property
    def end(self) -> int:
        ends = [row[3] for row in (*self.calls, *self.kernels, *self.copies)]
        return max([*ends, *(span[4] for span in self.spans)], default=0)


class Machine:
    """Plays steps. ``slowdown`` stretches all GPU work (a lower clock), ``host`` all of the host's; ``jitter`` the
    host's work before each call, at random. ``noise``: relative standard deviation of the host's speed from step to
    step, and of each kernel's length. ``observer``: ns that recording costs the host per operator, per end of a range
    and per call; ``inside``: the share of a call's that lies after what the call does."""

    def __init__(
        self,
        *,
        slowdown: float = 1.0,
        host: float = 1.0,
        jitter: float = 0.0,
        noise: tuple[float, float] = (0.0, 0.0),
        observer: tuple[float, float, float] = (0.0, 0.0, 0.0),
        inside: float = 0.0,
        seed: int = 0,
        origin: int = 1_000_000,
    ) -> None:
        self.happened = Happened()
        self._slowdown, self._jitter, self._random = slowdown, jitter, random.Random(seed)
        self._speed, self._step_speed, self._noise = host, host, noise
        self._observer, self._inside = observer, inside
        self._host: dict[int, int] = {}
        self._stream: dict[int, int] = {}
        self._events: dict[str, int] = {}
        self._correlation = 0
        self._origin = origin

    def step(self, actions: Iterable[Action], name: str = "decode_step") -> None:
        """One step on thread 0, with its range; actions of other threads run beside it."""
        start = self._now(0)
        self._step_speed = self._speed * self._varied(self._noise[0])
        opened: list[tuple[str, str, int]] = []
        for action in actions:
            if action.thread == 0:
                opened = self._reopen(opened, action)
            self._act(action)
        self._close(opened, 0)
        self.happened.spans.append(("range", 0, name, start, self._now(0)))

    def between(self, ns: int) -> None:
        """Work of the host's main thread outside of any range."""
        self._host[0] = self._now(0) + round(ns * self._step_speed)

    def _record(self, kinds: list[str]) -> None:
        """What it costs to record these beginnings and ends; an operator is recorded at its end."""
        cost = self._observer[1] * kinds.count("range") + self._observer[0] / 2 * kinds.count("operator")
        self._host[0] = self._now(0) + round(cost * self._step_speed)

    def _varied(self, noise: float) -> float:
        return math.exp(self._random.gauss(0.0, noise)) if noise else 1.0

    def _now(self, thread: int) -> int:
        return self._host.setdefault(thread, self._origin)

    def _reopen(self, opened: list[tuple[str, str, int]], action: Action) -> list[tuple[str, str, int]]:
        """Close the spans that this action is not in any more, and open those that it is."""
        wanted = [("range", name) for name in action.ranges] + [("operator", name) for name in action.operators]
        same = 0
        while same < min(len(opened), len(wanted)) and opened[same][:2] == wanted[same]:
            same += 1
        self._close(opened, same)
        self._record([kind for kind, *_ in (*opened[same:], *wanted[same:])])
        return opened[:same] + [(kind, name, self._now(0)) for kind, name in wanted[same:]]

    def _close(self, opened: list[tuple[str, str, int]], keep: int) -> None:
        for kind, name, start in reversed(opened[keep:]):
            self.happened.spans.append((kind, 0, name, start, self._now(0)))

    def _act(self, action: Action) -> None:
        thread = action.thread
        stretched = (1.0 + self._jitter * self._random.uniform(-1.0, 1.0)) * self._step_speed
        recorded = self._observer[2] * self._step_speed if action.kind != "host" else 0.0
        start = self._now(thread) + round(action.before * stretched + recorded * (1.0 - self._inside))
        if action.kind == "host":
            self._host[thread] = start
            return
        end, back = start + round(action.call * self._step_speed), round(SYNC_RETURN * self._step_speed)
        done = [self._run(kernel, start, place, action) for place, kernel in enumerate(action.work)]
        if action.kind == "record":
            self._events[action.event] = self._stream.get(7, 0) if not action.work else max(done)
        if action.kind == "sync":
            end = max(end, max(self._stream.values(), default=0) + back)
        if action.kind == "wait":
            end = max(end, self._events.get(action.event, 0) + back)
        if action.kind == "copy back":
            end = max(end, max(done) + back)
        end += round(recorded * self._inside)
        self.happened.calls.append((thread, _call_name(action), start, end, self._correlation))
        self._correlation += 1
        self._host[thread] = end

    def _run(self, kernel: Kernel, launched: int, place: int, action: Action) -> int:
        ready = launched + LATENCY
        gap = GRAPH_NODE if place else KERNEL_GAP
        free = self._stream.get(kernel.stream)
        if free is not None:
            ready = max(ready, free + gap)
        if kernel.after:
            ready = max(ready, self._events[kernel.after] + 1_200)
        end = ready + round(kernel.ns * self._slowdown * self._varied(self._noise[1]))
        self._stream[kernel.stream] = end
        if kernel.copy:
            self.happened.copies.append((kernel.copy, kernel.stream, ready, end, self._correlation))
        else:
            node = place + 1 if len(action.work) > 1 else 0
            self.happened.kernels.append((kernel.name, kernel.stream, ready, end, self._correlation, node))
        return end


def _call_name(action: Action) -> str:
    if action.kind == "launch":
        if len(action.work) > 1:
            return "cudaGraphLaunch"
        return "cudaMemcpyAsync" if action.work and action.work[0].copy else "cudaLaunchKernel"
    return {
        "sync": "cudaStreamSynchronize",
        "copy back": "cudaMemcpyAsync",
        "record": "cudaEventRecord",
        "wait": "cudaEventSynchronize",
    }[action.kind]
