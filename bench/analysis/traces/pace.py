"""How far the usual time of a step may be from what a single process took: as far as what sets its pace differs.

On a CPU that is the host. On a GPU a replay of the steps without their observer tells what the step's time is where the
process' host and GPU are at the limits of what is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.record.metrics import S_PER_NS

from ..observer.replayed import observer
from ..replay.simulate import Recording, ReplayPlan, slower
from ..replay.undisturb import Undisturbed
from ..statistics.spread import Bounded, Spread
from ..timeline import Analysis
from .times import StepTime

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
