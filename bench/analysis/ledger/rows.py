"""A trace's steps by all that a rule of the class table looks at: what a Record keeps of a trace, classified when it
is read.

Rules look at names only, so steps summed up by names can be classified as the trace itself could: exactly, and again
with another table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.record import causes as c

from .classes import Classes
from .costs import END, START, IdleSource, Ns, StepCosts, gpu_causes, zeros
from .paths import Names

Columns = Mapping[int, Ns]


@dataclass(frozen=True)
class Launched:
    """All that a rule looks at of GPU work. ``name``: of the kernel, None for a copy or memset; ``operators`` and
    ``ranges``: around its launch, outermost first, less the step's own."""

    name: str | None
    operators: Names
    ranges: Names

    def cause(self, classes: Classes) -> str:
        """Its line."""
        if self.name is None:
            return c.MEMCPY
        found = classes.kernel(self.name, self.operators, self.ranges)
        return found if found in c.BUSY else c.OTHER

    def source(self, cause: str, idle: str = "") -> IdleSource:
        """Where the ``idle`` time before it comes from, if ``cause`` is its line."""
        return IdleSource(idle, (self.ranges or ("",))[-1], (self.operators or ("",))[-1], cause)


@dataclass(frozen=True, eq=False)
class GpuRows:
    """ns by kind of work, an index into ``kinds``, and step. ``busy``: the moments that belong to it; ``stalls`` and
    ``gaps``: idle time that led to it, while the host was inside a synchronising call and while it was not (one past
    the last kind: to nothing, up to a step's end; two past: to a step's work in general, at its start); [steps]
    ``attention``: of the gaps what is inside the attention call; [kinds] ``lengths``: from start to end, added up."""

    kinds: tuple[Launched, ...]
    wall: Ns
    busy: Columns
    stalls: Columns
    gaps: Columns
    attention: Ns
    lengths: Ns

    def costs(self, classes: Classes) -> StepCosts:
        """The steps' costs by a table of classes."""
        causes = [kind.cause(classes) for kind in self.kinds]
        columns = zeros(gpu_causes(), len(self.wall))
        for kind, ns in self.busy.items():
            columns[causes[kind]] += ns
        sources = {**self._idle(c.SYNC_STALL, self.stalls, causes), **self._idle(c.HOST_GAP, self.gaps, causes)}
        for source, ns in sources.items():
            columns[source.cause] += ns
        unknown: dict[str, int] = defaultdict(int)
        for known, cause, length in zip(self.kinds, causes, self.lengths.tolist(), strict=True):
            if cause == c.OTHER and length:
                unknown[known.name or ""] += length
        return StepCosts("cuda", self.wall, columns, sources, dict(unknown), attention={c.HOST_GAP: self.attention})

    def _idle(self, idle: str, columns: Columns, causes: list[str]) -> dict[IdleSource, Ns]:
        """One idle line by what was to start next, in order of the kinds."""
        numbers: dict[IdleSource, int] = {}
        for known, cause in zip(self.kinds, causes, strict=True):
            numbers.setdefault(known.source(cause), len(numbers))
        found: dict[IdleSource, Ns] = {}
        beside = IdleSource("", END, "", ""), IdleSource("", START, "", "")
        for kind, ns in columns.items():
            past = kind - len(self.kinds)
            source = self.kinds[kind].source(causes[kind]) if past < 0 else beside[past]
            found[source] = found[source] + ns if source in found else ns
        order = sorted(found, key=lambda source: numbers.get(source, len(numbers)))
        return {replace(source, cause=idle): found[source] for source in order}
