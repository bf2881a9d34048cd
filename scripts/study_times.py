"""How long each part of scripts/gpu-study.sh takes on a GPU, estimated from the first H100 run's own records.

    python scripts/study_times.py [PART…]

A record's seconds are those from its start to the next record's. Of that run, per scheme: the load of a model, a decode
step at a seen key-value length and at a new one, a timeline, an energy window; over all schemes: from one process to
the next, what a further Case of a process costs, a layer product's point, an intervention's process. Larger models are
taken to load longer in proportion to their weights, and to decode longer in proportion to their layers. A scheme that
was not measured counts as bf16 or fp16, whichever took longer. What was never measured on a GPU (probe, counters,
agreement, report, pack) has only its limit.
"""

from __future__ import annotations

import gzip
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import presets
from bench.cli import parser
from bench.interventions.tries import ROUNDS
from bench.record.instruments import TRY
from bench.run.intervening import make_plan as make_interventions
from bench.run.intervening import names_for, with_tries
from bench.run.plan import Block, Layer, make_plan
from bench.workloads.sources import resolve

ROOT = Path(__file__).parents[1]
RUN = ROOT / "reports" / "runs" / "h100-starcoder2-3b-20261126"
# Against StarCoder2-3B: weights, and Linears per token, from the shapes' own configurations.
LARGER = {
    "shape:starcoder2-3b": (1.0, 1.0),
    "shape:starcoder2-7b": (7.17 / 3.03, 32 / 30),
    "shape:phi-2": (1.0, 32 / 30),
}
TOKENS = 128
# A timeline of first visits makes a tenth of the tokens and reads a trace as large: taken as half of a timeline.
FIRST_VISITS = 0.5
# One of prefill makes as many passes as that one steps, of longer kernels: not measured yet, and taken as half too.
PREFILL = 0.5
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Costs:
    """Seconds. ``load``: all of a process's first Case but its calls; ``turn``: from the end of one process to the
    first record of the next; ``energy``: a window of 128 tokens, and idle."""

    load: Mapping[str, float]
    step: Mapping[str, float]
    first_step: Mapping[str, float]
    timeline: Mapping[str, float]
    energy: Mapping[str, float]
    turn: float
    case: float
    point: float
    intervention: float


def costs(run: Path = RUN) -> Costs:
    """From the records as measured, steps from those that tell seen and new lengths apart (docs/h100.md)."""
    records, usable = _records(run / "as-measured.jsonl.gz"), _records(run / "records.jsonl.gz")
    starts = [datetime.fromisoformat(record["started_at"]) for record in records]
    spans = [(after - before).total_seconds() for before, after in pairwise(starts)]
    timed = list(zip(records, spans, strict=False))
    first, energy = _of(timed, "generation", TOKENS), _of(timed, "energy", TOKENS)
    ends = [place for place, (a, b) in enumerate(pairwise(records)) if a["instrument"] == "energy" and _other(a, b)]
    more = [span - sum(_values(record, "generate_time")) for record, span in timed if _further(record)]
    products = [place for place, record in enumerate(records) if record["case"]["workload"] == "matmul"]
    return Costs(
        {scheme: span - sum(_values(record, "generate_time")) for scheme, (record, span) in first.items()},
        {scheme: statistics.median(_values(r, "inter_token_latency")) for scheme, r in _usable(usable).items()},
        {scheme: statistics.median(_values(r, "first_visit_latency")) for scheme, r in _usable(usable).items()},
        {scheme: span for scheme, (_, span) in _of(timed, "kineto", TOKENS).items()},
        {scheme: _windows(record) for scheme, (record, _) in energy.items()},
        statistics.median(spans[place] - _windows(records[place]) for place in ends),
        statistics.median(more),
        sum(spans[products[0] - 1 : products[-1] + 1]) / len(products),
        statistics.mean(span for record, span in timed if record["instrument"] == "intervention"),
    )


def seconds(command: Sequence[str], known: Costs) -> float | None:
    """Of one command of the study; None where nothing like it was measured."""
    if command[1:4] == ["-m", "bench", "run"] and "smoke" not in command:
        options = parser().parse_args(command[3:])
        return sum(block_seconds(block, known) for block in _blocks(options.preset, options.model, options.repeats))
    if command[1:4] == ["-m", "bench", "intervene"]:
        return known.intervention * _interventions(parser().parse_args(command[3:]))
    return None


def block_seconds(block: Block, known: Costs) -> float:
    """One process."""
    if block.kind == "matmul":
        return known.point * len(block.requests)
    if block.kind == "machine":
        return 0.0  # in the span of the first product's process
    case = block.requests[0].case
    weights, layers = LARGER[block.source.name]
    cases = {request.case for request in block.requests if request.instrument != TRY}
    observed = sum(_request(request, block, known) for request in block.requests)
    return known.turn + weights * _at(known.load, case.scheme) + layers * observed + known.case * (len(cases) - 1)


