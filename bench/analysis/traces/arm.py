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
from numpy.typing import NDArray

from bench.record import causes as c

from ..ledger.classes import Classes
from ..ledger.closure import Line, Side
from ..ledger.costs import Ns, StepCosts
from ..ledger.cpu import costs_of
from ..ledger.observer import NOTHING, ObserverModel, fitted
from ..ledger.read import step_costs
from ..ledger.segments import Step, cpu_steps
from ..observer import UNLIKE, observer, scales
from ..replay.simulate import Plan, Recording, slower
from ..replay.undisturb import Undisturbed
from ..replay.whatif import Replay, less_observer
from ..spread import Spread, half_width
from ..statistics import Samples
from ..timeline import Analysis
from .times import StepTime

_NS = 1e-9
AnyLine = TypeVar("AnyLine", bound=Line)


@dataclass(frozen=True, eq=False)
class Arm:
    """``costs``: of the steps without the observer; ``side``: their ledger, with the time; ``replay``: of the same
    steps."""

    costs: StepCosts
    side: Side
    replay: Replay


Sides = tuple[Side, Side]


@dataclass(frozen=True)
class Arms:
    """Both recordings. ``processes`` and ``model``: their ledgers again, each time one standard deviation away in what
    another process would do, or in what recording cost."""

    before: Arm
    after: Arm
    processes: tuple[Sides, ...]
    model: tuple[Sides, ...]


def arms(analyses: Sequence[Analysis], times: Sequence[StepTime], step_range: str, spread: Spread) -> Arms:
    """Both recordings. Raises RecordError where one has no such steps."""
    if not analyses[0].devices:
        return _on_cpu(analyses, times, step_range, spread)
    (before, *theirs), (after, *mine) = (
        _on_gpu(one, time, step_range, spread) for one, time in zip(analyses, times, strict=True)
    )
    processes, model = (
        (*((side, after.side) for side in one), *((before.side, side) for side in other))
        for one, other in zip(theirs, mine, strict=True)
    )
    return Arms(before, after, processes, model)


def _on_gpu(
    analysis: Analysis, time: StepTime, step_range: str, spread: Spread
) -> tuple[Arm, tuple[Side, ...], tuple[Side, ...]]:
    """One recording, and its ledgers one standard deviation away in its process and in its observer."""
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    recording = less_observer_of(trace, time, spread)
    observed = step_costs(analysis, step_range, time.bitsandbytes)

    def costs_by(plan: Plan) -> StepCosts:
        if not any(observed.causes[name].any() for name in c.BUSY):
            return _times(observed, plan.tail)  # nothing runs on the GPU in these steps: they are all host
        return step_costs(trace.analysis(plan), step_range, time.bitsandbytes)

    costs = costs_by(recording.plan)
    processes, model = (
        tuple(_side(costs_by(plan), time) for plan in plans) for plans in (recording.processes, recording.model)
    )
    return Arm(costs, _side(costs, time), Replay.of(recording)), processes, model


def less_observer_of(trace: Undisturbed, time: StepTime, spread: Spread) -> Recording:
    """A GPU's trace without its observer, as a process that is one standard deviation slower would have it too: the one
    that was recorded, or the one that was timed."""
    plain = time.observed / _NS
    if time.plain is not None:  # the time is of the very process that was observed
        return observer(trace, time.events, plain).off(trace).spread(spread)
    found = observer(trace, time.events, plain, spread.gpu)
    recording = found.off(trace)
    factors = [{"host": 1.0 + spread.host}] * bool(spread.host) + [{"gpu": 1.0 + spread.gpu}] * bool(spread.gpu)
    grown = trace.lengths([recording.plan, *(slower(recording.plan, **each) for each in factors)])
    asked = [(trace.unchanged, plain * float(length / grown[0])) for length in grown[1:] if grown[0]]
    asked += [(slower(trace.unchanged, **each), plain) for each in factors]
    if not (asked and trace.total(time.events)):
        return recording.spread(spread)
    known = zip(asked, scales(trace, time.events, asked, spread.gpu), strict=True)
    plans = [trace.plan(time.events.times(scale), base=base) for (base, _), (scale, _) in known]
    return replace(recording, processes=tuple(plans))


