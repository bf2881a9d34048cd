"""One recording with its observer taken off, so that its steps take the time that they take without a profiler.

On a GPU the trace is played again with less host work; on a CPU the model of the observer is fitted over both traces
(see ``observer``). What remains between the lines and the time is a line of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.record import causes as c
from bench.record.metrics import S_PER_NS

from ..ledger.classes import classes_of
from ..ledger.closure import Line, Side
from ..ledger.costs import Ns, StepCosts
from ..ledger.cpu import costs_of
from ..ledger.read import step_costs
from ..ledger.segments import Step, cpu_steps
from ..observer.fitted import NOTHING, ObserverModel, fitted
from ..observer.replayed import UNLIKE, scales
from ..replay.diagnosis import Diagnosis
from ..replay.diagnosis_cpu import Pair, diagnose_cpu
from ..replay.simulate import Recording, ReplayPlan, slower
from ..replay.undisturb import Undisturbed
from ..replay.whatif import Replay, less_observer, longer
from ..statistics import Samples
from ..statistics.spread import Bounded, Spread, half_width
from ..timeline import Analysis
from .times import StepTime, all_host, replayed, steps_alone

AnyLine = TypeVar("AnyLine", bound=Line)


@dataclass(frozen=True, eq=False)
class TraceArm:
    """``costs``: of the steps without the observer; ``side``: their ledger, with the time."""

    costs: StepCosts
    side: Side


Sides = tuple[Side, Side]


@dataclass(frozen=True)
class Arms:
    """Both recordings. ``processes`` and ``model``: their ledgers again, each time one standard deviation away in what
    another process would do, or in what recording cost. ``times``: s per step of both.
    ``diagnosis``: by replay of the same steps."""

    before: TraceArm
    after: TraceArm
    processes: tuple[Sides, ...]
    model: tuple[Sides, ...]
    times: tuple[Bounded, Bounded]
    diagnosis: Diagnosis


def arms(analyses: Sequence[Analysis], times: Sequence[StepTime], steps: Sequence[str], spread: Spread) -> Arms:
    """Both recordings. ``steps``: the name of each one's steps. Raises RecordError where one has no such steps."""
    if not analyses[0].devices:
        return _on_cpu(analyses, times, steps, spread)
    one, other = (_on_gpu(*each, spread) for each in zip(analyses, times, steps, strict=True))
    sides = one.arm.side, other.arm.side
    processes, model = (
        (*((side, sides[1]) for side in theirs), *((sides[0], side) for side in mine))
        for theirs, mine in ((one.processes, other.processes), (one.model, other.model))
    )
    found = Replay.of(other.recording).diagnose(Replay.of(one.recording), spread)
    known = all_host(times, spread) if found.refused else (one.time, other.time)
    return Arms(one.arm, other.arm, processes, model, known, found)


@dataclass(frozen=True, eq=False)
class _OnGpu:
    """One recording, and its ledgers one standard deviation away in its processes and in its observer. ``time``: s per
    step."""

    arm: TraceArm
    recording: Recording
    processes: tuple[Side, ...]
    model: tuple[Side, ...]
    time: Bounded


def _on_gpu(analysis: Analysis, time: StepTime, step_range: str, spread: Spread) -> _OnGpu:
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    recording = less_observer_of(trace, time, spread)
    observed = step_costs(analysis, step_range, time.bitsandbytes)

    def costs_by(plan: ReplayPlan) -> StepCosts:
        if not any(observed.causes[name].any() for name in c.BUSY):
            return _times(observed, plan.tail)  # nothing runs on the GPU in these steps: they are all host
        return trace.costs(plan)

    def sides(plans: Sequence[ReplayPlan]) -> tuple[Side, ...]:
        return tuple(_side(costs_by(plan), time) for plan in plans)

    costs = costs_by(recording.plan)
    processes, model = sides(recording.processes), sides(recording.model)
    own = replayed(trace, recording.plan, time, spread)
    return _OnGpu(TraceArm(costs, _side(costs, time)), recording, processes, model, own)


