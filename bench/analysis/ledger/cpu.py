"""The costs of a CPU trace's steps: every operator's own time by class, and the gaps between operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.record import causes as c
from bench.record.timeline import Timeline

from .attention import calls_of
from .classes import Classes
from .costs import IdleSource, Ns, StepCosts, cpu_causes, host_windows, step_rows
from .segments import Places, Step, walked

_NONE = [0, 0, 0]


@dataclass(frozen=True, eq=False)
class CpuRows:
    """Steps summed up by place: all that a rule looks at. [places, steps] ``ns``, and how many ``operators`` and ends
    of ``ranges`` were recorded in it; ``attention``: of the ns what is inside the attention call, by the places that
    have any."""

    places: Places
    ns: Ns
    operators: Ns
    ranges: Ns
    attention: Mapping[int, Ns]

    def costs(self, classes: Classes) -> StepCosts:
        """The steps' costs by a table of classes."""
        sources = self.places.sources(self.places.answers(classes))
        lines = {name: self._sums([source.cause == name for source in sources]) for name in cpu_causes()}
        idle: dict[IdleSource, list[int]] = {}
        for place, source in enumerate(sources):
            if source.cause == c.HOST_GAP:
                idle.setdefault(source, []).append(place)
        known = {source: sums for source, places in idle.items() if (sums := self._sums(places))[0].any()}
        unknown: Counter[str] = Counter()
        for place, source in enumerate(sources):
            if source.cause == c.OTHER:
                unknown[source.operator] += int(self.ns[place].sum())
        recorded: list[tuple[str | IdleSource, tuple[Ns, Ns, Ns]]] = [*lines.items(), *known.items()]
        return StepCosts(
            "cpu", self.ns.sum(axis=0), {name: sums[0] for name, sums in lines.items()},
            {source: sums[0] for source, sums in known.items()}, dict(unknown),
            {key: (operators, ends) for key, (_, operators, ends) in recorded}, self._called(sources),
        )  # fmt: skip

    def _sums(self, places: Sequence[int] | Sequence[bool]) -> tuple[Ns, Ns, Ns]:
        """[steps] ns, operators and ends of ranges of some places."""
        ns, operators, ranges = (
            table[np.array(places)].sum(axis=0) for table in (self.ns, self.operators, self.ranges)
        )
        return ns, operators, ranges

    def _called(self, sources: Sequence[IdleSource]) -> dict[str, Ns]:
        """[steps] ns inside the attention call of each line of which a part may lie in it."""
        found = {cause: np.zeros(self.ns.shape[1], np.int64) for cause in (c.HOST_GAP, c.ATTENTION)}
        for place, ns in self.attention.items():
            if sources[place].cause in found:
                found[sources[place].cause] += ns
        return found


def cpu_costs(timeline: Timeline, classes: Classes, step_range: str) -> StepCosts:
    """The costs of the steps called ``step_range``. Raises RecordError where there are none."""
    return cpu_rows(timeline, step_range).costs(classes)


def cpu_rows(timeline: Timeline, step_range: str) -> CpuRows:
    """The steps by what a rule looks at. Raises RecordError where there are none."""
    found = walked(timeline, step_range)
    start, _ = host_windows(timeline, step_rows(timeline, step_range))
    calls = calls_of(timeline)
    ns, operators, ranges, attention = (
        np.zeros((len(found.places.places), len(found.pieces)), np.int64) for _ in range(4)
    )
    for step, (pieces, begin) in enumerate(zip(found.pieces, start.tolist(), strict=True)):
        length, place, recorded, ends = np.array(pieces, np.int64).reshape(-1, 4).T
        edges = begin + np.cumsum([0, *length.tolist()])
        for column, values in ((ns, length), (operators, recorded), (ranges, ends)):
            np.add.at(column[:, step], place, values)
        np.add.at(attention[:, step], place, calls.within(edges[:-1], edges[1:]))
    known = {place: attention[place] for place in np.flatnonzero(attention.any(axis=1)).tolist()}
    return CpuRows(found.places, ns, operators, ranges, known)


def costs_of(steps: Sequence[Step], unknown: dict[str, int]) -> StepCosts:
    """The costs of steps that are classified already; ``unknown``: name → ns of what no rule knows."""
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
