"""Observes a few decode steps, or passes over prompts, from inside the process that makes them.

The same call's steps before and after the observed ones are plain: they tell what a step takes without the observer,
within a fraction of a second of it, so that a machine whose speed drifts spoils the comparison least (which of them
count: bench/analysis/ledger/plain.py). The capturing verbs' target and a run's own pass observe in this way.

What recording an event costs the host is measured in the process too, by the same short loops with and without the
recorder, in turn: an operator that does next to nothing, a module with the annotator's hooks, and on a GPU a small
kernel. The differences per iteration are kept as they are; a single one may be negative on a noisy machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.ledger.plain import PLAIN, places, undisturbed
from bench.analysis.ledger.read import PREFILL_RANGE, STEP_RANGE
from bench.models.architecture import positions
from bench.record.errors import MeasurementError
from bench.record.schema import Metric, metric
from bench.workloads.batches import extended
from bench.workloads.compiling import takes_hooks
from bench.workloads.session import Session

from .annotate import RangeAnnotator, RecordFunctionBackend, annotator
from .window import KinetoRecorder, PrefillRanges, Recorder, Window

# Before the observed first visits: steps enough for a few plain ones.
FIRST_WINDOW = 8


@dataclass(frozen=True)
class Seen:
    """``samples``: metric → values, s, of what was timed beside the observed steps; ``plain_steps``: which decode steps
    of the call the plain ones are; ``range``: what one observed step is called."""

    samples: Samples
    facts: Mapping[str, Any]
    plain_steps: tuple[int, ...] = ()
    range: str = STEP_RANGE

    @property
    def plain_ns(self) -> float | None:
        """The median plain step that nothing disturbs."""
        values, device = self.samples.get(PLAIN, ()), str(self.facts.get("device", "cpu"))
        plain = undisturbed(values, self.facts.get("first_step"), device)
        return statistics.median(plain) * 1e9 if plain else None

    def metrics(self) -> tuple[Metric, ...]:
        """The samples as metrics."""
        return tuple(metric(name, values) for name, values in self.samples.items() if values)


def observe(session: Session, recorder: Recorder, ranges: Any, first: int, steps: int) -> Seen:
    """One generate call with ``steps`` decode steps from ``first`` open to the recorder.

    Raises MeasurementError where the call ended before they did.
    """
    window = Window(annotator(ranges), recorder, first, steps)
    hooked = takes_hooks(session.loaded.arm)
    if hooked:
        window.attach(session.loaded.model)
    try:
        call = session.generate(session.batches[0], window)
    finally:
        if hooked:
            window.detach()
    if not window.complete:
        raise MeasurementError(f"the call ended after {len(call.steps)} decode steps: use fewer --skip or --steps")
    plain = places(first, steps, len(call.steps))
    facts = {
        "first_step": first, "steps": steps, "ranges": ranges if hooked else f"{ranges}, of steps alone",
        "prompts": prompts(session),
        "device": session.case.device, "lengths": list(call.visit.lengths[first : first + steps]),
        "first_visits": sum(call.visit.new[first : first + steps]),
    }  # fmt: skip
    return Seen({PLAIN: [call.steps[step] for step in plain]}, facts, plain)


def observe_first_visits(session: Session, trace: Path, steps: int) -> Seen:
    """Observe steps at key-value lengths that the process has not met: those that follow the longest one."""
    case, start = session.case, _longest(session)
    longer = Session(
        replace(case, new_tokens=_tokens(steps), stop="length"), session.loaded,
        [extended(session.batches[0], start)], session.lengths,
    )  # fmt: skip
    return observe_kineto(longer, trace, FIRST_WINDOW, steps)


def no_first_visits(session: Session, steps: int) -> str:
    """Why there are no new lengths to observe; "" where there are."""
    if session.case.cache == "static":
        return "with a static cache only a call's first decode step can meet a new length"
    start, tokens = _longest(session), _tokens(steps)
    limit = positions(session.loaded.model.config)
    if limit is not None and start + tokens > limit:
        return f"after {start} tokens no {tokens} are left of the model's {limit} positions"
    return ""


def _longest(session: Session) -> int:
    return max(session.lengths.longest(session.case.batch_size or 1), session.batches[0].prompt_length)


def _tokens(steps: int) -> int:
    return FIRST_WINDOW + steps + 2  # with the step in which the recorder is closed


def observe_kineto(session: Session, trace: Path, first: int, steps: int) -> Seen:
    """Observe with torch.profiler, write the Chrome trace, and measure what an event costs."""
    recorder = KinetoRecorder(session.case.device)
    seen = observe(session, recorder, "record_function", first, steps)
    recorder.write(str(trace))
    return Seen({**seen.samples, **measure(session.case.device)}, seen.facts, seen.plain_steps)


def observe_prefill(session: Session, trace: Path, least: int, timed: Sequence[float]) -> Seen:
    """Observe the pass over each prompt, each twice or more, and ``least`` passes in all. The plain ones are of the
    same prompts just before and after; on a GPU they are the process's ``timed`` calls, s to the first token: CUPTI may
    be attached already, which slows down what is not observed too."""
    hooked, on_gpu = takes_hooks(session.loaded.arm), session.case.device == "cuda"
    batches = session.batches * max(-(-least // len(session.batches)), 2)
    recorder, ranges = KinetoRecorder(session.case.device), RangeAnnotator(RecordFunctionBackend())
    plain = list(timed) if on_gpu else [session.prefill(batch) for batch in batches]
    if hooked:
        ranges.attach(session.loaded.model)
    try:
        recorder.prepare()
        recorder.start()
        for batch in batches:
            session.prefill(batch, PrefillRanges(ranges))
        recorder.stop()
    finally:
        ranges.detach()
    plain += [] if on_gpu else [session.prefill(batch) for batch in batches]
    recorder.write(str(trace))
    facts = {
        "steps": len(batches), "ranges": "record_function" if hooked else "record_function, of steps alone",
        "prompts": prompts(session), "device": session.case.device,
        "lengths": [batch.prompt_length for batch in batches],
    }  # fmt: skip
    return Seen({PLAIN: plain, **measure(session.case.device)}, facts, range=PREFILL_RANGE)


def prompts(session: Session) -> list[list[str]]:
    """The names of the prompts, batch by batch."""
    return [list(batch.names) for batch in session.batches]


BATCHES = 8
ITERATIONS = 150
Samples = dict[str, list[float]]


def measure(device: str) -> Samples:
    """Seconds per event, one value per batch: "operator_event_cost", "range_event_cost", on CUDA "call_event_cost"."""
    import torch

    small = torch.zeros(8)
    probe, annotated = _probe(), _probe()
    annotator = RangeAnnotator(RecordFunctionBackend())
    annotator.attach(torch.nn.Sequential(annotated))
    loops: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "operator_event_cost": (lambda: torch.neg(small), lambda: torch.neg(small)),
        "range_event_cost": (lambda: probe(small), lambda: annotated(small)),
    }
    if device == "cuda":
        on_gpu = torch.zeros(8, device=device)
        loops["call_event_cost"] = (lambda: torch.neg(on_gpu), lambda: torch.neg(on_gpu))
    for plain, observed in loops.values():
        _timed(plain), _timed(observed)
    try:
        return _differences(loops, device)
    finally:
        annotator.detach()


def _differences(loops: dict[str, tuple[Callable[[], Any], Callable[[], Any]]], device: str) -> Samples:
    plain = {name: [_timed(run) for _ in range(BATCHES)] for name, (run, _) in loops.items()}
    recorder = KinetoRecorder(device)
    recorder.prepare()
    recorder.start()
    observed = {name: [_timed(run) for _ in range(BATCHES)] for name, (_, run) in loops.items()}
    recorder.stop()
    found = {name: [b - a for a, b in zip(plain[name], observed[name], strict=True)] for name in loops}
    if "call_event_cost" in found:
        # The small kernel is an operator too: what is left is the call that launches it.
        operator = float(np.median(found["operator_event_cost"]))
        found["call_event_cost"] = [value - operator for value in found["call_event_cost"]]
    return found


def _probe() -> Any:
    import torch

    class Probe(torch.nn.Module):
        """Looks like a Linear to the annotator and does nothing."""

        in_features = 1

        def forward(self, value: Any) -> Any:
            return value

    return Probe()


def _timed(run: Callable[[], Any]) -> float:
    """Seconds per iteration."""
    start = time.perf_counter()
    for _ in range(ITERATIONS):
        run()
    return (time.perf_counter() - start) / ITERATIONS
