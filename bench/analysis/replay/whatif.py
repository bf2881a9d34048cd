"""What a step would take after a change: the trace played again, on a GPU's timeline or a CPU's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.record import causes as c
from bench.record.errors import RecordError

from ..ledger.classes import Classes
from ..ledger.observer import ObserverModel
from ..ledger.read import STEP_RANGE
from ..ledger.segments import Segment, Step, cpu_steps
from ..spread import NOTHING, Spread
from ..timeline import Analysis
from .change import Change
from .diagnosis import Diagnosis, diagnose_gpu
from .diagnosis_cpu import diagnose_cpu
from .program import Program, program_of
from .simulate import play

_MS = 1e-6


@dataclass(frozen=True)
class WhatIf:
    """ms per step: as recorded, as the unchanged replay has it, and after the change. ``notes``: what was assumed."""

    steps: int
    measured_ms: float
    replayed_ms: float
    predicted_ms: float
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Predicted over replayed: what the change makes of a step's time."""
        return self.predicted_ms / self.replayed_ms if self.replayed_ms else 1.0


class Replay:
    """One trace, read once; ask it for as many changes as needed."""

    def __init__(self, analysis: Analysis, step_range: str = STEP_RANGE, bitsandbytes: str | None = None) -> None:
        classes = Classes(bitsandbytes)
        self._program: Program | None = None
        self._steps: list[Step] = []
        if analysis.devices:
            self._program = program_of(analysis, classes, step_range)
        elif len(analysis.timeline.operators):
            self._steps, _ = cpu_steps(analysis.timeline, classes, step_range)
        else:
            raise RecordError("the trace holds neither GPU work nor operators: there is nothing to replay")

    @property
    def cpu_steps(self) -> tuple[Step, ...]:
        """The steps of a CPU's trace; () for a GPU's."""
        return tuple(self._steps)

    def less_observer(self, model: ObserverModel) -> Replay:
        """The same CPU trace with what recording cost taken off every segment; a GPU's is left as it is."""
        self._steps = list(less_observer(self._steps, model))
        return self

    def whatif(self, change: Change) -> WhatIf:
        """The step's time after ``change``. Raises RecordError for a CUDA graph of a CPU's trace."""
        if self._program is None:
            return self._on_cpu(change)
        program = self._program
        scale = _MS / program.steps
        played = play(program, change)
        unchanged = play(program, Change()).span
        return WhatIf(program.steps, program.span * scale, unchanged * scale, played.span * scale, played.notes)

    def diagnose(self, reference: Replay, spread: Spread = NOTHING) -> Diagnosis:
        """What each cause costs this trace over the reference. ``spread``: how much another process of each is assumed
        to differ. Raises RecordError for traces of unlike devices."""
        if self._program is not None and reference._program is not None:
            return diagnose_gpu(reference._program, self._program, spread)
        if self._program is None and reference._program is None:
            return diagnose_cpu(reference._steps, self._steps, spread)
        raise RecordError("a trace with GPU work cannot be set against one without")

    def _on_cpu(self, change: Change) -> WhatIf:
        if change.cuda_graph:
            raise RecordError("a trace without GPU work has no launches that a CUDA graph could take over")
        if change.of(c.SYNC_STALL) != 1.0:
            raise RecordError("a trace without GPU work has no sync_stall: nothing there waits for a device")
        count = len(self._steps)
        measured = sum(step.ns for step in self._steps) * _MS / count
        predicted = sum(_played(s, change) for step in self._steps for s in step.segments) * _MS / count
        return WhatIf(count, measured, measured, predicted)


def less_observer(steps: Sequence[Step], model: ObserverModel) -> tuple[Step, ...]:
    """Steps of a CPU's trace with what recording cost taken off every segment."""
    return tuple(
        Step(tuple(replace(item, ns=item.ns - _recorded(item, model)) for item in step.segments), step.begun)
        for step in steps
    )


def _recorded(segment: Segment, model: ObserverModel) -> int:
    return round((segment.operators * model.operator + segment.ranges * model.range_end) * 1e9)


def _played(segment: Segment, change: Change) -> float:
    """A CPU runs one thing after the other: work scales by itself, and goes with the host work that leads to it."""
    if segment.cause == c.HOST_GAP and segment.source.work and change.removes(segment.source.work):
        return 0.0
    return segment.ns * change.of(segment.cause)
