"""All that is to be said of two traces before their answer, and what of it that leaves unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from bench.record import causes as c
from bench.record.metrics import MS_PER_NS
from bench.record.schema import Finding

from ..ledger.accounting import Cause
from ..ledger.closure import Line
from ..ledger.costs import StepCosts
from ..replay.diagnosis import Cost, Diagnosis
from .classed import classed_apart
from .clocks import clocks_apart, without_calls
from .doubts import gpu_unseen, graphs_recorded_whole, mixed, passes, stalled_elsewhere, work_lost
from .findings import one_file, unlike
from .fused import quantised_in_passing
from .graphs import graphs_in_one
from .kinds import of_other_kinds
from .periods import not_in_steps
from .recorded import RecordedLine, TraceOrigin

if TYPE_CHECKING:
    from .pair import Trace

AnyLine = TypeVar("AnyLine", Line, Cause, RecordedLine)


@dataclass(frozen=True)
class Noticed:
    """``apart``: the steps are not of the same thing, so no verdict rests on them alone; ``unsure``: nor does any line.
    ``idle_unsure``: no idle time is sure, as where clocks do not agree. ``moved``: line → ms per step that may be in it
    in one trace only, though both do that work."""

    findings: tuple[Finding, ...]
    apart: bool
    unsure: bool
    idle_unsure: bool
    moved: Mapping[str, float]

    def as_sure(self, line: AnyLine) -> AnyLine:
        """A line as sure as the traces allow: its interval holds what another way of classifying would make of it."""
        idle = line.cause in c.IDLE or (isinstance(line, Cause) and bool(line.host_ms))
        if self.unsure or (idle and self.idle_unsure):
            return replace(line, low=None, high=None)
        ms = self.moved.get(line.cause, 0.0)
        if not ms or line.low is None or line.high is None:
            return line
        return replace(line, low=line.low - ms, high=line.high + ms)

    def savings(self, found: Diagnosis) -> Diagnosis:
        """What removing causes would save, as sure as the traces allow. More work is no slower machine."""
        found = replace(found, uniform=None) if self.apart else found
        if self.unsure or self.idle_unsure:
            return found.unsure
        return replace(found, costs=tuple(map(self._saving, found.costs)))

    def _saving(self, cost: Cost) -> Cost:
        more = self.moved.get(cost.cause, 0.0) / MS_PER_NS
        return cost if cost.reach is None else replace(cost, reach=cost.reach + more)


def noticed_of(
    both: tuple[Trace, Trace], costs: tuple[StepCosts, StepCosts], origins: Sequence[TraceOrigin]
) -> Noticed:
    """Of two traces whose steps have these costs. Raises RecordError where one has no such steps."""
    analyses = both[0].analysis, both[1].analysis
    steps = both[0].step_range, both[1].step_range
    with_gpu = costs[0].device != "cpu"
    several = passes(analyses, steps) if with_gpu else None
    found = one_file(both[0].path, both[1].path)
    found += unlike(analyses, [one.origin for one in origins], steps, several)
    timing = clocks_apart(both) + without_calls(both) if with_gpu else []
    found += stalled_elsewhere(both) + timing
    if with_gpu:
        found += quantised_in_passing(analyses, steps) + graphs_in_one(analyses, steps)
    if not any(one.origin for one in origins):
        found += not_in_steps(("reference", "candidate"), tuple(zip(analyses, steps, strict=True)))
    lines = classed_apart(analyses, steps)
    classed = [*lines.findings, *graphs_recorded_whole(analyses), *gpu_unseen(both)]
    doubted = mixed(costs) + work_lost(both) + (of_other_kinds(analyses, steps) if with_gpu else [])
    apart = bool(doubted) or several is not None
    busy = max(sum(float(each.causes[name].mean()) for name in c.BUSY) for each in costs) * MS_PER_NS
    moved = {line: share * busy for line, share in lines.shares.items()}
    return Noticed((*found, *classed, *doubted), apart, apart or bool(classed), bool(timing), moved)
