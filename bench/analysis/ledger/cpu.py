"""The costs of a CPU trace's steps: every operator's own time by class, and the gaps between operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.record import causes as c
from bench.record.timeline import Timeline

from ..intervals import Cover
from .attention import calls_of
from .classes import Classes
from .costs import IdleSource, Ns, StepCosts, cpu_causes, host_windows, step_rows
from .segments import Step, cpu_steps

_NONE = [0, 0, 0]


def cpu_costs(timeline: Timeline, classes: Classes, step_range: str) -> StepCosts:
    """The costs of the steps called ``step_range``. Raises RecordError where there are none."""
    steps, unknown = cpu_steps(timeline, classes, step_range)
    start, _ = host_windows(timeline, step_rows(timeline, step_range))
    return replace(costs_of(steps, unknown), attention=_attention(calls_of(timeline), steps, start.tolist()))


def _attention(calls: Cover, steps: list[Step], starts: list[int]) -> dict[str, Ns]:
    """[steps] ns inside the attention call of each line that its host time may be in: its operators and the gaps."""
    found = {cause: np.zeros(len(steps), np.int64) for cause in (c.HOST_GAP, c.ATTENTION)}
    for place, (step, start) in enumerate(zip(steps, starts, strict=True)):
        edges = start + np.cumsum([0, *(segment.ns for segment in step.segments)])
        inside = calls.within(edges[:-1], edges[1:])
        for cause, column in found.items():
            column[place] = inside[[segment.cause == cause for segment in step.segments]].sum()
    return found


def costs_of(steps: list[Step], unknown: dict[str, int]) -> StepCosts:
    """The same from steps that are read already."""
    sums = [_sums(step) for step in steps]
    names = dict.fromkeys(key for step in sums for key in step)
    columns = {key: np.array([step.get(key, _NONE) for step in sums], np.int64).T for key in names}
    empty = np.zeros((3, len(steps)), np.int64)
    causes = {name: columns.get(name, empty)[0] for name in cpu_causes()}
    sources = {key: column[0] for key, column in columns.items() if isinstance(key, IdleSource) and column[0].any()}
    keys: list[str | IdleSource] = [*causes, *sources]
    events = {key: (columns.get(key, empty)[1], columns.get(key, empty)[2]) for key in keys}
    return StepCosts("cpu", np.array([step.ns for step in steps], np.int64), causes, sources, unknown, events)


def _sums(step: Step) -> dict[str | IdleSource, list[int]]:
    """(ns, operators, ends of ranges) of each cause, and of each source of gaps."""
    sums: dict[str | IdleSource, list[int]] = {}
    for segment in step.segments:
        keys = (segment.cause, segment.source) if segment.cause == c.HOST_GAP else (segment.cause,)
        for key in keys:
            found = sums.setdefault(key, [0, 0, 0])
            found[0] += segment.ns
            found[1] += segment.operators
            found[2] += segment.ranges
    return sums
