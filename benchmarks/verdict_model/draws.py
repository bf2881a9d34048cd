"""Simulated records of two arms, fp16 and nf4, with a known truth. All spreads are standard deviations of ln time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.record.schema import Record
from tests import factories as make

Floats = NDArray[np.float64]
CALLS, STEPS, CALL, STEP, LEVEL = 4, 31, 0.01, 0.05, 0.010
LINES = {"gemm": 0.006, "host_gap": 0.004}


def _level(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(spread * rng.standard_normal()))


def process(
    rng: np.random.Generator, scheme: str, times: float, repeat: int, spread: float, **coordinates: object
) -> Record:
    """A process of an arm that takes ``times`` LEVEL, timed."""
    return timed(rng, scheme, LEVEL * times * _level(rng, spread), repeat, **coordinates)


def timed(rng: np.random.Generator, scheme: str, level: float, repeat: int, **coordinates: object) -> Record:
    """A process of CALLS calls at ``level`` seconds per token."""
    calls = level * np.exp(CALL * rng.standard_normal((CALLS, 1)) + STEP * rng.standard_normal((CALLS, STEPS)))
    metrics = {
        "inter_token_latency": calls.ravel(), "decode_steps": [STEPS] * CALLS, "time_to_first_token": 4 * calls[:, 0],
        "generate_time": calls.sum(axis=1), "tokens_generated": [STEPS + 1] * CALLS,
    }  # fmt: skip
    return make.record("generation", make.case(scheme, **coordinates), metrics, repeat=repeat)


def arms(rng: np.random.Generator, times: float, processes: int, spread: float) -> list[Record]:
    """nf4 takes ``times`` as long as fp16."""
    return [
        process(rng, scheme, factor, repeat, spread)
        for repeat in range(processes)
        for scheme, factor in (("fp16", 1.0), ("nf4", times))
    ]


def intervened(
    rng: np.random.Generator, times: float, processes: int, spread: float, scheme: str = "nf4",
    names: Sequence[str] = ("static-cache",),
) -> list[Record]:  # fmt: skip
    """Interventions after each of which the scheme takes ``times`` as long as before."""
    records = []
    for repeat in range(processes):
        for name, factor in (("none", 1.0), *((name, times) for name in names)):
            record = make.intervention(scheme, name, repeat)
            walls = process(rng, scheme, factor, repeat, spread)
            records.append(make.record(
                "intervention", record.case,
                {name: walls.values(name) for name in ("inter_token_latency", "decode_steps", "tokens_generated")}
                | {"model_footprint": 1e6}, repeat=repeat, setup=record.setup,
            ))  # fmt: skip
    return records


def windows(rng: np.random.Generator, times: float, processes: int, spread: float) -> list[Record]:
    """Three energy windows in each process; nf4 takes ``times`` the joules per token."""
    records = []
    for repeat in range(processes):
        for scheme, factor in (("fp16", 1.0), ("nf4", times)):
            joules = factor * _level(rng, spread) * np.exp(CALL * rng.standard_normal(3))
            metrics = {"energy_gpu": 100 * joules, "window_tokens": [100.0] * 3, "window_time": [3.0] * 3}
            records.append(make.record("energy", make.case(scheme, device="cuda"), metrics, repeat=repeat))
    return records


def joules(
    rng: np.random.Generator, arms: Mapping[str, tuple[float, float]], processes: int, spread: float
) -> Iterator[Record]:
    """Three energy windows in each process. ``arms``: scheme → times as long, times the power of the first one."""
    for repeat in range(processes):
        for scheme, (longer, power) in arms.items():
            time, joules = longer * _level(rng, spread), longer * power * _level(rng, spread)
            metrics = {
                "energy_gpu": 100 * joules * np.exp(CALL * rng.standard_normal(3)), "window_tokens": [100.0] * 3,
                "window_time": [3.0 * time] * 3,
            }  # fmt: skip
            yield make.record("energy", make.case(scheme, device="cuda"), metrics, repeat=repeat)


def products(rng: np.random.Generator, times: float, bursts: int, spread: float) -> list[Record]:
    """A layer product of both arms in one process: bursts of 20 calls, in turns. A round is slow for both by 10 %."""
    rounds = np.exp(0.10 * rng.standard_normal((bursts, 1)))
    records = []
    for scheme, factor in (("fp16", 1.0), ("nf4", times)):
        own = np.exp(spread * rng.standard_normal((bursts, 1)) + STEP * rng.standard_normal((bursts, 20)))
        metrics = {"forward_time": (1e-4 * factor * rounds * own).ravel()}
        records.append(make.record("matmul", make.matmul(scheme).case, metrics, setup={"burst": 20}))
    return records


def ledgers(
    rng: np.random.Generator, arms: Mapping[str, Mapping[str, float]], processes: int, spread: float
) -> list[Record]:
    """Timed and observed decode steps of the arms with their lines (s per step). Every process has a speed of its own
    for each line, and its timed calls are the sum of its lines."""
    records: list[Record] = []
    for repeat in range(processes):
        for scheme, known in arms.items():
            held = {name: value * _level(rng, spread) for name, value in known.items()}
            records += [timed(rng, scheme, sum(held.values()), repeat), _observed(rng, scheme, held, repeat)]
    return records


def _observed(rng: np.random.Generator, scheme: str, lines: Mapping[str, float], repeat: int, steps: int = 4) -> Record:
    """As ``tests.factories.kineto``, which takes 1 µs for each of 100 operators of a line as the observer's."""
    plain = make.kineto(scheme, repeat, lines=lines, steps=steps)
    noise = {name: np.exp(STEP / 2 * rng.standard_normal(steps)) for name in lines}
    observed = {f"observed_{name}_per_step": lines[name] * noise[name] + 100e-6 for name in lines}
    metrics: dict[str, Iterable[float]] = {metric.name: metric.values for metric in plain.metrics}
    metrics |= {**observed, "observed_step_time": sum(observed.values(), np.zeros(steps))}
    metrics["plain_step_time"] = sum(lines.values()) * np.exp(STEP * rng.standard_normal(12))
    return make.record("kineto", plain.case, metrics, repeat=repeat, setup=plain.setup)
