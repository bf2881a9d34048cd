"""What a trace's steps cost, line by line: the raw material of a ledger, still with the observer's disturbance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.timeline import Timeline

Ns = NDArray[np.int64]
START, END = "(start of step)", "(end of step)"
# Times that were rounded on their way into a trace: what overlaps by no more than this only touches.
TOUCHING_NS = 1_000


@dataclass(frozen=True)
class IdleSource:
    """Where idle time comes from: what was to start next. ``range``: the innermost annotated range around its launch
    (less the step's own), ``operator``: what launched it, ``work``: its cause; each "" where not known."""

    cause: str
    range: str
    operator: str
    work: str


@dataclass(frozen=True, eq=False)
class StepCosts:
    """[steps] ns per step and cause. ``wall`` is exactly the sum of ``causes``.

    ``device`` is "cuda" (kernels) or "cpu" (operators). ``sources`` split the idle causes exactly. ``unknown``: name →
    total ns of what is in ``other``. ``events``: (operators, ends of ranges) that the observer recorded inside the time
    of each cause or source, per step, for the model of its cost. ``attention``: of some lines the part that lies inside
    the model's attention call (attention.py).
    """

    device: str
    wall: Ns
    causes: Mapping[str, Ns]
    sources: Mapping[IdleSource, Ns] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str | IdleSource, tuple[Ns, Ns]] = field(default_factory=dict)
    attention: Mapping[str, Ns] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return len(self.wall)


def step_rows(timeline: Timeline, name: str) -> Ns:
    """The rows of the ranges called ``name``, in order; a number after it does not count ("ProfilerStep" finds
    "ProfilerStep#7"). Raises RecordError that says what there is instead."""
    ranges = timeline.ranges
    wanted = np.array([is_step(text, name) for text in timeline.strings], bool)
    rows = np.flatnonzero(wanted[ranges.name]) if len(ranges) else np.empty(0, np.int64)
    if not len(rows):
        present = sorted({timeline.strings[i] for i in ranges.name.tolist()})
        told = f"it has {', '.join(map(repr, present[:8]))}" if present else "it has no annotated ranges"
        raise RecordError(f"the trace has no range {name!r}: {told}; name the range of one step with --step-range")
    return rows[np.argsort(ranges.start[rows], kind="stable")]


def is_step(text: str, name: str) -> bool:
    """Whether a range called ``text`` is a step called ``name``."""
    return text == name or (text.startswith(f"{name}#") and text[len(name) + 1 :].isdigit())


def host_windows(timeline: Timeline, rows: Ns) -> tuple[Ns, Ns]:
    """(start, end) of each step on the host, disjoint. Raises RecordError for steps that overlap: they are not a
    sequence."""
    start, end = timeline.ranges.start[rows], timeline.ranges.end[rows]
    if (start[1:] < end[:-1] - TOUCHING_NS).any():
        raise RecordError("the ranges of the steps overlap: choose one with --step-range whose instances do not")
    return start, np.maximum(start, np.minimum(end, np.append(start[1:], end[-1:])))


def zeros(names: Sequence[str], steps: int) -> dict[str, Ns]:
    """A column of zeros for each name."""
    return {name: np.zeros(steps, np.int64) for name in names}


def gpu_causes() -> tuple[str, ...]:
    """The causes of a GPU's ledger."""
    return c.CAUSES


def cpu_causes() -> tuple[str, ...]:
    """The causes of a CPU's ledger: nothing there waits for a device."""
    return tuple(name for name in c.CAUSES if name != c.SYNC_STALL)
