"""What a step would take after a change: the trace played again, on a GPU's timeline or a CPU's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.metrics import MS_PER_NS

from ..ledger.classes import classes_of
from ..ledger.read import STEP_RANGE
from ..ledger.segments import Segment, Step, cpu_steps
from ..observer.fitted import ObserverModel
from ..statistics.spread import NOTHING, Spread, half_width
from ..timeline import Analysis
from .change import Change
from .diagnosis import Diagnosis, Ends, diagnose_gpu
from .diagnosis_cpu import diagnose_cpu
from .program import Program, program_of
from .sample import StepSample
from .simulate import Ns, Recording, as_recorded, changed, play_plan, play_plans

# A replay that misses the step that it starts from by more than this share predicts nothing.
MISSES = 0.03
# ns between two kernels at least, where a trace has none that follow each other at once.
_LEAST_GAP = 1_000
NO_WORK = "no GPU work is joined to a call of these steps, so there is no order of work in them that could be replayed"


@dataclass(frozen=True)
class WhatIf:
    """ms per step: ``measured``, as the unchanged replay has it, and after the change. ``low`` and ``high`` bound the
    prediction's 95 % interval, None where one step shows no variation; the replay's own error is not in it.
    ``predicted_ms`` is None where the replay misses the measured step, and where the steps that were played are not
    like the whole trace (``unlike``: why), or for the reason ``why``. ``notes``: what was assumed."""

    steps: int
    measured_ms: float
    replayed_ms: float
    predicted_ms: float | None
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()
    unlike: str = ""
    why: str = ""

    @property
    def ratio(self) -> float | None:
        """Predicted over replayed: what the change makes of a step's time."""
        return self.predicted_ms / self.replayed_ms if self.replayed_ms and self.predicted_ms is not None else None

    @property
    def missing(self) -> str:
        """Why there is no prediction, "" where there is one."""
        if self.predicted_ms is not None:
            return ""
        if self.unlike:
            return f"{self.unlike}: record the parts of the trace apart"
        if self.why:
            return self.why
        return (
            f"the replay takes {self.replayed_ms:.4g} ms per step and the measured step {self.measured_ms:.4g} ms: it "
            f"misses by more than {MISSES:.0%}, so nothing is predicted"
        )

    def over(self, measured_ms: float) -> WhatIf:
        """The same, held against what a step takes; without a prediction where the replay misses that."""
        found = replace(self, measured_ms=measured_ms)
        if not self.unlike and abs(self.replayed_ms - measured_ms) <= MISSES * measured_ms:
            return found
        return replace(found, predicted_ms=None, low=None, high=None)


class Replay:
    """One trace, read once; ask it for as many changes as needed."""

    def __init__(self, analysis: Analysis, step_range: str = STEP_RANGE, bitsandbytes: str | None = None) -> None:
        classes = classes_of(analysis, bitsandbytes)
        self._recording: Recording | None = None
        self._steps: list[Step] = []
        if analysis.devices:
            self._recording = as_recorded(program_of(analysis, classes, step_range))
        elif len(analysis.timeline.operators):
            self._steps, _ = cpu_steps(analysis.timeline, classes, step_range)
        else:
            raise RecordError("the trace holds neither GPU work nor operators: there is nothing to replay")

    @classmethod
    def of(cls, recording: Recording) -> Replay:
        """Of a GPU's trace that is read already."""
        made = cls.__new__(cls)
        made._recording, made._steps = recording, []
        return made

    @property
    def sample(self) -> StepSample | None:
        """Which steps of a GPU's trace are played; None for a CPU's, all of which are."""
        return self._recording.program.sample if self._recording is not None else None

    @property
    def cpu_steps(self) -> tuple[Step, ...]:
        """The steps of a CPU's trace; () for a GPU's."""
        return tuple(self._steps)

    def less_observer(self, model: ObserverModel) -> Replay:
        """The same CPU trace with what recording cost taken off every segment; a GPU's is left as it is."""
        self._steps = list(less_observer(self._steps, model))
        return self

    def whatif(self, change: Change, spread: Spread = NOTHING) -> WhatIf:
        """The step's time after ``change``. ``spread``: how much another process is assumed to differ. Raises
        RecordError for a CUDA graph of a CPU's trace."""
        if self._recording is None:
            return self._on_cpu(change, spread)
        return _on_gpu(self._recording.spread(spread), change)

    def diagnose(self, reference: Replay, spread: Spread = NOTHING) -> Diagnosis:
        """What each cause costs this trace over the reference. ``spread``: how much another process of each is assumed
        to differ. Raises RecordError for traces of unlike devices."""
        theirs, mine = reference._recording, self._recording
        if theirs is not None and mine is not None:
            return diagnose_gpu(theirs.spread(spread), mine.spread(spread))
        if theirs is None and mine is None:
            one, other = reference._steps, self._steps
            slower = ((longer(one, 1.0 + spread.host), other), (one, longer(other, 1.0 + spread.host)))
            return diagnose_cpu(one, other, slower if spread.host else ())
        raise RecordError("a trace with GPU work cannot be set against one without")

    def _on_cpu(self, change: Change, spread: Spread) -> WhatIf:
        if change.cuda_graph:
            raise RecordError("a trace without GPU work has no launches that a CUDA graph could take over")
        if change.of(c.SYNC_STALL) != 1.0:
            raise RecordError("a trace without GPU work has no sync_stall: nothing there waits for a device")
        measured = float(np.mean([step.ns for step in self._steps])) * MS_PER_NS
        steps = np.array([sum(_played(s, change) for s in step.segments) for step in self._steps]) * MS_PER_NS
        predicted = float(steps.mean())
        made = WhatIf(len(self._steps), measured, measured, predicted)
        return _bounded(made, steps, [predicted * spread.host])


