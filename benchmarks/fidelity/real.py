"""Real causes of known size, planted in real decoding on this machine's CPU.

One process, one thread. A plant wraps the forward of every Linear of the smoke model and can be switched. In each round
unprofiled calls with and without it take turns, which tells its true size, and then decode steps with and without it
are recorded by torch.profiler. The diagnosis has to find the cause from the recordings, and its size within each round:
rounds are short, so that a machine whose speed drifts spoils the comparison least.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.ledger.costs import EventCosts
from bench.analysis.ledger.observer import ObserverModel, fitted
from bench.analysis.ledger.uniform import uniform_factor
from bench.analysis.replay.align import Diagnosis, diagnose_cpu
from bench.analysis.replay.whatif import Replay
from bench.analysis.timeline import Analysis
from bench.plan import generation_case
from bench.presets import Sweep
from bench.record import causes as c
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.schemes import arm
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from profiling.event_costs import event_costs
from profiling.inside import observe_kineto
from profiling.summarize import read_timeline

from .judge import MACHINE, SILENT, WITHIN, Judged

NEW_TOKENS, FIRST, STEPS = 32, 10, 12
ROUNDS = 16
ORDER = (False, True, False, True, False)
# Medians of a noisy machine may stray by this share of a step although nothing was planted.
NOISE = 0.03
Forward = Callable[..., Any]
Plant = Callable[[Any, Forward], Forward]


@dataclass(frozen=True)
class Real:
    """``plant`` makes a Linear's forward from its own; ``beside`` runs around all calls that are planted."""

    name: str
    cause: str
    scheme: str = "fp16"
    plant: Plant | None = None
    beside: Callable[[], Any] | None = None


def _keep_memory() -> None:
    """Have the C library keep what is freed: page faults would come and go with what else the process allocates."""
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 26)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


@dataclass(frozen=True)
class Recorded:
    """A recording, ns of the same call's steps that were not recorded, and what an event costs."""

    replay: Replay
    plain: float
    costs: EventCosts


class Planted:
    """The smoke model in one scheme with a switch for the plant."""

    def __init__(self, real: Real) -> None:
        import torch

        torch.set_num_threads(1)
        _keep_memory()
        source = resolve("smoke", None)
        sweep = Sweep("fidelity", (real.scheme,), new_tokens=NEW_TOKENS)
        case = generation_case(sweep, source, real.scheme, 1, "dynamic", "cpu", 0)
        self._loaded = models.load(source, arm(real.scheme), "cpu", 0)
        self.session = Session(case, self._loaded, make_batches(case, self._loaded, 1))
        self._real = real

    @contextlib.contextmanager
    def switched(self, on: bool) -> Iterator[None]:
        """With the plant, or without."""
        plant = self._real.plant
        linears = [m for n, m in self._loaded.model.named_modules() if hasattr(m, "in_features") and n != "lm_head"]
        if on and plant is not None:
            for module in linears:
                module.forward = plant(module, type(module).forward.__get__(module))
        beside = self._real.beside() if on and self._real.beside is not None else None
        try:
            yield
        finally:
            if beside is not None:
                beside()
            if on and plant is not None:
                for module in linears:
                    del module.forward

    def step(self, on: bool) -> float:
        """Seconds of an unprofiled decode step: the median of a call's."""
        with self.switched(on):
            return statistics.median(self.session.generate(self.session.batches[0]).steps[2:])

    def recorded(self, on: bool, folder: Path) -> Recorded:
        """Some decode steps under torch.profiler."""
        path = folder / "trace.json.gz"
        with self.switched(on):
            seen = observe_kineto(self.session, path, FIRST, STEPS)
        return Recorded(Replay(Analysis(read_timeline(path))), seen.plain_ns or 0.0, event_costs(seen.samples))


@dataclass(frozen=True)
class Round:
    """ns: what the plant adds to an unprofiled step, a step without it; and the two recordings."""

    size: float
    plain: float
    before: Recorded
    after: Recorded


def rounds(planted: Planted) -> list[Round]:
    """All rounds."""
    planted.step(True), planted.step(False)
    made = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(ROUNDS):
            steps = [planted.step(on) * 1e9 for on in ORDER]
            plain = statistics.mean(step for step, on in zip(steps, ORDER, strict=True) if not on)
            with_it = statistics.mean(step for step, on in zip(steps, ORDER, strict=True) if on)
            made.append(Round(with_it - plain, plain, planted.recorded(False, folder), planted.recorded(True, folder)))
    return made


def _model(taken: Sequence[Recorded]) -> ObserverModel:
    """The observer's model, fitted over all recordings as it is over a run's."""
    counts = np.array([item.replay.events_per_step for item in taken])
    plain = np.array([item.plain for item in taken]) * 1e-9
    observed = np.array([item.replay.mean_step_ns for item in taken]) * 1e-9
    loops = [float(np.median([getattr(item.costs, name) for item in taken])) for name in ("operator", "range")]
    return fitted(counts, observed - plain, plain, np.array([loops[0], loops[1] / 2]) * 1e-9)