def _request(request: Any, block: Block, known: Costs) -> float:
    case, options = request.case, block.options.get("by_case", {}).get(request.case.case_id, block.options)
    call, new = (case.new_tokens or 0) * _at(known.step, case.scheme), _new_lengths(case, block)
    first = call + new * (_at(known.first_step, case.scheme) - _at(known.step, case.scheme))
    return float(
        {
            "generation": first + options["calls"] * call,
            "energy": _at(known.energy, case.scheme) * (case.new_tokens or 0) / TOKENS,
            "codecarbon": _at(known.energy, case.scheme) * (case.new_tokens or 0) / TOKENS,
            "kineto": _at(known.timeline, case.scheme),
            "kineto-first": _at(known.timeline, case.scheme) * FIRST_VISITS,
            "kineto-prefill": _at(known.timeline, case.scheme) * PREFILL,
            "annotation": 2 * options["annotation_pairs"] * call,
            TRY: _prepared(case, call, first) + ROUNDS * call * _loops(case),
        }[request.instrument]
    )


def _prepared(case: Any, call: float, first: float) -> float:
    """What a try takes before its rounds: at another batch size all lengths are new, a static cache has but one."""
    if case.intervention in (None, "none", "threshold-0", "compute-matched"):
        return 0.0
    return first if case.intervention.startswith("batch-") else call


def _loops(case: Any) -> int:
    """Decode loops of one call: a captured step is held against the same one run eagerly, call by call."""
    return 2 if case.intervention == "cuda-graph" else 1


def _new_lengths(case: Any, block: Block) -> int:
    """How many of a Case's lengths no shorter Case of its process has met at that batch size."""
    earlier = [
        request.case.new_tokens or 0
        for request in block.requests
        if request.case.batch_size == case.batch_size and (request.case.new_tokens or 0) < (case.new_tokens or 0)
    ]
    return (case.new_tokens or 0) - max(earlier, default=0)


def _windows(record: Record) -> float:
    return sum(_values(record, "window_time")) + sum(_values(record, "idle_time"))


def _other(record: Record, following: Record) -> bool:
    return bool(record["case"]["scheme"] != following["case"]["scheme"])


def _at(table: Mapping[str, float], scheme: str) -> float:
    """A scheme that was not measured counts as the dearest float one."""
    return table.get(scheme, max(table["fp16"], table["bf16"]))


def _blocks(name: str, model: str, repeats: int | None) -> Sequence[Block]:
    chosen = presets.preset(name, {"repeats": repeats})
    return with_tries(chosen, make_plan(chosen, resolve(model), _layers(), "cuda", 0))


def _layers() -> list[Layer]:
    found = {
        (case["layer"], case["n"], case["k"]): None
        for case in (record["case"] for record in _records(RUN / "as-measured.jsonl.gz"))
        if case["workload"] == "matmul"
    }
    return [Layer(name, n, k, 1, name != "lm_head") for name, n, k in found]


def _interventions(options: Any) -> int:
    schemes = dict.fromkeys(("fp16", *options.schemes))
    names = {scheme: names_for(scheme, "cuda", options.only, ()) for scheme in schemes}
    sweep = presets.preset("study", {"calls": options.calls, "repeats": options.repeats}).sweeps[0]
    seen = frozenset(sweep.schemes)  # whose timelines the part steady has recorded
    plan = make_interventions(sweep, resolve("shape:starcoder2-3b"), "cuda", 0, names, seen, None)
    return len(plan.timelines) + len(plan.blocks)


@cache
def _records(file: Path) -> list[Record]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def _values(record: Record, name: str) -> Sequence[float]:
    return next((metric["values"] for metric in record["metrics"] if metric["name"] == name), ())


def _of(timed: Sequence[tuple[Record, float]], instrument: str, tokens: int) -> dict[str, tuple[Record, float]]:
    found: dict[str, tuple[Record, float]] = {}
    for record, span in timed:
        case = record["case"]
        if (record["instrument"], case.get("batch_size"), case.get("new_tokens")) == (instrument, 1, tokens):
            found.setdefault(case["scheme"], (record, span))
    return found


def _usable(records: Sequence[Record]) -> dict[str, Record]:
    return {scheme: record for scheme, (record, _) in _of([(r, 0.0) for r in records], "generation", TOKENS).items()}


def _further(record: Record) -> bool:
    """A Case after the first of its process: the batch sizes."""
    return record["instrument"] == "generation" and record["case"]["batch_size"] > 1


def commands(parts: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
    """(part, command) of the study, as the script prints them."""
    script = [str(ROOT / "scripts" / "gpu-study.sh"), "OUT", *parts]
    surroundings = {key: value for key, value in os.environ.items() if key not in ("MODEL", "OTHERS", "BUDGET", "DROP")}
    done = subprocess.run(script, env=surroundings | {"DRY": "1"}, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split("\t", 1) for line in done.stdout.splitlines()]
    return [(part, shlex.split(command)) for part, command in rows]


def estimates(parts: Sequence[str] = ()) -> dict[str, float | None]:
    """Seconds per part; None where no command of it was ever measured."""
    known, found = costs(), {}
    for part, command in commands(parts):
        one = seconds(command, known)
        found[part] = found.get(part) if one is None else (found.get(part) or 0.0) + one
    return found


if __name__ == "__main__":
    for part, estimate in estimates(sys.argv[1:]).items():
        print(f"{part:16} {'not measured before' if estimate is None else f'{estimate:4.0f} s'}")
