"""The costs of a trace's steps, whatever it holds: GPU work where there is any, else operators."""

from __future__ import annotations

from bench.record.errors import RecordError

from ..timeline import Analysis
from .classes import classes_of
from .costs import StepCosts
from .cpu import cpu_costs
from .gpu import gpu_costs

STEP_RANGE, PREFILL_RANGE = "decode_step", "prefill"


def step_costs(analysis: Analysis, step_range: str = STEP_RANGE, bitsandbytes: str | None = None) -> StepCosts:
    """What each step called ``step_range`` cost. ``bitsandbytes``: its version, where known.

    Raises RecordError where the trace has no such range, or nothing that could be added up.
    """
    classes = classes_of(analysis, bitsandbytes)
    if analysis.devices:
        return gpu_costs(analysis, classes, step_range)
    if not len(analysis.timeline.operators):
        raise RecordError("the trace holds neither GPU work nor operators: there is nothing to add up")
    return cpu_costs(analysis.timeline, classes, step_range)
