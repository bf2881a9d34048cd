"""One trace after a change: on real time where a step's is known, else as recorded; and what graphs launch in it
already, which needs no graph any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..replay.change import Change
from ..replay.undisturb import Undisturbed
from ..replay.whatif import Replay, WhatIf
from ..statistics.spread import ASSUMED, Spread
from ..timeline import Analysis
from .arm import CpuRecording, cpu_model, less_observer_of
from .clocks import how_apart, uncalled
from .doubts import lost_text
from .graphs import graphs_of
from .pair import Trace
from .recorded import origin_of
from .times import StepTime, given_time, timed_in

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


def predict(trace: Trace, change: Change, spread: Spread = ASSUMED) -> Prediction:
    """Raises RecordError where the trace has no such steps or cannot be changed so."""
    known = (
        (given_time(trace.time_ms), "")
        if trace.time_ms is not None
        else timed_in(origin_of(trace.path), trace.step_range)
    )
    time, missing = known
    change, notes, why = _left_to_change(trace, change)
    if time is None:
        found = Replay(trace.analysis, trace.step_range).whatif(change)
        found = replace(found, low=None, high=None)  # of no real step
    else:
        time = replace(time, plain=None)
        found = _on_time(trace.analysis, time, trace.step_range, spread).whatif(change, spread)
        found = found.over(time.seconds * 1e3)
    doubts = _doubts(trace)
    if doubts:
        found = replace(found, low=None, high=None)
    found = replace(found, notes=(*doubts, *found.notes, *notes))
    if why:
        found = replace(found, predicted_ms=None, low=None, high=None, why=why)
    return Prediction(found, AS_RECORDED, missing) if time is None else Prediction(found, time.said)


def _doubts(trace: Trace) -> tuple[str, ...]:
    """Why no prediction from this trace is sure."""
    analysis, step_range = trace.analysis, trace.step_range
    if not analysis.devices:
        return ()
    apart, lone, lost = how_apart(analysis), uncalled(analysis, step_range), lost_text(analysis, step_range)
    told = [
        f"the clocks of host and GPU are apart: {apart}" if apart else "",
        f"{lone} in the steps have no call in the trace, so what they wait for is guessed" if lone else "",
        f"the trace lacks a part of its GPU work: {lost}" if lost else "",
    ]
    return tuple(f"not sure: {text}" for text in told if text)


def _left_to_change(trace: Trace, change: Change) -> tuple[Change, tuple[str, ...], str]:
    """The change less what the steps have already, what is to be said of that, and why nothing can be predicted, or
    ""."""
    if not change.cuda_graph or not trace.analysis.devices:
        return change, (), ""
    graphs = graphs_of(trace.analysis, trace.step_range)
    told = f"{graphs.share:.0%} of the steps' GPU work is launched by graphs already"
    if not graphs.most:
        return change, (told,) if graphs.share else (), ""
    change = replace(change, cuda_graph=False)
    if graphs.nothing_left:
        return change, (f"{told}: a CUDA graph has nothing left to save",), ""
    # A replay would save the host's work between the graphs too, which a graph cannot hold.
    rest = f"what one graph of the {graphs.calls:.3g} launches per step would save beyond that cannot be told"
    return change, (), f"{told}, and {rest}"


def _on_time(analysis: Analysis, time: StepTime, step_range: str, spread: Spread) -> Replay:
    """The replay of the steps without their observer."""
    if not analysis.devices:
        model = cpu_model([CpuRecording.of(analysis, time, step_range)])
        return Replay(analysis, step_range, time.bitsandbytes).less_observer(model)
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    return Replay.of(less_observer_of(trace, time, spread))
