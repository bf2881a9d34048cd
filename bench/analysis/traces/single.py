"""One trace after a change: on real time where a step's is known, else as recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ledger.read import STEP_RANGE
from ..replay.change import Change
from ..replay.undisturb import Undisturbed
from ..replay.whatif import Replay, WhatIf
from ..spread import ASSUMED, Spread
from ..timeline import Analysis
from .arm import CpuRecording, cpu_model, less_observer_of
from .origin import origin_of
from .pair import Trace
from .times import StepTime, given, timed_in

AS_RECORDED = (
    "as recorded: the profiler's own cost is in the host's work, so the time of a real step is another, and what a "
    "change saves is too"
)


@dataclass(frozen=True)
class Prediction:
    """``said``: where the measured time is from. ``missing``: why it is not a real one, "" where it is."""

    found: WhatIf
    said: str
    missing: str = ""


def predict(trace: Trace, change: Change, step_range: str = STEP_RANGE, spread: Spread = ASSUMED) -> Prediction:
    """Raises RecordError where the trace has no such steps or cannot be changed so."""
    known = (given(trace.time_ms), "") if trace.time_ms is not None else timed_in(origin_of(trace.path), step_range)
    time, missing = known
    if time is None:
        found = Replay(trace.analysis, step_range).whatif(change)
        return Prediction(replace(found, low=None, high=None), AS_RECORDED, missing)  # of no real step
    time = replace(time, plain=None)
    found = _on_time(trace.analysis, time, step_range, spread).whatif(change, spread)
    return Prediction(found.over(time.seconds * 1e3), time.said)


def _on_time(analysis: Analysis, time: StepTime, step_range: str, spread: Spread) -> Replay:
    """The replay of the steps without their observer."""
    if not analysis.devices:
        model = cpu_model([CpuRecording.of(analysis, time, step_range)])
        return Replay(analysis, step_range, time.bitsandbytes).less_observer(model)
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    return Replay.of(less_observer_of(trace, time, spread))