def less_observer_of(trace: Undisturbed, time: StepTime, spread: Spread) -> Recording:
    """A GPU's trace without its observer, as a process that is one standard deviation slower would have it too: the one
    that was recorded, or the one that was timed."""
    recording, plain = steps_alone(trace, time, spread), time.observed / S_PER_NS
    if time.plain is not None:  # the time is of the very process that was observed
        return recording.spread(spread)
    factors = [{"host": 1.0 + spread.host}] * bool(spread.host) + [{"gpu": 1.0 + spread.gpu}] * bool(spread.gpu)
    grown = trace.lengths([recording.plan, *(slower(recording.plan, **each) for each in factors)])
    asked = [(trace.unchanged, plain * float(length / grown[0])) for length in grown[1:] if grown[0]]
    asked += [(slower(trace.unchanged, **each), plain) for each in factors]
    if not (asked and trace.total(time.events)):
        return recording.spread(spread)
    known = zip(asked, scales(trace, time.events, asked, spread.gpu), strict=True)
    plans = [trace.plan(time.events.times(scale), base=base) for (base, _), (scale, _) in known]
    return replace(recording, processes=tuple(plans))


def _counts(costs: StepCosts) -> tuple[float, float]:
    """Recorded operators and range ends of one step."""
    events = [costs.events[name] for name in costs.causes if name in costs.events]
    return sum(float(one.mean()) for one, _ in events), sum(float(other.mean()) for _, other in events)


@dataclass(frozen=True)
class CpuRecording:
    """A CPU's recording, read once, and its time."""

    steps: Sequence[Step]
    unknown: dict[str, int]
    time: StepTime

    @classmethod
    def of(cls, analysis: Analysis, time: StepTime, step_range: str) -> CpuRecording:
        """Of a trace. Raises RecordError where it has no such steps."""
        return cls(*cpu_steps(analysis.timeline, classes_of(analysis, time.bitsandbytes), step_range), time)

    def slower(self, *, recorded: float = 1.0, timed: float = 1.0) -> CpuRecording:
        """As other processes would have it: the one that was recorded, or the one that was timed."""
        samples = tuple(tuple(value * timed for value in part) for part in self.time.samples)
        plain = None if self.time.plain is None else self.time.plain * timed
        return replace(self, steps=longer(self.steps, recorded), time=replace(self.time, samples=samples, plain=plain))

    def side(self, model: ObserverModel) -> Side:
        """Its ledger less what recording cost."""
        return _side(self.costs(model), self.time)

    def costs(self, model: ObserverModel) -> StepCosts:
        """Its costs less what recording cost."""
        return costs_of(list(less_observer(self.steps, model)), self.unknown)


def cpu_model(recordings: Sequence[CpuRecording]) -> ObserverModel:
    """What recording cost on a CPU, fitted over some recordings whose times are known."""
    observed = [each.costs(NOTHING) for each in recordings]
    counts = np.array([_counts(costs) for costs in observed])
    plain = np.array([each.time.observed for each in recordings])
    extra = np.array([float(costs.wall.mean()) * S_PER_NS for costs in observed]) - plain
    loops = np.mean([(each.time.events.operator, each.time.events.range / 2) for each in recordings], axis=0) * S_PER_NS
    return fitted(counts, extra, plain, loops)


