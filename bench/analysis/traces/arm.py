"""One recording with its observer taken off, so that its steps take the time that they take without a profiler.

On a GPU the trace is played again with less host work; on a CPU the model of the observer is fitted over both traces
(see ``observer`` and ``ledger.observer``). What remains between the lines and the time is a line of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bench.record import causes as c

from ..ledger.classes import Classes
from ..ledger.closure import Line, Side
from ..ledger.costs import Ns, StepCosts
from ..ledger.cpu import costs_of
from ..ledger.observer import ObserverModel, fitted
from ..ledger.read import step_costs
from ..ledger.segments import Step, cpu_steps
from ..observer import UNLIKE, observer
from ..replay.simulate import Recording
from ..replay.undisturb import Undisturbed
from ..replay.whatif import Replay, less_observer
from ..spread import Part, Spread, half_width
from ..statistics import Samples
from ..timeline import Analysis
from .times import StepTime

_NS = 1e-9
AnyLine = TypeVar("AnyLine", bound=Line)


@dataclass(frozen=True, eq=False)
class Arm:
    """``costs``: of the steps without the observer; ``side``: their ledger, with the time; ``others``: the ledger with
    each thing that is not known one standard deviation away, such as the host's speed; ``replay``: of the same
    steps."""

    costs: StepCosts
    side: Side
    others: tuple[Side, ...]
    replay: Replay


def arms(analyses: Sequence[Analysis], times: Sequence[StepTime], step_range: str, spread: Spread) -> list[Arm]:
    """Both recordings. Raises RecordError where one has no such steps."""
    if analyses[0].devices:
        return [_on_gpu(one, time, step_range, spread) for one, time in zip(analyses, times, strict=True)]
    model = cpu_model(analyses, times, step_range)
    return [_on_cpu(one, time, step_range, model, spread) for one, time in zip(analyses, times, strict=True)]


def _on_gpu(analysis: Analysis, time: StepTime, step_range: str, spread: Spread) -> Arm:
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    recording = observer(trace, time.events, time.observed / _NS).off(trace)
    costs, *others = _costs(trace, recording.spread(spread), analysis, step_range, time.bitsandbytes)
    return Arm(costs, _side(costs, time), _sides(costs, others, time), Replay.of(recording))


def _costs(
    trace: Undisturbed, recording: Recording, analysis: Analysis, step_range: str, bitsandbytes: str | None
) -> list[StepCosts]:
    """Of the steps by each plan, its own first."""
    observed = step_costs(analysis, step_range, bitsandbytes)
    if not any(observed.causes[name].any() for name in c.BUSY):
        # Nothing runs on the GPU in these steps: they are all host.
        return [observed, *(_times(observed, plan.tail) for plan in recording.others)]
    traces = (trace.analysis(plan) for plan in (recording.plan, *recording.others))
    return [step_costs(each, step_range, bitsandbytes) for each in traces]


def cpu_model(analyses: Sequence[Analysis], times: Sequence[StepTime], step_range: str) -> ObserverModel:
    """What recording cost on a CPU, fitted over some traces whose times are known."""
    observed = [step_costs(one, step_range, time.bitsandbytes) for one, time in zip(analyses, times, strict=True)]
    counts = np.array([_counts(costs) for costs in observed])
    plain = np.array([time.observed for time in times])
    extra = np.array([float(costs.wall.mean()) * _NS for costs in observed]) - plain
    loops = np.mean([(time.events.operator, time.events.range / 2) for time in times], axis=0) * _NS
    return fitted(counts, extra, plain, loops)


def _counts(costs: StepCosts) -> tuple[float, float]:
    """Recorded operators and range ends of one step."""
    events = [costs.events[name] for name in costs.causes if name in costs.events]
    return sum(float(one.mean()) for one, _ in events), sum(float(other.mean()) for _, other in events)


def _on_cpu(analysis: Analysis, time: StepTime, step_range: str, model: ObserverModel, spread: Spread) -> Arm:
    steps, unknown = cpu_steps(analysis.timeline, Classes(time.bitsandbytes), step_range)
    costs, *others = (
        costs_of(list(less_observer(steps, each)), unknown) for each in (model, *_otherwise(steps, model))
    )
    replay = Replay(analysis, step_range, time.bitsandbytes).less_observer(model)
    others.append(_times(costs, 1.0 + spread.host))
    return Arm(costs, _side(costs, time), _sides(costs, others, time), replay)


def _otherwise(steps: Sequence[Step], model: ObserverModel) -> list[ObserverModel]:
    """The same cost in all, with operators dearer than ranges."""
    counts = [(item.operators, item.ranges) for step in steps for item in step.segments]
    operators, ends = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    total = operators * model.operator + ends * model.range_end
    dearer = operators * model.operator * UNLIKE + ends * model.range_end
    return [ObserverModel(model.operator * UNLIKE * total / dearer, model.range_end * total / dearer)] if dearer else []


def _times(costs: StepCosts, factor: float) -> StepCosts:
    """All of it on a slower machine."""

    def longer(columns: Mapping[object, Ns]) -> dict[object, Ns]:
        return {key: np.rint(column * factor).astype(np.int64) for key, column in columns.items()}

    wall = np.rint(costs.wall * factor).astype(np.int64)
    return replace(costs, wall=wall, causes=longer(costs.causes), sources=longer(costs.sources))  # type: ignore[arg-type]


def _sides(costs: StepCosts, others: Sequence[StepCosts], time: StepTime) -> tuple[Side, ...]:
    """The ledgers of other machines: the unprofiled time grows as the step does."""
    before = float(costs.wall.mean())
    return tuple(_side(each, time, float(each.wall.mean()) / before if before else 1.0) for each in others)


def _side(costs: StepCosts, time: StepTime, factor: float = 1.0) -> Side:
    wall = tuple(tuple(value * factor for value in part) for part in time.samples)
    lines = {name: _column(column) for name, column in costs.causes.items()}
    plain: Samples = () if time.plain is None else ((time.plain * factor,),)
    return Side(wall, lines, plain, leading=leading(costs))


def leading(costs: StepCosts) -> dict[tuple[str, str], Samples]:
    """(idle cause, work) → s of that idle line after which that work was to start."""
    found: dict[tuple[str, str], Ns] = defaultdict(lambda: np.zeros(costs.steps, np.int64))
    for source, column in costs.sources.items():
        found[source.cause, source.work] = found[source.cause, source.work] + column
    return {key: _column(column) for key, column in found.items()}


def _column(column: Ns) -> Samples:
    return (tuple((column * _NS).tolist()),)


def with_spread(line: AnyLine, both: Sequence[Arm], samples: Callable[[Side], Samples]) -> AnyLine:
    """A difference of the two arms with its interval. ``samples``: of one side the steps of one recording, s.

    A correction stays as it is: what one recording and one time leave open has no variation to show.
    """
    if line.cause in c.CORRECTIONS:
        return line
    parts: list[Part] = []
    effects: list[float] = []
    for arm in both:
        steps = np.asarray(samples(arm.side)[0], np.float64) * 1e3
        parts.append((float(steps.var(ddof=1)) / len(steps), len(steps) - 1.0) if len(steps) > 1 else (0.0, 0.0))
        effects += [float(np.mean(samples(side)[0])) * 1e3 - float(steps.mean()) for side in arm.others]
    half = half_width(parts, effects)
    if half is None:
        return replace(line, low=None, high=None)
    return replace(line, low=line.delta_ms - half, high=line.delta_ms + half)
