"""Steps of two traces that are of unlike kinds, as prompts in the one and tokens in the other.

An engine gives both one name. Of each trace the steps are taken at which the GPU works as long as at most of them:
prompts, in a trace of many. Where steps that were left out are what the other trace's are, that is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.record.schema import Finding

from ..ledger.costs import step_rows
from ..ledger.gpu import with_left_out
from ..timeline import Analysis
from .families import RangeFamily, Rows, gpu_time_inside
from .sizes import template

# The GPU works so many times as long at the steps of the one as at those of the other, and about as long at those that
# were left out.
_UNLIKE, _LIKE = 1.5, 1.25
# One alone may be a step that the recording cut short.
_LEAST = 2
KINDS = "other-steps"


def of_other_kinds(analyses: Sequence[Analysis], steps: Sequence[str]) -> list[Finding]:
    """A finding for each trace whose left-out steps are like the other's. Raises RecordError where there are no such
    steps."""
    if steps[0] != steps[1] and template(steps[0]) == template(steps[1]):
        return []  # their names tell that their sizes differ
    (one, left_one), (other, left_other) = (_gpu_times(*each) for each in zip(analyses, steps, strict=True))
    if not one or not other or 1 / _UNLIKE < other / one < _UNLIKE:
        return []
    beside = [_alike(left_one, other), _alike(left_other, one)]
    if sum(beside) < _LEAST:
        return []
    evidence = f"at a step the GPU works {one * 1e-6:.3g} ms (reference) and {other * 1e-6:.3g} ms (candidate)"
    remedy = "choose steps of one kind with --step-range, or record where no prompts come in"
    messages = [
        f"steps of unlike kinds are compared: {count} that the {name} has beside are like the other's"
        for name, count in zip(("reference", "candidate"), beside, strict=True)
        if count
    ]
    return [Finding(KINDS, "warning", message, evidence, remedy) for message in messages]


def _alike(left: Rows, usual: float) -> int:
    return int(((left > usual / _LIKE) & (left < usual * _LIKE)).sum())


def _gpu_times(analysis: Analysis, step_range: str) -> tuple[float, Rows]:
    """(the usual time that the GPU computes at a step, that at each step which was left out), ns."""
    timeline = analysis.timeline
    rows = step_rows(timeline, step_range)
    every = with_left_out(timeline, rows)
    process = int(timeline.threads.process[timeline.ranges.thread[rows[0]]])
    times = gpu_time_inside(analysis, RangeFamily(step_range, process, every, 0, 0.0))
    mine = np.isin(every, rows)
    return float(np.median(times[mine])), times[~mine]
