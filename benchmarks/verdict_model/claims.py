"""How often a claim is made that is false, by the functions that make it, on simulated records whose truth is known."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.analysis import energy, generation, interventions
from bench.analysis.energy.ledger import energy_pairs
from bench.analysis.explain import explain
from bench.analysis.judging import by_measures, by_observers
from bench.analysis.judging.rules import Evidence
from bench.analysis.ledger.pairs import pairs
from bench.analysis.remedies import remedies
from bench.quality.analysis.mcnemar import mcnemar, together
from bench.quality.analysis.passing import wilson
from bench.quality.tradeoff.pareto import CriterionCost, front
from bench.record.schema import Record

from . import draws

EIGHT = ("fp16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq", "bf16", "int4-sym")
QUIET, BUSY = 0.03, 0.15
APART = ("SLOWER", "FASTER")
TASKS = 164
REMOVED = (
    "compute-matched", "double-quant-off", "blocksize-128", "fp4-codes", "pre-dequantised", "bare-op", "cuda-graph",
    "static-cache",
)  # fmt: skip

# Whether the claim was made.
Draw = Callable[[np.random.Generator], bool]


def _told_apart(processes: int, spread: float) -> Draw:
    """A verdict on the time of any of eight schemes that are all alike."""

    def draw(rng: np.random.Generator) -> bool:
        records = [draws.process(rng, scheme, 1.0, repeat, spread) for repeat in range(processes) for scheme in EIGHT]
        (group,) = generation.summarise(records)
        return any(row.verdict in APART for row in group.rows)

    return draw


def _joules_apart(processes: int) -> Draw:
    def draw(rng: np.random.Generator) -> bool:
        (group,) = energy.summarise(list(draws.joules(rng, dict.fromkeys(EIGHT, (1.0, 1.0)), processes, QUIET)))
        return any(row.verdict in APART for row in group.rows)

    return draw


def _nested(verdict: str, cost: float, processes: int) -> Draw:
    """H9, by its switch."""

    def draw(rng: np.random.Generator) -> bool:
        records = draws.intervened(rng, 1 / cost, processes, QUIET, "nf4-dq", ("double-quant-off",))
        return by_observers.nested(_evidence(records, removals=True)).verdict == verdict

    return draw


def _helps(processes: int) -> Draw:
    """A remedy that is called sure, of eight removals; the scheme is slower, and none helps."""

    def draw(rng: np.random.Generator) -> bool:
        records = draws.intervened(rng, 1.0, processes, QUIET, "nf4", REMOVED)
        records += [draws.process(rng, "fp16", 0.5, repeat, QUIET) for repeat in range(processes)]
        records += [draws.process(rng, "nf4", 1.0, repeat, QUIET) for repeat in range(processes)]
        found = remedies(interventions.summarise(records), generation.summarise(records), records)
        return any(remedy.sure for remedy in found if not remedy.instead)

    return draw


def _cliff(verdict: str, jump: float, processes: int) -> Draw:
    """H10: of two 4-bit schemes over five batch sizes."""

    def draw(rng: np.random.Generator) -> bool:
        records = []
        for size in (1, 2, 4, 8, 16):
            for scheme in ("fp16", "fp4", "nf4"):
                times = jump if size >= 8 and scheme == "nf4" else 1.0
                records += [draws.process(rng, scheme, times, r, QUIET, batch_size=size) for r in range(processes)]
        return by_measures.cliff(_evidence(records)).verdict == verdict

    return draw


def _head(verdict: str, share: float, processes: int) -> Draw:
    """H11, of four schemes."""
    lines = {"gemm": draws.LEVEL * (1 - share), "lm_head": draws.LEVEL * share}

    def draw(rng: np.random.Generator) -> bool:
        records = draws.ledgers(rng, dict.fromkeys(EIGHT[:5], lines), processes, QUIET)
        return by_observers.head(Evidence(records, pairs(records))).verdict == verdict

    return draw


def _cause(processes: int) -> Draw:
    """A cause that is called sure, of eight lines that do not differ."""
    names = ("dequantise", "cast", "attention", "norm_elementwise", "lm_head", "memcpy", "host_gap")
    lines = {"gemm": 0.3 * draws.LEVEL} | dict.fromkeys(names, 0.1 * draws.LEVEL)

    def draw(rng: np.random.Generator) -> bool:
        (pair,) = pairs(draws.ledgers(rng, {"fp16": lines, "nf4": lines}, processes, QUIET))
        return any(cause.sure for cause in pair.causes)

    return draw


def _any_supported(processes: int) -> Draw:
    """Any hypothesis but H13, of a run of five schemes with removals and joules in which nothing differs."""
    names = ("dequantise", "cast", "outliers", "host_gap", "lm_head")
    lines = {"gemm": 0.7 * draws.LEVEL} | dict.fromkeys(names, 0.06 * draws.LEVEL)
    removed = {
        "int8": ("threshold-0", "cuda-graph", "float16-model"),
        "nf4": ("double-quant-on", "pre-dequantised", "cuda-graph", "compute-matched"),
        "nf4-dq": ("double-quant-off", "pre-dequantised"),
    }

    def draw(rng: np.random.Generator) -> bool:
        schemes = ("fp16", *removed, "fp4")
        records = draws.ledgers(rng, dict.fromkeys(schemes, lines), processes, QUIET)
        for scheme, of in removed.items():
            records += draws.intervened(rng, 1.0, processes, QUIET, scheme, of)
        records += draws.joules(rng, dict.fromkeys(schemes, (1.0, 1.0)), processes, QUIET)
        return any(one.verdict == "supported" and one.id != "H13" for one in explain(records).hypotheses)

    return draw


def _power(verdict: str, longer: float, power: float, processes: int) -> Draw:
    """H14."""

    def draw(rng: np.random.Generator) -> bool:
        records = list(draws.joules(rng, {"fp16": (1.0, 1.0), "nf4": (longer, power)}, processes, QUIET))
        return by_measures.joules(Evidence(records, energy=energy_pairs(records))).verdict == verdict

    return draw


def _passes(rng: np.random.Generator, schemes: int, same: float = 0.8) -> Iterator[dict[int, bool]]:
    """What the reference passed, then each scheme: a task's outcome is the same or drawn anew."""
    base = rng.random(TASKS) < 0.4
    yield dict(enumerate(base))
    for _ in range(schemes):
        yield dict(enumerate(np.where(rng.random(TASKS) < same, base, rng.random(TASKS) < 0.4)))