def _on_cpu(analyses: Sequence[Analysis], times: Sequence[StepTime], steps: Sequence[str], spread: Spread) -> Arms:
    """The observer is one for both, and so is its error."""
    one, other = (CpuRecording.of(*each) for each in zip(analyses, times, steps, strict=True))
    model = cpu_model((one, other))
    arms = [TraceArm(each.costs(model), each.side(model)) for each in (one, other)]
    factors = [{"recorded": 1.0 + spread.host}, {"timed": 1.0 + spread.host}] if spread.host else []
    away = [(one.slower(**each), other) for each in factors] + [(one, other.slower(**each)) for each in factors]
    processes = [(both, cpu_model(both)) for both in away]
    others = [((one, other), each) for each in _other_models([each.costs(NOTHING) for each in (one, other)], model)]

    def sides(found: Sequence[tuple[tuple[CpuRecording, CpuRecording], ObserverModel]]) -> tuple[Sides, ...]:
        return tuple((both[0].side(model), both[1].side(model)) for both, model in found)

    def observed(both: tuple[CpuRecording, CpuRecording], model: ObserverModel) -> Pair:
        return less_observer(both[0].steps, model), less_observer(both[1].steps, model)

    known = ([observed(*each) for each in found] for found in (processes, others))
    found = diagnose_cpu(*observed((one, other), model), *known)
    return Arms(arms[0], arms[1], sides(processes), sides(others), all_host(times, spread), found)


def _other_models(observed: Sequence[StepCosts], model: ObserverModel) -> list[ObserverModel]:
    """The same cost in all, with operators dearer than ranges."""
    operators, ends = np.sum([_counts(costs) for costs in observed], axis=0)
    total = operators * model.operator + ends * model.range_end
    dearer = operators * model.operator * UNLIKE + ends * model.range_end
    return [ObserverModel(model.operator * UNLIKE * total / dearer, model.range_end * total / dearer)] if dearer else []


def _times(costs: StepCosts, factor: float) -> StepCosts:
    """All of it on a slower machine."""

    def longer(columns: Mapping[object, Ns]) -> dict[object, Ns]:
        return {key: np.rint(column * factor).astype(np.int64) for key, column in columns.items()}

    wall = np.rint(costs.wall * factor).astype(np.int64)
    return replace(costs, wall=wall, causes=longer(costs.causes), sources=longer(costs.sources))  # type: ignore[arg-type]


def _side(costs: StepCosts, time: StepTime) -> Side:
    lines = {name: _column(column) for name, column in costs.causes.items()}
    plain: Samples = () if time.plain is None else ((time.plain,),)
    return Side(time.samples, lines, plain, leading=leading(costs))


def leading(costs: StepCosts) -> dict[tuple[str, str], Samples]:
    """(idle cause, work) → s of that idle line after which that work was to start."""
    found: dict[tuple[str, str], Ns] = defaultdict(lambda: np.zeros(costs.steps, np.int64))
    for source, column in costs.sources.items():
        found[source.cause, source.work] = found[source.cause, source.work] + column
    return {key: _column(column) for key, column in found.items()}


def _column(column: Ns) -> Samples:
    return (tuple((column * S_PER_NS).tolist()),)


def with_spread(line: AnyLine, both: Arms, samples: Callable[[Side], Samples]) -> AnyLine:
    """A difference of the two arms with its interval. ``samples``: of one side the steps of one recording, s.

    A correction has none: what one recording and one time leave open has no variation to show.
    """
    if line.cause in c.CORRECTIONS:
        return replace(line, low=None, high=None)

    def steps(side: Side) -> NDArray[np.float64]:
        return np.asarray(samples(side)[0], np.float64) * 1e3

    def difference(sides: Sides) -> float:
        return float(steps(sides[1]).mean() - steps(sides[0]).mean())

    sides = both.before.side, both.after.side
    parts = [
        (float(each.var(ddof=1)) / len(each), len(each) - 1.0) if len(each) > 1 else (0.0, 0.0)
        for each in map(steps, sides)
    ]
    base = difference(sides)
    processes, model = ([difference(other) - base for other in others] for others in (both.processes, both.model))
    half = half_width(parts, processes, model)
    if half is None:
        return replace(line, low=None, high=None)
    return replace(line, low=line.delta_ms - half, high=line.delta_ms + half)
