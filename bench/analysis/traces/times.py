"""What a step of a trace takes without a profiler: given by the user, or timed in the run that the trace belongs to.

And how far the usual time of a step may be from what a single process took: as far as what sets its pace differs. On a
CPU that is the host. On a GPU a replay of the steps without their observer tells what the step's time is where the
process' host and GPU are at the limits of what is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from bench.record.errors import UsageError
from bench.record.metrics import S_PER_NS

from ..ledger.phases import DECODE, PREFILL
from ..ledger.plain import plain_times
from ..ledger.read import PREFILL_RANGE, STEP_RANGE
from ..observer.costs import TYPICAL, EventCosts, event_costs
from ..observer.replayed import observer
from ..replay.simulate import Recording, ReplayPlan, slower
from ..replay.undisturb import Undisturbed
from ..statistics import Estimate, Samples, location, ratio
from ..statistics.spread import Bounded, Spread, seen
from ..timeline import Analysis
from .recorded import Origin, TraceOrigin


@dataclass(frozen=True)
class StepTime:
    """``samples``: s per step, one sequence per process. ``said``: where they are from. ``plain``: s of a step of the
    observed process that was not observed, where known; ``events``: what recording one event cost there, ns."""

    samples: Samples
    said: str
    plain: float | None = None
    events: EventCosts = TYPICAL
    bitsandbytes: str | None = None

    @property
    def seconds(self) -> float:
        """s per step."""
        return location(self.samples)

    @property
    def observed(self) -> float:
        """s of the observed process's own step without the observer, or the best guess at it."""
        return self.seconds if self.plain is None else self.plain


def given_time(ms: float) -> StepTime:
    """A time from the command line, ms per step. Raises UsageError for what is no time."""
    if not 0.0 < ms < float("inf"):
        raise UsageError(f"a step cannot take {ms:g} ms: give the time of a step without a profiler, in ms")
    return StepTime(((ms * 1e-3,),), "as given")


# What the steps of a run's own traces are called.
_PHASES = {STEP_RANGE: DECODE, PREFILL_RANGE: PREFILL}


def timed_in(found: TraceOrigin, step_range: str) -> tuple[StepTime | None, str]:
    """The time of the run that the trace belongs to, and why there is none where the trace does lie in a run folder."""
    origin = found.origin
    if origin is None:
        return None, found.note
    phase = _PHASES.get(step_range)
    if phase is None or origin.record.instrument not in phase.instruments:
        return None, f"{origin.folder.name} timed no {step_range} of this trace: its times are not used"
    batch = origin.record.case.batch_size or 1
    samples = tuple(tuple(time * batch for time in phase.times(record)) for record in origin.timed)
    samples = tuple(part for part in samples if part)
    if not samples:
        return None, f"{origin.folder.name} holds no unprofiled call of this Case"
    return replace(_observed(origin), samples=samples, said=_source_text(origin, samples)), ""


def _observed(origin: Origin) -> StepTime:
    """What the record of the trace itself says."""
    record = origin.record
    plain = plain_times(record)
    costs = event_costs(record)
    version = record.setup.get("ledger", {}).get("bitsandbytes")
    return StepTime((), "", median(plain) if plain else None, costs if costs != EventCosts() else TYPICAL, version)


def _source_text(origin: Origin, samples: Samples) -> str:
    calls = sum(map(len, samples))
    return f"timed in {origin.folder.name}: {_count(calls, 'call')} of {_count(len(samples), 'process')}"


def _count(number: int, what: str) -> str:
    plural = "" if number == 1 else "es" if what.endswith("s") else "s"
    return f"{number} {what}{plural}"


def time_ratio(reference: StepTime, candidate: StepTime, limits: tuple[Bounded, Bounded]) -> Estimate:
    """The candidate's time over the reference's. ``limits``: of both, as times of one process each; of several
    processes the ratio is as it is.

    The variation within one process is not in it: it is small beside, and single times have none."""
    found = ratio(candidate.samples, reference.samples)
    if seen(found.basis):
        return found
    apart = limits[1].log - limits[0].log
    return replace(found, low=math.exp(apart.low), high=math.exp(apart.high))


# How much slower the timed process' host is taken to be at most, and how many such hosts are tried.
_SLOWEST, _TRIED = 16.0, 33


def bounded_time(analysis: Analysis, time: StepTime, step_range: str, spread: Spread) -> Bounded:
    """Of a step of this trace, s. Raises RecordError where it has no such steps."""
    if not analysis.devices:
        return spread.all_host(time.seconds)
    trace = Undisturbed(analysis, step_range, time.bitsandbytes)
    return replayed(trace, steps_alone(trace, time, spread).plan, time, spread)


def all_host(times: Sequence[StepTime], spread: Spread) -> tuple[Bounded, Bounded]:
    """Both times as if the host worked all the while: so it is on a CPU, and may be where no replay tells."""
    one, other = (spread.all_host(time.seconds) for time in times)
    return one, other


def steps_alone(trace: Undisturbed, time: StepTime, spread: Spread) -> Recording:
    """A GPU's trace without its observer, for the process that was recorded."""
    other = 0.0 if time.plain is not None else spread.gpu  # a plain time is of the very process that was observed
    return observer(trace, time.events, time.observed / S_PER_NS, other).off(trace)


def replayed(trace: Undisturbed, plan: ReplayPlan, time: StepTime, spread: Spread) -> Bounded:
    """Of a step by the plan. Where it took longer than that, its process' host was so much slower; what that does not
    account for is the host's too."""
    usual = time.seconds
    hosts = np.geomspace(1.0, _SLOWEST, _TRIED)
    lengths = trace.lengths([slower(plan, host=float(host)) for host in hosts]) * S_PER_NS
    if not lengths[0]:
        return spread.all_host(usual)
    timed = slower(plan, host=float(np.interp(usual, lengths, hosts)))
    length, *others = (trace.lengths([timed, *(slower(timed, **each) for each in spread.limits)]) * S_PER_NS).tolist()
    missed = max(usual - length, 0.0)
    away = [other + missed * each["host"] for other, each in zip(others, spread.limits, strict=True)]
    return Bounded(usual, *(usual * each / (length + missed) for each in (min(away), max(away))))
