"""What each cause of a difference costs on a CPU: one thing runs after the other, so that the costs add up exactly.

The host work that leads to work which the reference does less often in that range goes with that work, by the share of
times that are too many; at most as much as the range has more host work than the reference's: work put before other
work also takes over the way to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.statistics.spread import Steps, left_out
from bench.record import causes as c

from ..ledger.segments import Step
from ..ledger.uniform import uniform_factor
from .align import Group
from .common_ranges import steps_with_common_ranges
from .diagnosis import Diagnosis, Varied, ranked

Column = NDArray[np.float64]


def line_means(steps: Sequence[Step]) -> dict[str, float]:
    """Line of a CPU's ledger → ns per step."""
    found: dict[str, float] = defaultdict(float)
    for step in steps:
        for segment in step.segments:
            found[segment.cause] += segment.ns / len(steps)
    return dict(found)


Pair = tuple[Sequence[Step], Sequence[Step]]


def diagnose_cpu(
    reference: Sequence[Step], candidate: Sequence[Step], processes: Sequence[Pair] = (), model: Sequence[Pair] = ()
) -> Diagnosis:
    """The costs of a CPU's candidate. ``processes`` and ``model``: reference and candidate again, each time one
    standard deviation away in what another process would do, or in what recording cost."""
    reference, candidate = steps_with_common_ranges(reference, candidate)
    before, after = _Counted(reference), _Counted(candidate)
    theirs, mine = before.over(before.whole), after.over(after.whole)
    point = _costs(theirs, mine)
    without_theirs = [_costs(before.over(steps), mine) for steps in left_out(len(reference))]
    without_mine = [_costs(theirs, after.over(steps)) for steps in left_out(len(candidate))]
    away = (
        [_costs(*map(_mean, steps_with_common_ranges(one, other))) for one, other in pairs]
        for pairs in (processes, model)
    )
    varied = (without_theirs, without_mine, *away)
    costs = ranked(
        Varied(value, *([other.get(cause, 0.0) for other in found] for found in varied)).cost(cause, 0.0)
        for cause, value in point.items()
    )
    walls = [float(np.mean([step.ns for step in steps])) for steps in (reference, candidate)]
    uniform = uniform_factor(line_means(reference), line_means(candidate))
    return Diagnosis(costs, walls[0], walls[1], walls[0], uniform)


@dataclass(frozen=True)
class _Means:
    """Per step: ns of each line; ns of host work by (range, cause of the work that it leads to); how often work of
    (range, cause) began."""

    lines: Mapping[str, float]
    gaps: Mapping[Group, float]
    begun: Mapping[Group, float]


class _Counted:
    """Steps counted one by one, so that the means over some of them can be had."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.whole = np.ones(len(steps), bool)
        lines: dict[str, Column] = defaultdict(lambda: np.zeros(len(steps)))
        gaps: dict[Group, Column] = defaultdict(lambda: np.zeros(len(steps)))
        begun: dict[Group, Column] = defaultdict(lambda: np.zeros(len(steps)))
        for place, step in enumerate(steps):
            for segment in step.segments:
                lines[segment.cause][place] += segment.ns
                if segment.cause == c.HOST_GAP:
                    gaps[segment.source.range, segment.source.work][place] += segment.ns
            for group, count in step.begun.items():
                begun[group][place] += count
        self._lines, self._gaps, self._begun = dict(lines), dict(gaps), dict(begun)

    def over(self, steps: Steps) -> _Means:
        """The means over these steps."""
        return _Means(
            {name: float(column[steps].mean()) for name, column in self._lines.items()},
            {group: float(column[steps].mean()) for group, column in self._gaps.items()},
            {group: float(column[steps].mean()) for group, column in self._begun.items()},
        )


def _mean(steps: Sequence[Step]) -> _Means:
    found = _Counted(steps)
    return found.over(found.whole)


def _costs(reference: _Means, candidate: _Means) -> dict[str, float]:
    """Cause → ns per step that it costs the candidate."""
    after = dict(candidate.lines)
    for group, share in _extra_shares(reference, candidate).items():
        moved = share * candidate.gaps.get(group, 0.0)
        after[c.HOST_GAP] = after.get(c.HOST_GAP, 0.0) - moved
        after[group[1]] = after.get(group[1], 0.0) + moved
    names = [name for name in c.CAUSES if name in after or name in reference.lines]
    return {name: after.get(name, 0.0) - reference.lines.get(name, 0.0) for name in names}


def _extra_shares(reference: _Means, candidate: _Means) -> dict[Group, float]:
    """(range, cause) → the share of the candidate's host work before it that the reference does not have."""
    shares = {
        group: (count - reference.begun.get(group, 0.0)) / count
        for group, count in candidate.begun.items()
        if count > reference.begun.get(group, 0.0) and group[1] != c.HOST_GAP
    }
    moved, more = defaultdict[str, float](float), defaultdict[str, float](float)
    for group, gap in candidate.gaps.items():
        moved[group[0]] += shares.get(group, 0.0) * gap
        more[group[0]] += gap
    for group, gap in reference.gaps.items():
        more[group[0]] -= gap
    return {
        group: share * min(max(more[group[0]], 0.0) / moved[group[0]], 1.0)
        for group, share in shares.items()
        if moved[group[0]]
    }
