"""What the diagnosis says of real decoding on this machine's CPU, against what was planted in it (real.py).

One process, one thread. A plant wraps the forward of every Linear of the smoke model and acts in every second decode
step: unprofiled calls tell its true size, and recorded ones hold steps with and without it, from which the diagnosis
has to find the cause and its size. Neighbouring steps are compared, because the machine's speed drifts. What cannot
be switched between two steps, a neighbour on the same core, takes turns call by call.
"""

from __future__ import annotations

import contextlib
import ctypes
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.ledger.segments import Step
from bench.analysis.ledger.uniform import uniform_factor
from bench.analysis.observer.costs import EventCosts, median_costs
from bench.analysis.observer.fitted import ObserverModel, fitted
from bench.analysis.replay.diagnosis import Diagnosis
from bench.analysis.replay.diagnosis_cpu import diagnose_cpu, line_means
from bench.analysis.replay.whatif import Replay, less_observer
from bench.analysis.timeline import Analysis
from bench.presets import EndToEnd
from bench.record import causes as c
from bench.run.plan import generation_case
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from profiling.inside import Seen, observe_kineto
from profiling.summarize import read_timeline

from .judge import MACHINE, SILENT, WITHIN, Judged
from .real import WHERE, Forward, Real

NEW_TOKENS, FIRST, STEPS = 64, 10, 32
ROUNDS = 12
UNPROFILED = 2  # calls per round
# Medians of a noisy machine may stray by this share of a step although nothing was planted.
NOISE = 0.03


def _keep_memory() -> None:
    """Have the C library keep what is freed: page faults would come and go with what else the process allocates."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 26)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


@dataclass(frozen=True)
class Recorded:
    """Recorded steps with the plant or without it. ``plain``: ns of steps of the same call that were not recorded;
    ``events``: recorded operators and range ends per step."""

    steps: tuple[Step, ...]
    plain: float
    costs: EventCosts

    @property
    def events(self) -> tuple[float, float]:
        """Recorded operators and range ends per step."""
        segments = [item for step in self.steps for item in step.segments]
        count = len(self.steps)
        return sum(item.operators for item in segments) / count, sum(item.ranges for item in segments) / count

    @property
    def mean(self) -> float:
        """ns of a step."""
        return statistics.mean(step.ns for step in self.steps)


@dataclass(frozen=True)
class Round:
    """``sizes``: ns that the plant adds to an unprofiled step, and such a step without it, for neighbouring steps or
    calls; and the recordings without and with it."""

    sizes: tuple[tuple[float, float], ...]
    before: Recorded
    after: Recorded


class _Switch:
    """On in every second forward of the model, which begins with its first Linear."""

    def __init__(self) -> None:
        self.forwards = 0

    @property
    def on(self) -> bool:
        return self.forwards % 2 == 0

    def wrap(self, forward: Forward, planted: Forward, first: bool) -> Forward:
        """A Linear's forward, with the plant where it is on."""

        def switched(x: Any) -> Any:
            if first:
                self.forwards += 1
            return planted(x) if self.on else forward(x)

        return switched


class Planted:
    """The smoke model in one scheme with the plant."""

    def __init__(self, real: Real) -> None:
        import torch

        torch.set_num_threads(1)
        _keep_memory()
        source = resolve("smoke", None)
        sweep = EndToEnd("fidelity", (real.scheme,), new_tokens=NEW_TOKENS)
        case = generation_case(sweep, source, real.scheme, 1, "dynamic", "cpu", 0)
        loaded = models.load(source, arm(real.scheme), "cpu", 0)
        self._session = Session(case, loaded, make_batches(case, loaded, 1))
        self._real = real
        self._switch = _Switch()
        linears = [m for n, m in loaded.model.named_modules() if hasattr(m, "in_features") and n != "lm_head"]
        for module in linears if real.plant is not None else ():
            forward = module.forward
            module.forward = self._switch.wrap(forward, real.plant(module, forward), module is linears[0])

    def rounds(self) -> list[Round]:
        """All rounds."""
        self._call()
        make = self._by_step if self._real.beside is None else self._by_call
        with tempfile.TemporaryDirectory() as folder:
            return [make(Path(folder) / "trace.json.gz") for _ in range(ROUNDS)]

    def _call(self) -> list[float]:
        """ns of each decode step; the plant acts in the even ones: the prefill is the first forward."""
        self._switch.forwards = 0
        return [seconds * 1e9 for seconds in self._session.generate(self._session.batches[0]).steps]

    def _observed(self, trace: Path) -> tuple[Seen, tuple[Step, ...]]:
        self._switch.forwards = 0
        seen = observe_kineto(self._session, trace, FIRST, STEPS)
        return seen, Replay(Analysis(read_timeline(trace))).cpu_steps

    def _by_step(self, trace: Path) -> Round:
        sizes = []
        for _ in range(UNPROFILED):
            steps = self._call()
            sizes += [(steps[on] - steps[on + 1], steps[on + 1]) for on in range(2, len(steps) - 1, 2)]
        seen, recorded = self._observed(trace)
        before, after = (self._half(seen, recorded, parity) for parity in (1, 0))
        return Round(tuple(sizes), before, after)

    @staticmethod
    def _half(seen: Seen, recorded: tuple[Step, ...], parity: int) -> Recorded:
        """The steps of a recorded call with the plant (``parity`` 0) or without."""
        plain = zip(seen.plain_steps, seen.samples["plain_step_time"], strict=True)
        unrecorded = statistics.median(seconds * 1e9 for step, seconds in plain if step % 2 == parity)
        steps = tuple(item for place, item in enumerate(recorded, FIRST) if place % 2 == parity)
        return Recorded(steps, unrecorded, median_costs(seen.samples))

    def _by_call(self, trace: Path) -> Round:
        sides = []
        for on in (False, True):
            with self._beside(on):
                unprofiled = statistics.median(self._call()[2:])
                seen, recorded = self._observed(trace)
                sides.append((unprofiled, Recorded(recorded, seen.plain_ns or 0.0, median_costs(seen.samples))))
        (plain, before), (slower, after) = sides
        return Round(((slower - plain, plain),), before, after)

    @contextlib.contextmanager
    def _beside(self, on: bool) -> Iterator[None]:
        end = self._real.beside() if on and self._real.beside is not None else None
        try:
            yield
        finally:
            if end is not None:
                end()