def judge(real: Real) -> Judged:
    """The row of one real case: medians over the rounds, with the spread between rounds as interval."""
    made = rounds(Planted(real))
    # As recorded: what observing costs grows with everything else.
    alike = uniform_factor(_lines([r.before for r in made]), _lines([r.after for r in made]))
    model = _model([item for each in made for item in (each.before, each.after)])
    for each in made:
        each.before.replay.less_observer(model)
        each.after.replay.less_observer(model)
    found = [diagnose_cpu(each.before.replay.cpu_steps, each.after.replay.cpu_steps) for each in made]
    plain, size = (statistics.median(values) for values in zip(*((r.plain, r.size) for r in made), strict=True))
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
        # A machine whose speed drifts: as a share of the step that the same call took unrecorded, and of that of the
        # unprofiled calls.
        found_share = statistics.median(one / r.after.plain for one, r in zip(costs[real.cause], made, strict=True))
        true_share = statistics.median(r.size / (r.plain + r.size) for r in made)
        cost = size * found_share / true_share
        right = right and abs(cost - size) <= WITHIN * abs(size)
    return Judged(
        real.name, "this CPU", real.scheme, real.cause or "none", named or "none", size * 1e-3, cost * 1e-3, None, None,
        wrong, right and not wrong,
    )  # fmt: skip


def _lines(taken: Sequence[Recorded]) -> dict[str, float]:
    """Line → its mean over all recorded steps, ns."""
    steps = [step for item in taken for step in item.replay.cpu_steps]
    sums: dict[str, float] = {}
    for step in steps:
        for segment in step.segments:
            sums[segment.cause] = sums.get(segment.cause, 0.0) + segment.ns / len(steps)
    return sums


def _of(found: Diagnosis, cause: str) -> float:
    return next((cost.mean for cost in found.costs if cost.cause == cause), 0.0)


def _reach(values: list[float]) -> float:
    """Half of a 95 % interval of the median over rounds, by its normal approximation: 1.2533 s / √n (Kendall)."""
    return 1.96 * 1.2533 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def _delay(seconds: float) -> Plant:
    def plant(_module: Any, forward: Forward) -> Forward:
        def slower(x: Any) -> Any:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
            return forward(x)

        return slower

    return plant


class _Helper:
    """A thread that answers: what is asked of it comes back when it has run."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            event = self._asked.get()
            time.sleep(150e-6)
            event.set()

    def ask(self) -> None:
        """Wait for an answer."""
        event = threading.Event()
        self._asked.put(event)
        event.wait()


def _wait() -> Plant:
    helper = _Helper()

    def plant(_module: Any, forward: Forward) -> Forward:
        def waits(x: Any) -> Any:
            helper.ask()
            return forward(x)

        return waits

    return plant


def _extra(operator: Callable[[Any], Any], size: int, dtype: str) -> Plant:
    import torch

    value = torch.rand(size, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype))

    def plant(_module: Any, forward: Forward) -> Forward:
        def more(x: Any) -> Any:
            operator(value)
            return forward(x)

        return more

    return plant


def _tanh(value: Any) -> Any:
    import torch

    return torch.tanh(value)


def _cast(value: Any) -> Any:
    """To a small format: its result is small too, so that the recorder's own memory does not get in the way."""
    import torch

    return value.to(torch.float8_e4m3fn)


def _product(value: Any) -> Any:
    import torch

    return torch.mm(value, value)


def _dequantise_again() -> Plant:
    def plant(module: Any, forward: Forward) -> Forward:
        import torch

        operator = torch.ops.bitsandbytes.dequantize_4bit.default
        state = module.weight.quant_state
        told = (state.absmax, state.blocksize, state.quant_type, state.shape, state.dtype)
        packed = module.weight.data

        def twice(x: Any) -> Any:
            for _ in range(3):
                operator(packed, *told)
            return forward(x)

        return twice

    return plant


def _burn(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        sum(range(10_000))


def _neighbour() -> Callable[[], None]:
    """Another process on the very core that measures."""
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    process = multiprocessing.get_context("spawn").Process(target=_burn, args=(core,), daemon=True)
    process.start()
    time.sleep(0.2)

    def end() -> None:
        process.kill()
        process.join()
        os.sched_setaffinity(0, before)

    return end


def cases() -> tuple[Real, ...]:
    """All of them."""

    def square(value: Any) -> Any:
        return _product(value.view(180, 180))

    return (
        Real("300 µs of Python per Linear", c.HOST_GAP, plant=_delay(300e-6)),
        Real("a wait for another thread per Linear", c.HOST_GAP, plant=_wait()),
        Real("an elementwise operator per Linear", c.NORM, plant=_extra(_tanh, 40_000, "float32")),
        Real("a cast per Linear", c.CAST, plant=_extra(_cast, 80_000, "float16")),
        Real("a matrix product per Linear", c.GEMM, plant=_extra(square, 180 * 180, "float32")),
        Real("weights dequantised three times more", c.DEQUANTISE, "nf4", plant=_dequantise_again()),
        Real("a noisy neighbour on the same core", MACHINE, beside=_neighbour),
        Real("nothing", ""),
    )
