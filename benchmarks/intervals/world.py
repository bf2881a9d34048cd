"""Simulated recordings of a made-up machine: noise from step to step, and another speed in every process.

Each process draws one factor on the host's work and one on the GPU's. How far such factors spread is drawn once per
pair, for the machine that both recordings are of. The unprofiled time of a step is that of yet another process, and a
recording carries the observer's cost. So one recording and one time of each arm are all that an answer has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.analysis.traces.pair import Trace
from bench.record import causes as c
from benchmarks.fidelity.decode import GPU_BOUND, HOST_BOUND, Decode
from benchmarks.fidelity.machine import Action, Happened, Machine
from benchmarks.fidelity.planted import cases
from benchmarks.fidelity.writers import write_kineto
from profiling.summarize import read_timeline

STEPS = 6
REGIMES: Mapping[str, Mapping[str, int]] = {"host-bound": HOST_BOUND, "GPU-bound": GPU_BOUND}
# Of the committed H100 traces: steps of one recording differ by 1 to 2 %, kernels of one kind by 1 %.
JITTER, STEP_NOISE, KERNEL_NOISE = 0.2, 0.02, 0.01
# ns per recorded operator, end of a range and call: medians of the short loops on the H100, times what its traces say
# that they cost in the midst of a model. Each recording draws each of the three anew, within a factor of 1.5, and how
# much of a call's lies after what it does.
OBSERVER, SCALE, UNLIKE = (880.0, 1475.0, 1350.0), 2.0, 1.5


@dataclass(frozen=True)
class Spread:
    """Relative standard deviations between processes. ``freedom``: None where they are these for every machine, else
    each machine draws its own, as a scaled inverse χ² of so many degrees of freedom has it."""

    name: str
    host: float
    gpu: float
    freedom: float | None = None

    def of_machine(self, rng: np.random.Generator) -> tuple[float, float]:
        """The standard deviations of one machine."""
        if self.freedom is None:
            return self.host, self.gpu
        factors = [math.sqrt(self.freedom / rng.chisquare(self.freedom)) for _ in range(2)]
        return self.host * factors[0], self.gpu * factors[1]


class Decodes(Protocol):
    """What a machine can play."""

    def step(self) -> Iterator[Action]: ...


@dataclass(frozen=True)
class CpuDecode:
    """A decode step without a GPU: operators, and the host's way to each. ``casts``: one more operator per Linear."""

    casts: bool = False

    def step(self) -> Iterator[Action]:
        """The actions of one step."""
        for _ in range(4):
            for name in ("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"):
                if self.casts:
                    yield from self._operator("aten::_to_copy", 15_000, name)
                yield from self._operator("aten::linear", 40_000, name)
            yield from self._operator("aten::scaled_dot_product_attention", 12_000, "layer")
            yield from self._operator("aten::gelu", 8_000, "layer")

    @staticmethod
    def _operator(name: str, ns: int, where: str) -> Iterator[Action]:
        yield Action("host", 6_000, ranges=("layer", where))
        yield Action("host", ns, ranges=("layer", where), operators=(name,))


@dataclass(frozen=True)
class Scene:
    """``cause``: what the candidate has more than the reference, "" for nothing."""

    regime: str
    reference: Decodes
    candidate: Decodes
    cause: str

    @property
    def name(self) -> str:
        """Such as "host-bound, cast planted"."""
        return f"{self.regime}, {self.cause + ' planted' if self.cause else 'no difference'}"


def scenes() -> tuple[Scene, ...]:
    """In each regime: no difference, a new kind of work, and a synchronisation; on the host also more Python."""
    found: list[Scene] = []
    for regime, values in REGIMES.items():
        base = Decode(**values)
        found.append(Scene(regime, base, base, ""))
        planted = {case.cause: case for case in cases() if case.regime == regime and case.remove == case.cause}
        found += [Scene(regime, base, planted[cause].candidate, cause) for cause in (c.CAST, c.SYNC_STALL)]
    host = Decode(**HOST_BOUND)
    found.append(Scene("host-bound", host, replace(host, linear_host=12_000), c.HOST_GAP))
    found += [Scene("CPU", CpuDecode(), CpuDecode(), ""), Scene("CPU", CpuDecode(), CpuDecode(casts=True), c.CAST)]
    return tuple(found)


def play(
    decode: Decodes,
    rng: np.random.Generator,
    spread: tuple[float, float],
    *,
    observed: bool,
    factors: tuple[float, ...] = (1.0, 1.0),
) -> Happened:
    """A fresh process that decodes; ``factors``: on its host and GPU, beside those that it draws."""
    unlike = UNLIKE ** rng.uniform(-1.0, 1.0, 3) * SCALE * observed
    observer = (OBSERVER[0] * unlike[0], OBSERVER[1] * unlike[1], OBSERVER[2] * unlike[2])
    drawn = (math.exp(rng.normal(0.0, each)) if each else 1.0 for each in spread)
    host, gpu = (one * other for one, other in zip(drawn, factors, strict=True))
    machine = Machine(
        host=host, slowdown=gpu, jitter=JITTER, noise=(STEP_NOISE, KERNEL_NOISE), observer=observer,
        inside=float(rng.uniform()), seed=int(rng.integers(2**31)),
    )  # fmt: skip
    for _ in range(STEPS):
        machine.step(decode.step())
    return machine.happened


def ideal(decode: Decodes) -> Happened:
    """The same without noise, observer or another speed: the truth."""
    machine = Machine()
    for _ in range(STEPS):
        machine.step(decode.step())
    return machine.happened


def read(happened: Happened, path: Path) -> Analysis:
    """As a profiler's file has it."""
    write_kineto(path, happened)
    return Analysis(read_timeline(path))


def step_ms(analysis: Analysis) -> float:
    """ms of a step."""
    return float(step_costs(analysis).wall.mean()) * 1e-6


def recording(decode: Decodes, rng: np.random.Generator, spread: tuple[float, float], path: Path) -> Trace:
    """A recording, and the unprofiled time of a step in another process."""
    time = step_ms(read(play(decode, rng, spread, observed=False), path))
    return Trace(path, read(play(decode, rng, spread, observed=True), path), time)