def cpu_model(
    observed: Sequence[StepCosts], times: Sequence[StepTime], factors: Sequence[float] = (1.0, 1.0)
) -> ObserverModel:
    """What recording cost on a CPU, fitted over some recordings whose times are known; ``factors``: of recordings that
    took longer than these."""
    counts = np.array([_counts(costs) for costs in observed])
    plain = np.array([time.observed for time in times])
    walls = [float(costs.wall.mean()) * _NS * factor for costs, factor in zip(observed, factors, strict=False)]
    loops = np.mean([(time.events.operator, time.events.range / 2) for time in times], axis=0) * _NS
    return fitted(counts, np.array(walls) - plain, plain, loops)


def _counts(costs: StepCosts) -> tuple[float, float]:
    """Recorded operators and range ends of one step."""
    events = [costs.events[name] for name in costs.causes if name in costs.events]
    return sum(float(one.mean()) for one, _ in events), sum(float(other.mean()) for _, other in events)


def _on_cpu(analyses: Sequence[Analysis], times: Sequence[StepTime], step_range: str, spread: Spread) -> Arms:
    """The observer is one for both, and so is its error."""
    read = [_Read.of(analysis, time, step_range) for analysis, time in zip(analyses, times, strict=True)]
    observed = [each.less(NOTHING) for each in read]
    model, slower = cpu_model(observed, times), 1.0 + spread.host
    costs = [each.less(model) for each in read]
    sides = [_side(each, time) for each, time in zip(costs, times, strict=True)]

    def both(model: ObserverModel, factors: Sequence[float] = (1.0, 1.0)) -> Sides:
        rows = zip(read, times, factors, strict=True)
        one, other = (_side(each.less(model, factor), time) for each, time, factor in rows)
        return one, other

    timed = [_side(_times(each, slower), time) for each, time in zip(costs, times, strict=True)]
    recorded = [both(cpu_model(observed, times, factors), factors) for factors in ((slower, 1.0), (1.0, slower))]
    processes = ((timed[0], sides[1]), (sides[0], timed[1]), *recorded) if spread.host else ()
    others = _otherwise(observed, model)
    arms = [
        Arm(cost, side, Replay(analysis, step_range, time.bitsandbytes).less_observer(model, others))
        for cost, side, analysis, time in zip(costs, sides, analyses, times, strict=True)
    ]
    return Arms(arms[0], arms[1], processes, tuple(both(other) for other in others))


@dataclass(frozen=True)
class _Read:
    """A CPU's recording, read once."""

    steps: Sequence[Step]
    unknown: dict[str, int]

    @classmethod
    def of(cls, analysis: Analysis, time: StepTime, step_range: str) -> _Read:
        return cls(*cpu_steps(analysis.timeline, Classes(time.bitsandbytes), step_range))

    def less(self, model: ObserverModel, factor: float = 1.0) -> StepCosts:
        """The costs of steps that took ``factor`` times as long, less what recording cost."""
        steps = self.steps if factor == 1.0 else [_longer(step, factor) for step in self.steps]
        return costs_of(list(less_observer(steps, model)), self.unknown)


def _longer(step: Step, factor: float) -> Step:
    return replace(step, segments=tuple(replace(item, ns=round(item.ns * factor)) for item in step.segments))


def _otherwise(observed: Sequence[StepCosts], model: ObserverModel) -> list[ObserverModel]:
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
    return (tuple((column * _NS).tolist()),)


def with_spread(line: AnyLine, both: Arms, samples: Callable[[Side], Samples]) -> AnyLine:
    """A difference of the two arms with its interval. ``samples``: of one side the steps of one recording, s.

    A correction stays as it is: what one recording and one time leave open has no variation to show.
    """
    if line.cause in c.CORRECTIONS:
        return line

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