def _model(taken: Sequence[Recorded]) -> ObserverModel:
    """The observer's model, fitted over all recordings as it is over a run's."""
    counts = np.array([item.events for item in taken])
    plain = np.array([item.plain for item in taken]) * 1e-9
    observed = np.array([item.mean for item in taken]) * 1e-9
    loops = [float(np.median([getattr(item.costs, name) for item in taken])) for name in ("operator", "range")]
    return fitted(counts, observed - plain, plain, np.array([loops[0], loops[1] / 2]) * 1e-9)


def judge(real: Real) -> Judged:
    """The row of one real case: medians over the rounds, with the spread between rounds as interval."""
    made = Planted(real).rounds()
    # As recorded: what observing costs grows with everything else.
    alike = uniform_factor(line_means(_steps(made, "before")), line_means(_steps(made, "after")))
    model = _model([item for each in made for item in (each.before, each.after)])
    made = [replace(r, before=_less(r.before, model), after=_less(r.after, model)) for r in made]
    found = [diagnose_cpu(each.before.steps, each.after.steps) for each in made]
    size, plain = (statistics.median(values) for values in zip(*(s for r in made for s in r.sizes), strict=True))
    costs = {cause: [_of(item, cause) for item in found] for cause in c.CAUSES}
    medians = {cause: statistics.median(values) for cause, values in costs.items()}
    ranked = [
        cause
        for cause in sorted(medians, key=lambda name: -abs(medians[name]))
        if abs(medians[cause]) > max(SILENT * plain, _reach(costs[cause]))
    ]
    named = MACHINE if alike else (ranked[0] if ranked else "")
    least = max(NOISE * plain, WITHIN * abs(size))
    wrong = () if alike else tuple(n for n in ranked if n != real.cause and abs(medians[n]) > least)
    cost = 0.0
    right = named == real.cause
    if real.cause not in ("", MACHINE):
        # As shares of the step with the plant: recorded and unprofiled calls come at different speeds of the machine.
        found_share = statistics.median(one / r.after.mean for one, r in zip(costs[real.cause], made, strict=True))
        true_share = statistics.median(size / (plain + size) for r in made for size, plain in r.sizes)
        cost = size * found_share / true_share
        right = right and abs(cost - size) <= WITHIN * abs(size)
    return Judged(
        real.name, WHERE, real.scheme, real.cause or "none", named or "none", size * 1e-3, cost * 1e-3, None, None,
        wrong, right and not wrong,
    )  # fmt: skip


def _steps(made: Sequence[Round], side: str) -> list[Step]:
    return [step for each in made for step in getattr(each, side).steps]


def _less(recorded: Recorded, model: ObserverModel) -> Recorded:
    return replace(recorded, steps=less_observer(recorded.steps, model))


def _of(found: Diagnosis, cause: str) -> float:
    return next((cost.mean for cost in found.costs if cost.cause == cause), 0.0)


def _reach(values: list[float]) -> float:
    """Half of a 95 % interval of the median over rounds, by its normal approximation: 1.2533 s / √n (Kendall)."""
    return 1.96 * 1.2533 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
