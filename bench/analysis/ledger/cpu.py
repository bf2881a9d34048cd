"""The costs of a CPU trace's steps: every operator's own time by class, and the gaps between operators."""

from __future__ import annotations

import numpy as np

from bench.record import causes as c
from bench.record.timeline import Timeline

from .classes import Classes
from .costs import Ns, Source, StepCosts, cpu_causes, zeros
from .segments import Step, cpu_steps


def cpu_costs(timeline: Timeline, classes: Classes, step_range: str) -> StepCosts:
    """The costs of the steps called ``step_range``. Raises RecordError where there are none."""
    steps, unknown = cpu_steps(timeline, classes, step_range)
    return costs_of(steps, unknown)


def costs_of(steps: list[Step], unknown: dict[str, int]) -> StepCosts:
    """The same from steps that are read already."""
    names = cpu_causes()
    columns, operators, ranges = (zeros(names, len(steps)) for _ in range(3))
    sources: dict[Source, Ns] = {}
    for number, step in enumerate(steps):
        for segment in step.segments:
            columns[segment.cause][number] += segment.ns
            operators[segment.cause][number] += segment.operators
            ranges[segment.cause][number] += segment.ranges
            if segment.cause == c.HOST_GAP and segment.ns:
                sources.setdefault(segment.source, np.zeros(len(steps), np.int64))[number] += segment.ns
    wall = np.array([step.ns for step in steps], np.int64)
    return StepCosts("cpu", wall, columns, sources, unknown, operators, ranges)