def _differs(schemes: int) -> Draw:
    def draw(rng: np.random.Generator) -> bool:
        base, *others = _passes(rng, schemes)
        tests = [found for other in others if (found := mcnemar(_named(base), _named(other)))]
        return any(test.verdict == "differs" for test in together(tests))

    return draw


def _named(passed: Mapping[int, bool]) -> dict[str, bool]:
    return {str(task): bool(value) for task, value in passed.items()}


def _dominated(rng: np.random.Generator) -> bool:
    """An arm that takes longer, but passes one in a hundred tasks more than each of four faster ones."""
    arms = {}
    for place in range(5):
        share = rng.binomial(TASKS, 0.41 if place == 0 else 0.40) / TASKS
        low, high = wilson(round(share * TASKS), TASKS)
        time = 1.5 if place == 0 else 1.0
        arms[str(place)] = (CriterionCost(-share, -high, -low), CriterionCost(time, 0.95 * time, 1.05 * time))
    return front(arms)["0"][0] == "dominated"


def _evidence(records: Sequence[Record], *, removals: bool = False) -> Evidence:
    rows = interventions.summarise(records) if removals else ()
    return Evidence(records, interventions=rows, generation=generation.summarise(records))


# (claim, the truth, processes of each or 0 where none counts, draw)
CLAIMS: tuple[tuple[str, str, int, Draw], ...] = (
    ("SLOWER or FASTER, any", "eight schemes alike, processes differ by 3 %", 3, _told_apart(3, QUIET)),
    ("SLOWER or FASTER, any", "eight schemes alike, processes differ by 3 %", 5, _told_apart(5, QUIET)),
    ("SLOWER or FASTER, any", "eight schemes alike, processes differ by 15 %", 1, _told_apart(1, BUSY)),
    ("SLOWER or FASTER, any", "eight schemes alike, processes differ by 15 %", 2, _told_apart(2, BUSY)),
    ("SLOWER or FASTER, any", "eight schemes alike, processes differ by 15 %", 3, _told_apart(3, BUSY)),
    ("MORE or LESS joules, any", "eight schemes alike", 3, _joules_apart(3)),
    ("a cause is sure, any", "eight lines and what is left of them, all alike", 3, _cause(3)),
    ("a cause is sure, any", "eight lines and what is left of them, all alike", 5, _cause(5)),
    ("a hypothesis is supported, any", "five schemes and nine removals, all alike", 3, _any_supported(3)),
    ("H9 (nested absmax costs time) supported", "it costs nothing", 3, _nested("supported", 1.0, 3)),
    ("H9 (nested absmax costs time) refuted", "it costs 3 %", 3, _nested("refuted", 1.03, 3)),
    ("a remedy is sure, any", "eight removals, none of which helps", 3, _helps(3)),
    ("H10 (a cliff between batch sizes) supported", "none", 3, _cliff("supported", 1.0, 3)),
    ("H10 (a cliff between batch sizes) supported", "none", 1, _cliff("supported", 1.0, 1)),
    ("H10 (a cliff between batch sizes) refuted", "×1.35", 3, _cliff("refuted", 1.35, 3)),
    ("H11 (the output layer limits) supported", "it takes 9.5 % of a step", 3, _head("supported", 0.095, 3)),
    ("H11 (the output layer limits) supported", "it takes 9.5 % of a step", 1, _head("supported", 0.095, 1)),
    ("H11 (the output layer limits) refuted", "it takes 10.5 % of a step", 3, _head("refuted", 0.105, 3)),
    ("H14 (lower power outweighed) supported", "as much power, ×1.3 the time", 3, _power("supported", 1.3, 1.0, 3)),
    ("H14 (lower power outweighed) supported", "as much power, ×4 the time", 1, _power("supported", 4.0, 1.0, 1)),
    ("H14 (lower power outweighed) refuted", "×0.95 the power, ×1.3 the time", 3, _power("refuted", 1.3, 0.95, 3)),
    ("pass@1 differs, any", "eight schemes alike, a fifth of the outcomes drawn anew", 0, _differs(8)),
    ("pass@1 differs", "one scheme, alike", 0, _differs(1)),
    ("dominated", "slower than four others, but its pass@1 is better by 1 point", 0, _dominated),
)  # fmt: skip


def claims(seed: int, replicates: int) -> list[dict[str, Any]]:
    """A row per claim: how often it was made, though false."""
    return [
        {"claim": claim, "truth": truth, "processes": count, "false": false_share(place, seed, replicates)}
        for place, (claim, truth, count, _) in enumerate(CLAIMS)
    ]


def false_share(place: int, seed: int, replicates: int) -> float:
    """Of one of CLAIMS."""
    *named, draw = CLAIMS[place]
    own = zlib.crc32(repr(named).encode())  # so that one more claim leaves the others as they are
    return sum(draw(np.random.default_rng([seed, own, index])) for index in range(replicates)) / replicates


def most(replicates: int, sides: float = 3.0) -> float:
    """What the share of a claim that is false in 5 % stays under, with so many standard errors."""
    return 0.05 + sides * math.sqrt(0.05 * 0.95 / replicates)
