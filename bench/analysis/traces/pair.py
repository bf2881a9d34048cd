"""Two traces explained: as a run is where the unprofiled times of a step are known, else as far as the traces tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.record import causes as c
from bench.record.errors import RecordError
from bench.record.metrics import MS_PER_NS
from bench.record.schema import Finding
from bench.record.timeline import about

from ..generation import rows, summarise
from ..grouping import setting_of
from ..ledger.accounting import Cause, account, cause_samples
from ..ledger.closure import Closed, Line, Side, close, on_grid
from ..ledger.costs import IdleSource, Ns, StepCosts
from ..ledger.gpu import named_windows
from ..ledger.pairs import SourceLine, observed_records, observer_models, pairs, with_rest
from ..ledger.read import STEP_RANGE, step_costs
from ..replay.diagnosis import Diagnosis
from ..replay.undisturb import replay_of
from ..statistics import Estimate
from ..statistics.spread import ASSUMED, Bounded, Spread, seen
from ..statistics.verdict import Verdict, verdict
from ..timeline import Analysis
from ..timeline.gpus import copy_sums
from ..timeline.intervals import Cover
from .arm import arms, with_spread
from .findings import left_open, of_sample, of_times, of_work
from .noticed import Noticed, noticed_of
from .recorded import Origin, Recorded, TraceOrigin, origin_of, recorded
from .times import StepTime, given_time, time_ratio, timed_in


@dataclass(frozen=True, eq=False)
class Trace:
    """A trace to explain. ``time_ms``: what a step takes without a profiler, where the user says so; ``step_range``:
    the name of its steps."""

    path: Path
    analysis: Analysis
    time_ms: float | None = None
    step_range: str = STEP_RANGE


@dataclass(frozen=True)
class Timed:
    """The answer on real time. ``closed`` and ``causes`` in ms per ``unit``; ``diagnosis``: what removing each cause
    would save, by replay; where that is refused, there are no lines and no causes either. ``run``: the folder whose own
    answer this is, "" where it was made from the traces. ``seen``: whether times of enough processes show how much
    these differ; else that is assumed."""

    times: tuple[StepTime, StepTime]
    closed: Closed
    causes: tuple[Cause, ...]
    ratio: Estimate
    verdict: Verdict
    diagnosis: Diagnosis
    sources: tuple[SourceLine, ...]
    unit: str = "step"
    run: str = ""

    @property
    def seen(self) -> bool:
        return not self.ratio.assumed


@dataclass(frozen=True)
class TracePair:
    """``recorded``: what the traces say by themselves; ``timed``: None where a step's time is not known of both.
    ``missing``: why. ``unknown``: names in ``other`` of both, with their share of it."""

    device: str
    steps: tuple[int, int]
    recorded: Recorded
    timed: Timed | None
    missing: str
    sources: tuple[SourceLine, ...]
    unknown: tuple[tuple[str, float], ...]
    findings: tuple[Finding, ...]
    copies: tuple[tuple[CopyLine, ...], tuple[CopyLine, ...]] = ((), ())


def explain_traces(reference: Trace, candidate: Trace, spread: Spread = ASSUMED) -> TracePair:
    """The candidate against the reference. Raises RecordError where a trace has no such steps, or where one holds GPU
    work and the other does not, and UsageError for times that cannot be those of the recorded steps."""
    both = (reference, candidate)
    with_gpu = [trace for trace in both if trace.analysis.devices]
    if len(with_gpu) == 1:
        raise RecordError(
            f"only {with_gpu[0].path} holds GPU work: take two traces of the same kind of device, recorded alike"
        )
    steps = reference.step_range, candidate.step_range
    costs = _costs(reference), _costs(candidate)
    analyses = reference.analysis, candidate.analysis
    alone = recorded(analyses, costs, steps, spread)
    found = [origin_of(trace.path) for trace in both]
    times, missing = _times(both, found)
    noticed = noticed_of(both, costs, found)
    alone = replace(alone, verdict=None) if noticed.apart else alone
    alone = replace(alone, lines=tuple(noticed.as_sure(line) for line in alone.lines))
    timed, told = None, list(noticed.findings)
    if times is None:
        told += [] if noticed.apart else of_work(alone)
    else:
        told += of_times(times, alone, costs[0].device)
        run = _one_run(both, found)
        timed = (_of_run(run, analyses, times, spread) if run else None) or _doubted(
            _timed(analyses, times, steps, spread), noticed
        )
        told += left_open(timed.closed, timed.unit, timed.diagnosis.uniform) + of_sample(timed.diagnosis)
    sources = _sources(costs, None)
    count = costs[0].steps, costs[1].steps
    copies = copies_per_step(reference.analysis, steps[0]), copies_per_step(candidate.analysis, steps[1])
    return TracePair(costs[1].device, count, alone, timed, missing, sources, _unknown(costs), tuple(told), copies)


def _doubted(timed: Timed, noticed: Noticed) -> Timed:
    """An answer from two traces, as sure as these allow."""
    lines = tuple(noticed.as_sure(line) for line in timed.closed.lines)
    causes = tuple(noticed.as_sure(cause) for cause in timed.causes)
    closed = replace(timed.closed, lines=lines)
    return replace(timed, closed=closed, causes=causes, diagnosis=noticed.savings(timed.diagnosis))


def _costs(trace: Trace) -> StepCosts:
    with about(trace.path):
        return step_costs(trace.analysis, trace.step_range)


def _times(both: Sequence[Trace], found: Sequence[TraceOrigin]) -> tuple[tuple[StepTime, StepTime] | None, str]:
    """Both times, or why there are none."""
    times: list[StepTime] = []
    missing: list[str] = []
    for trace, origin, name in zip(both, found, ("reference", "candidate"), strict=True):
        time, why = (given_time(trace.time_ms), "") if trace.time_ms is not None else timed_in(origin, trace.step_range)
        times += [time] if time is not None else []
        missing += [] if time is not None else [f"of the {name}" + (f" ({why})" if why else "")]
    return ((times[0], times[1]), "") if len(times) == 2 else (None, " and ".join(missing))


Run = tuple[Origin, Origin]


def _one_run(both: Sequence[Trace], found: Sequence[TraceOrigin]) -> Run | None:
    """Where the traces are of one run, in one setting: then its records say more than one trace of each."""
    one, other = (each.origin for each in found)
    if one is None or other is None or any(trace.time_ms is not None for trace in both):
        return None
    if any(trace.step_range != STEP_RANGE for trace in both):
        return None
    if not all("ledger" in origin.record.setup for origin in (one, other)):
        return None
    same = one.folder == other.folder and setting_of(one.record.case) == setting_of(other.record.case)
    return (one, other) if same and one.record.case.scheme != other.record.case.scheme else None


def _of_run(run: Run, analyses: Sequence[Analysis], times: tuple[StepTime, StepTime], spread: Spread) -> Timed | None:
    """The run's own answer; None where it holds none."""
    one, other = run
    setting, scheme = setting_of(other.record.case), other.record.case.scheme
    base = one.record.case.scheme
    told = [pair for pair in pairs(one.records, base) if (pair.setting, pair.scheme) == (setting, scheme)]
    row = rows(summarise(one.records, reference=base)).get((setting, scheme))
    if not told or not told[0].instrument or told[0].reference != base or row is None or row.time_ratio is None:
        return None
    pair = told[0]
    models = observer_models(observed_records(one.records))
    before, after = (replay_of(each.record, analysis, models) for each, analysis in zip(run, analyses, strict=True))
    found = after.diagnose(before, spread)
    judged = row.verdict or verdict(row.time_ratio)
    return Timed(times, pair.closed, pair.causes, row.time_ratio, judged, found, pair.sources, "token", one.folder.name)


