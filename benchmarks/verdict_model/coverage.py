"""How often a printed 95 % interval holds the truth, on simulated records, by the tool's own functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bench.analysis import energy, generation, interventions, matmul
from bench.analysis.ledger.pairs import pairs
from bench.analysis.statistics import Estimate, estimate
from bench.quality.analysis.passing import wilson
from bench.record.causes import DISTURBANCE, UNEXPLAINED

from . import draws

# (what, low, truth, high, of which a part was assumed)
Held = tuple[str, float | None, float, float | None, bool]
TIMES, SPREAD, TASKS = 1.22, 0.03, 164
PLANTED = {"gemm": 0.006, "host_gap": 0.006}
COUNTS = (1, 2, 3, 5, 10)


def coverage(seed: int, replicates: int) -> list[dict[str, Any]]:
    """A row per figure and number of processes (bursts, tasks): share of intervals that hold the truth."""
    rows = []
    for place, (unit, counts, draw) in enumerate(_DRAWS):
        for count in counts:
            found: dict[str, list[tuple[bool, bool]]] = {}
            for index in range(replicates):
                rng = np.random.default_rng([seed, place, round(1000 * count), index])
                for what, low, truth, high, assumed in draw(rng, count):
                    holds = low is not None and high is not None and low <= truth <= high
                    found.setdefault(what, []).append((holds, assumed))
            rows += [_row(what, unit, count, values) for what, values in found.items()]
    return rows


def _row(what: str, unit: str, count: float, values: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    share = sum(held for held, _ in values) / len(values)
    error = math.sqrt(share * (1 - share) / len(values))
    assumed = any(assumed for _, assumed in values)
    return {
        "what": what, "unit": unit, "count": count, "coverage": share, "error": error, "assumed": assumed,
        "replicates": len(values),
    }  # fmt: skip


def _held(what: str, found: Estimate | None, truth: float) -> Held:
    assert found is not None
    return what, found.low, truth, found.high, bool(found.assumed)


def _times(rng: np.random.Generator, count: int) -> Iterator[Held]:
    (group,) = generation.summarise(draws.arms(rng, TIMES, count, SPREAD))
    row = next(row for row in group.rows if row.scheme == "nf4")
    yield _held("decode time: ratio", row.time_ratio, TIMES)
    yield _held("decode time: an arm's level", row.time_per_token, draws.LEVEL * TIMES)


def _joules(rng: np.random.Generator, count: int) -> Iterator[Held]:
    (group,) = energy.summarise(draws.windows(rng, TIMES, count, SPREAD))
    row = next(row for row in group.rows if row.scheme == "nf4" and row.gross)
    yield _held("joules: ratio", row.energy_ratio, TIMES)
    yield _held("joules: an arm's level", row.gross, TIMES)


def _products(rng: np.random.Generator, count: int) -> Iterator[Held]:
    row = next(row for row in matmul.summarise(draws.products(rng, TIMES, count, SPREAD)) if row.scheme == "nf4")
    yield _held("layer product: ratio", row.time_ratio, TIMES)


def _ledger(rng: np.random.Generator, count: int) -> Iterator[Held]:
    (pair,) = pairs(draws.ledgers(rng, {"fp16": draws.LINES, "nf4": PLANTED}, count, SPREAD))
    closed = pair.closed
    total = 1e3 * (sum(PLANTED.values()) - sum(draws.LINES.values()))
    yield "ledger: difference", closed.delta.low, total, closed.delta.high, bool(closed.delta.assumed)
    for line in closed.lines:
        names = {"gemm": "ledger: line without a difference", "host_gap": "ledger: line with one"}
        if line.cause in names:
            truth = 1e3 * (PLANTED[line.cause] - draws.LINES[line.cause])
            yield names[line.cause], line.low, truth, line.high, bool(line.assumed)
        elif line.cause in (UNEXPLAINED, DISTURBANCE):
            yield f"ledger: {line.cause}", line.low, 0.0, line.high, bool(line.assumed)


def _gains(rng: np.random.Generator, count: int) -> Iterator[Held]:
    (row,) = interventions.summarise(draws.intervened(rng, 1 / TIMES, count, SPREAD))
    yield _held("intervention: gain", row.gain, draws.LEVEL * (1 - 1 / TIMES))


def _passes(rng: np.random.Generator, share: float) -> Iterator[Held]:
    yield "pass@1", *_around(wilson(int(rng.binomial(TASKS, share)), TASKS), share), False


def _perplexity(rng: np.random.Generator, spread: float) -> Iterator[Held]:
    found = estimate((list(rng.normal(1.0, spread, TASKS)),), statistic="mean", unit="fixed")
    yield _held("perplexity (its logarithm)", found, 1.0)


def _around(bounds: tuple[float, float], truth: float) -> tuple[float, float, float]:
    return bounds[0], truth, bounds[1]


_DRAWS: tuple[tuple[str, Sequence[Any], Callable[..., Iterator[Held]]], ...] = (
    ("processes", COUNTS, _times),
    ("processes", COUNTS, _joules),
    ("bursts in turns", COUNTS, _products),
    ("processes", COUNTS, _ledger),
    ("processes", COUNTS, _gains),
    ("true share of 164 tasks", (0.02, 0.1, 0.3, 0.5, 0.9), _passes),
    ("spread of 164 tasks", (0.5,), _perplexity),
)
