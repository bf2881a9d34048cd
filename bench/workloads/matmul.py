"""Layer-level matrix products: every arm of one Linear shape, interleaved in one process, stopped by noise.

All points (arm × M × operation × residency) take turns in random order, a burst of calls each, until a point's
relative standard error is small enough or its time is up. Calls of one burst are alike, so the error is of the bursts'
means. Where the error that was asked for is out of a point's reach, as its first bursts show, the point has a goal of
its own. A point's Record is handed over as soon as it is done. An error fails its own point, and the others go on,
unless it took the device along.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from bench.instruments.cpu import last_level_cache_bytes
from bench.instruments.timing import NO_EVENTS, CallTimer, RunningNoise, timer_for
from bench.record.schema import Case, Finding, metric
from bench.schemes import arm, linear_kernels
from bench.workloads.matmul_arms import ArmUnderTest, Truth, make_truth
from bench.workloads.models import refuse_unavailable, require_device
from bench.workloads.outcome import Outcome, failed

BURST = 20
PRIMING_CALLS = 2
# Calls of one burst are alike, so three bursts are the least that shows how bursts differ (analysis/statistics/turns).
MIN_SAMPLES = 3 * BURST
MAX_SAMPLES = 400
# Of the bursts that a point has time for, the share in which it should reach a goal of its own: three bursts tell the
# spread of all but roughly.
GOAL_WITHIN = 0.5
NOISE, OWN_GOAL = "noise", "noise, at a goal of its own"
# Rotation covers the last-level cache this many times, because replacement is not strictly least recently used.
CACHE_FACTOR = 2


@dataclass
class SampledCase:
    """One Case being sampled."""

    case: Case
    under_test: ArmUnderTest
    call: Any
    copies: int
    relative_error: float | None
    spent: float = 0.0
    warmup: list[float] = field(default_factory=list)
    forward: list[float] = field(default_factory=list)
    dispatch: list[float] = field(default_factory=list)
    noise: RunningNoise = field(default_factory=RunningNoise)
    goal: float | None = None

    @property
    def reads_back(self) -> bool:
        """True where the call waits for the device, so that the launch queue cannot be kept full."""
        return self.under_test.synchronises and self.case.op in ("linear", "quantise_activations")

    def sample(self, timer: CallTimer) -> None:
        """Two priming calls (kept as warm-up), then a burst."""
        start = time.perf_counter()
        self.warmup += timer.burst(self.call, PRIMING_CALLS, hold=False).forward
        burst = timer.burst(self.call, BURST, hold=not self.reads_back)
        self.forward += burst.forward
        self.dispatch += burst.dispatch
        self.noise.add(statistics.fmean(burst.forward))
        self.spent += time.perf_counter() - start

    def stop(self, target: float, seconds: float) -> str | None:
        """Why this point is done, or None. ``target``: the relative standard error that is asked for."""
        if len(self.forward) < MIN_SAMPLES:
            return "sample limit" if len(self.forward) >= MAX_SAMPLES else None
        error = self.noise.relative_standard_error()
        if self.goal is None:
            self.goal = max(target, self._within_reach(error, seconds))
        if error <= self.goal:
            return NOISE if error <= target else OWN_GOAL
        if self.spent >= seconds:
            return "time limit"
        return "sample limit" if len(self.forward) >= MAX_SAMPLES else None

    def _within_reach(self, error: float, seconds: float) -> float:
        """The error after a share of all bursts that the limits allow, where that falls with their square root."""
        bursts = self.noise.count
        most = min(MAX_SAMPLES / BURST, seconds / (self.spent / bursts) if self.spent else math.inf)
        return error * math.sqrt(bursts / max(GOAL_WITHIN * most, bursts + 1))


def run(cases: Sequence[Case], options: Mapping[str, Any]) -> Iterator[Outcome]:
    """The outcomes of all ``cases``, which share one shape (n, k), model and device."""
    import torch

    first = cases[0]
    require_device(first.device)
    timer = timer_for(first.device)
    with torch.inference_mode():
        points, failures = _points(cases, options)
        yield from failures
        yield from _sample_all(points, timer, options, first.seed, timer.event_overhead())


def _points(cases: Sequence[Case], options: Mapping[str, Any]) -> tuple[list[SampledCase], list[Outcome]]:
    first = cases[0]
    schemes = dict.fromkeys(case.scheme for case in cases)
    most = max(case.m or 1 for case in cases)
    planted = max(arm(scheme).planted_columns for scheme in schemes)
    truth = make_truth(
        most, first.n or 0, first.k or 0, first.device, first.seed, planted, bias=bool(options.get("bias"))
    )
    points: list[SampledCase] = []
    failures: list[Outcome] = []
    for scheme in schemes:
        mine = [case for case in cases if case.scheme == scheme]
        try:
            made = _arm_points(mine, truth, options)
        except Exception as error:
            failures += [_failed(case, error, options) for case in mine]
        else:
            points += made[0]
            failures += made[1]
    return points, failures


def _failed(case: Case, error: Exception, options: Mapping[str, Any]) -> Outcome:
    """What an error leaves of one point; the others go on. Raises it again where it took the device along."""
    if is_lost(case.device):
        raise error
    return replace(failed(case, "matmul", error), setup=_arm_setup(case, options))


def _arm_points(
    cases: Sequence[Case], truth: Truth, options: Mapping[str, Any]
) -> tuple[list[SampledCase], list[Outcome]]:
    """Hot and cold points of one scheme. The copies of the cold ones are made first: a forward may repack weights."""
    chosen = arm(cases[0].scheme)
    refuse_unavailable(chosen, cases[0].device)
    hot, cold = ArmUnderTest(chosen, truth), ArmUnderTest(chosen, truth)
    copies = cold_copies(cold, options["max_copies"], cases[0].device)
    if any(case.residency == "cold" for case in cases):
        cold.rotate_through(copies)
    error_at = _errors(hot, truth)
    points: list[SampledCase] = []
    failures: list[Outcome] = []
    for case in cases:
        try:
            points.append(_point(case, cold if case.residency == "cold" else hot, error_at))
        except Exception as error:
            failures.append(_failed(case, error, options))
    return points, failures


def _point(case: Case, under_test: ArmUnderTest, error_at: Callable[[int], float]) -> SampledCase:
    m = case.m or 1
    error = error_at(m) if case.op == "linear" else None
    operation, x = under_test.operation(case.op or "linear", m), under_test.input(m)
    return SampledCase(case, under_test, _bind(operation, x), len(under_test.modules), error)


def _bind(operation: Any, x: Any) -> Any:
    return lambda: operation(x)


def cold_copies(under_test: ArmUnderTest, most: int, device: str) -> int:
    wanted = -(-CACHE_FACTOR * last_level_cache_bytes(device) // under_test.weight_bytes()) + 1
    return int(min(most, wanted))


def _errors(under_test: ArmUnderTest, truth: Truth) -> Callable[[int], float]:
    """‖out − ref‖ / ‖ref‖ (Frobenius) for M rows, against float64."""
    reference = truth.reference(under_test.arm)

    @cache
    def error_at(m: int) -> float:
        out = under_test.modules[0](under_test.input(m)).double()
        return float((out - reference[:m]).norm() / reference[:m].norm())

    return error_at


def _sample_all(
    points: list[SampledCase], timer: CallTimer, options: Mapping[str, Any], seed: int, overhead: Sequence[float] = ()
) -> Iterator[Outcome]:
    """``overhead``: raw event times of nothing, which the Records keep beside theirs."""
    order = random.Random(seed)
    remaining = list(points)
    while remaining:
        order.shuffle(remaining)
        for point in list(remaining):
            outcome = _turn(point, timer, options, seed)
            if outcome is not None:
                remaining.remove(point)
                yield _with_overhead(outcome, overhead)


def _with_overhead(outcome: Outcome, overhead: Sequence[float]) -> Outcome:
    if outcome.status != "ok":
        return outcome
    if not overhead:
        return replace(outcome, not_collected={**outcome.not_collected, "event_overhead": NO_EVENTS})
    return replace(outcome, metrics=(*outcome.metrics, metric("event_overhead", overhead)))


def _turn(point: SampledCase, timer: CallTimer, options: Mapping[str, Any], seed: int) -> Outcome | None:
    """One burst of a point; its Outcome where it is done, or failed."""
    try:
        point.sample(timer)
    except Exception as error:
        return _failed(point.case, error, options)
    why = point.stop(options["relative_standard_error"], options["seconds"])
    return None if why is None else _outcome(point, why, options, seed)


def _outcome(point: SampledCase, why: str, options: Mapping[str, Any], seed: int) -> Outcome:
    metrics = [metric("forward_time", point.forward), metric("warmup_time", point.warmup)]
    metrics += [metric("dispatch_time", point.dispatch)] if point.dispatch else []
    metrics += [metric("relative_error", point.relative_error)] if point.relative_error is not None else []
    cache = last_level_cache_bytes(point.case.device)
    rotated = point.copies * point.under_test.weight_bytes()
    setup = _arm_setup(point.case, options) | {
        "stop": why,
        "relative_standard_error_reached": point.noise.relative_standard_error(),
        "relative_standard_error_goal": point.goal,
        "relative_standard_error_of": "the means of bursts",
        "copies": point.copies,
        "rotated_bytes": rotated,
        "cache_bytes": cache,
        "order_seed": seed,
        "burst": BURST,
        "queue": _queue(point),
    }
    cold = (_not_cold(rotated, cache),) if point.case.residency == "cold" and rotated < cache else ()
    kernels = linear_kernels.facts(point.under_test.modules[0]) if point.case.op == "linear" else {}
    setup |= {"linears_4bit": kernels} if kernels else {}
    findings = (*cold, *linear_kernels.findings(kernels, setup["arm"]["compute_dtype"]))
    absent = {} if point.dispatch else {"dispatch_time": "on the CPU the call itself is the dispatch"}
    return Outcome(point.case, "matmul", setup=setup, metrics=tuple(metrics), not_collected=absent, findings=findings)


def _queue(point: SampledCase) -> str:
    if point.case.device == "cpu":
        return "none: CPU"
    return "empty: the call synchronises" if point.reads_back else "kept full"


def _arm_setup(case: Case, options: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    return {
        "arm": arm(case.scheme).facts(),
        "count_in_model": options["count_in_model"],
        "bias": bool(options.get("bias")),
        "relative_standard_error_target": options["relative_standard_error"],
        "time_limit_s": options["seconds"],
        "threads": torch.get_num_threads(),
        "weights": "random",
    }


def _not_cold(rotated: int, cache: int) -> Finding:
    return Finding(
        "not-cold",
        "info",
        "some rotated weights fit in the last-level cache: their 'cold' times are times from that cache",
        evidence=f"{rotated} B rotated, {cache} B of cache",
        remedy="small layers need more copies: raise the preset's max_copies, or measure a larger model",
    )


def is_lost(device: str) -> bool:
    """True where ``device`` ("cpu" or "cuda") answers nothing more in this process."""
    if device == "cpu":
        return False
    import torch

    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