def _on_gpu(recording: Recording, change: Change) -> WhatIf:
    program, scale = recording.program, MS_PER_NS / recording.program.steps
    plans = [changed(program, p, change) for p in (recording.plan, *recording.processes, *recording.model)]
    found, *others = play_plans(program, plans)
    steps = np.diff(Ends(program).of(found), prepend=0.0) * MS_PER_NS
    replayed = play_plan(program, recording.plan).span * scale
    effects = [(other.span - found.span) * scale for other in others]
    processes, model = effects[: len(recording.processes)], effects[len(recording.processes) :]
    if change.cuda_graph:
        processes.append(_between_nodes(program))  # assumed like what processes do, and known as badly
    sample = program.sample
    told = () if sample.complete else (f"{sample.said} were played again, spread over the whole trace",)
    made = WhatIf(
        program.steps, 0.0, replayed, found.span * scale, notes=(*told, *found.notes), unlike=sample.unlike()
    )  # fmt: skip
    predicted = _bounded(made, steps, processes, model).over(recording.span * scale)
    if any(op.item >= 0 for op in program.ops):
        return predicted
    return replace(predicted, predicted_ms=None, low=None, high=None, why=NO_WORK)


def _between_nodes(program: Program) -> float:
    """ms per step by which what lies between the kernels of a graph may be off: half of what does between others."""
    launched = sum(op.item >= 0 for op in program.ops)
    return launched * max(program.usual_gap, _LEAST_GAP) / 2 * MS_PER_NS / program.steps


def _bounded(made: WhatIf, steps: Ns, processes: Sequence[float], model: Sequence[float] = ()) -> WhatIf:
    """The prediction with its interval; [steps] ms."""
    one = (float(steps.var(ddof=1)) / len(steps), len(steps) - 1.0) if len(steps) > 1 else (0.0, 0.0)
    half = half_width([one], processes, model)
    if half is None or made.predicted_ms is None:
        return made
    return replace(made, low=max(made.predicted_ms - half, 0.0), high=made.predicted_ms + half)


def less_observer(steps: Sequence[Step], model: ObserverModel) -> tuple[Step, ...]:
    """Steps of a CPU's trace with what recording cost taken off every segment."""
    return tuple(
        Step(tuple(replace(item, ns=item.ns - _recorded(item, model)) for item in step.segments), step.begun)
        for step in steps
    )


def longer(steps: Sequence[Step], factor: float) -> tuple[Step, ...]:
    """Steps of a CPU's trace on a slower machine."""
    return tuple(
        replace(step, segments=tuple(replace(item, ns=round(item.ns * factor)) for item in step.segments))
        for step in steps
    )


def _recorded(segment: Segment, model: ObserverModel) -> int:
    return round((segment.operators * model.operator + segment.ranges * model.range_end) * 1e9)


def _played(segment: Segment, change: Change) -> float:
    """A CPU runs one thing after the other: work scales by itself, and goes with the host work that leads to it."""
    if segment.cause == c.HOST_GAP and segment.source.work and change.removes(segment.source.work):
        return 0.0
    return segment.ns * change.of(segment.cause)