def _timed(
    analyses: Sequence[Analysis], times: tuple[StepTime, StepTime], steps: Sequence[str], spread: Spread
) -> Timed:
    """The answer from the two traces, each closed on its time."""
    both = arms(analyses, times, steps, spread)
    before, after = both.before, both.after
    closed = close(before.side, after.side)
    ratio, wall = time_ratio(*times, both.times), _wall(closed, both.times)
    if both.diagnosis.refused:
        closed = Closed(closed.reference_ms, closed.scheme_ms, wall, ())
        return Timed(times, closed, (), ratio, verdict(ratio), both.diagnosis, ())
    causes = account(before.side, after.side, closed)
    lines = tuple(with_spread(line, both, partial(Side.cause, name=line.cause)) for line in closed.lines)
    # What chance does to several is of intervals that were seen: these rest on what is assumed, each by itself.
    causes = tuple(
        replace(with_spread(cause, both, partial(cause_samples, name=cause.cause, closed=closed)), by_chance=False)
        for cause in causes
    )
    closed = Closed(closed.reference_ms, closed.scheme_ms, wall, lines)
    sources = _sources((before.costs, after.costs), closed)
    return Timed(times, closed, causes, ratio, verdict(ratio), both.diagnosis, sources)


def _wall(closed: Closed, times: tuple[Bounded, Bounded]) -> Line:
    """The difference of the times, by the same rule as their ratio."""
    line = closed.delta
    if seen(line.basis):
        return line
    found = times[1] - times[0]
    return replace(line, low=found.low * 1e3, high=found.high * 1e3)


