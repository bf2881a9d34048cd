"""How much processes, runs and bursts differ in the committed records: standard deviations of ln time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.analysis.generation import call_times
from bench.analysis.grouping import groups
from bench.analysis.statistics.turns import bursts
from bench.record.schema import Record
from bench.record.store import load
from benchmarks.sweep.noise import H100, QUALITY, RUNS, SMOKE

# ln of a median of n calls varies by so much more than that of their mean: pi / 2.
_OF_MEDIAN = math.pi / 2


def spreads() -> list[dict[str, Any]]:
    """Rows: what, of which run, from how many, deviation, and what lies within them would make (None: not asked)."""
    records = {name: load(RUNS / name).records for name in (SMOKE, QUALITY, H100)}
    levels = {name: _levels(found) for name, found in records.items() if name != H100}
    rows = [_row("processes", name, known) for name, known in levels.items()]
    rows.append(_runs(levels[SMOKE], levels[QUALITY]))
    return rows + [_bursts(name, found) for name, found in records.items()]


def _levels(records: Sequence[Record]) -> Mapping[str, list[float]]:
    """Scheme → ln of the median time per token of each process."""
    (group,) = groups(records, "generation")
    return {s: [math.log(np.median(call_times(one))) for one in items] for s, items in group.schemes.items()}


def _row(what: str, run: str, levels: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    freedom = sum(len(values) - 1 for values in levels.values())
    total = sum((len(values) - 1) * np.var(values, ddof=1) for values in levels.values())
    count = sum(map(len, levels.values()))
    return {"between": what, "of": run, "count": count, "deviation": math.sqrt(total / freedom), "by calls": None}


def _runs(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The same scheme in two runs: standard deviation of a run, with what processes of it already make."""
    apart = [float(np.mean(other[scheme]) - np.mean(one[scheme])) for scheme in one]
    of_processes = [
        np.var(side[scheme], ddof=1) / len(side[scheme]) for scheme in one for side in (one, other)
    ]  # per side; a difference of two runs has the variance of both
    found = math.sqrt(float(np.mean(np.square(apart))) / 2)
    return {
        "between": "runs", "of": f"{SMOKE} and {QUALITY}", "count": len(apart), "deviation": found,
        "by calls": math.sqrt(float(np.mean(of_processes))),
    }  # fmt: skip


def _bursts(run: str, records: Sequence[Record]) -> dict[str, Any]:
    """Bursts of one product in one process; what their calls alone would make if they were independent."""
    seen, expected = [], []
    for record in records:
        parts = bursts(record) if record.instrument == "matmul" and record.status == "ok" else ()
        if len(parts) > 1:
            seen.append(np.var([math.log(np.median(part)) for part in parts], ddof=1))
            expected.append(np.mean([_OF_MEDIAN * np.var(np.log(part), ddof=1) / len(part) for part in parts]))
    return {
        "between": "bursts", "of": run, "count": len(seen), "deviation": math.sqrt(float(np.mean(seen))),
        "by calls": math.sqrt(float(np.mean(expected))),
    }  # fmt: skip