def _sources(costs: tuple[StepCosts, StepCosts], closed: Closed | None) -> tuple[SourceLine, ...]:
    """The idle lines by what was to start next; with ``closed`` they add up to its lines."""
    before, after = costs
    made: list[SourceLine] = []
    for cause in c.IDLE:
        keys = [key for key in dict.fromkeys((*before.sources, *after.sources)) if key.cause == cause]
        parts = [_part(key, before.sources, after.sources) for key in keys]
        line = closed.line(cause) if closed is not None else _line(cause, costs)
        made += with_rest(line, parts) if parts and line is not None else []
    return tuple(made)


def _line(cause: str, costs: tuple[StepCosts, StepCosts]) -> Line:
    one, other = (
        on_grid(float(each.causes[cause].mean()) * MS_PER_NS) if cause in each.causes else 0.0 for each in costs
    )
    return Line(cause, one, other, other - one, None, None, "one value")


def _part(key: IdleSource, before: Mapping[IdleSource, Ns], after: Mapping[IdleSource, Ns]) -> SourceLine:
    one, other = (on_grid(float(side[key].mean()) * MS_PER_NS) if key in side else 0.0 for side in (before, after))
    return SourceLine(key.cause, key.range, key.operator, key.work, one, other)


def _unknown(costs: Sequence[StepCosts]) -> tuple[tuple[str, float], ...]:
    found = sum((Counter(dict(each.unknown)) for each in costs), Counter())
    total = sum(found.values())
    ranked = sorted(found.items(), key=lambda item: -item[1])[:5]
    return tuple((name, ns / total) for name, ns in ranked) if total else ()


_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True)
class CopyLine:
    """Per step: ``count`` copies of one direction, ``ms`` of their lengths added up, ``bytes``."""

    direction: str
    count: float
    ms: float
    bytes: float

    @property
    def said(self) -> str:
        """Such as "HtoD 0.9 ms, 90 MB at 100 GB/s"."""
        rate = f" at {_bytes(self.bytes / (self.ms * 1e-3))}/s" if self.ms and self.bytes else ""
        size = f", {_bytes(self.bytes)}" if self.bytes else ""
        return f"{self.direction} {self.ms:.3g} ms{size}{rate}"


def _bytes(number: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS if number >= size), ("B", 1.0))
    return f"{number / size:.3g} {unit}"


def copies_per_step(analysis: Analysis, step_range: str) -> tuple[CopyLine, ...]:
    """Each direction's, the longest first; () where nothing is copied in the steps. Raises RecordError where there are
    no such steps."""
    copies = analysis.timeline.copies
    if not len(copies):
        return ()
    start, end = named_windows(analysis, step_range)
    steps, inside = len(start), copies.where(Cover.union(start, end).holds(copies.start))
    return tuple(
        CopyLine(each.direction, each.count / steps, each.ns * 1e-6 / steps, each.bytes / steps)
        for each in copy_sums(inside)
    )
