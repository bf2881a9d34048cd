"""Records as a run would write them, with invented but plausible figures: for tests of what reads records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench import schemes
from bench.interventions.table import changed_arm, parse
from bench.record.metrics import METRICS
from bench.record.schema import Case, Finding, Metric, Record, metric
from tests.record_parts import CPU as CPU
from tests.record_parts import GENERATE as GENERATE
from tests.record_parts import GPU as GPU
from tests.record_parts import MODEL as MODEL
from tests.record_parts import RUN_ID as RUN_ID
from tests.record_parts import SPEEDS as SPEEDS
from tests.record_parts import WIDTHS as WIDTHS
from tests.record_parts import arm as arm
from tests.record_parts import case as case
from tests.record_parts import record as record


def generation(
    scheme: str = "fp16", repeat: int = 0, *, step: float = 0.010, calls: int = 4, **coordinates: Any
) -> Record:
    """One repeat of a generation Case. ``step``: decode seconds per step of fp16."""
    of = case(scheme, **coordinates)
    rng = np.random.default_rng([of.seed, repeat, sum(scheme.encode())])
    steps, batch = (of.new_tokens or 32) - 1, of.batch_size or 1
    mean = step * SPEEDS.get(scheme, 1.2) * (1 + 0.01 * rng.standard_normal())
    latencies = mean * np.exp(0.04 * rng.standard_normal((calls, steps)) + (rng.random((calls, steps)) > 0.98) * 0.7)
    first = 4.0 * mean * np.exp(0.05 * rng.standard_normal(calls))
    footprint = 1.22e6 * WIDTHS.get(scheme, 1.0)
    return record(
        "generation",
        of,
        {
            "time_to_first_token": first,
            "inter_token_latency": latencies.ravel(),
            "decode_steps": [steps] * calls,
            "generate_time": first + latencies.sum(axis=1),
            "tokens_generated": [(steps + 1) * batch] * calls,
            "prompt_length": rng.integers(60, 200, calls),
            "warmup_time": [first[0] * 6, first[0] * 2],
            "load_time": 1.0 + 0.3 * rng.random(),
            "harness_overhead": 2.0e-6 * np.exp(0.1 * rng.standard_normal(20)),
            "model_footprint": footprint,
            "memory_resident_peak": 9e8 + footprint,
        },
        repeat=repeat,
        setup={"generate": {**GENERATE, "cache": of.cache, "stop": of.stop}},
        not_collected={"memory_allocated_peak": "no GPU on this machine"} if of.device == "cpu" else {},
    )


def energy(scheme: str = "fp16", repeat: int = 0, *, counters: bool = True, **coordinates: Any) -> Record:
    """One repeat of an energy Case, with a GPU counter or with the reason why there is none."""
    of = case(scheme, **({"device": "cuda" if counters else "cpu"} | coordinates))
    rng = np.random.default_rng([7, repeat, sum(scheme.encode())])
    if not counters:
        why = {"energy_gpu": "no GPU on this machine", "energy_cpu": "RAPL is not readable: permission denied"}
        return record("energy", of, {"window_time": 5.0, "window_tokens": 480}, repeat=repeat, not_collected=why)
    times = 5.0 + 0.02 * rng.random(3)
    watts = (310.0 if scheme == "fp16" else 240.0) * (1 + 0.01 * rng.standard_normal(3))
    return record(
        "energy",
        of,
        {
            "window_time": times,
            "window_tokens": np.round(times / 0.010 / SPEEDS.get(scheme, 1.2)),
            "energy_gpu": times * watts,
            "idle_time": [5.0, 5.0],
            "idle_energy_gpu": [5 * 71.0, 5 * 72.0],
        },
        repeat=repeat,
        not_collected={"energy_cpu": "RAPL is not readable: permission denied"},
    )


def codecarbon(scheme: str = "fp16", repeat: int = 0, **coordinates: Any) -> Record:
    """CodeCarbon's estimate, as it is without RAPL."""
    tokens = 480 / SPEEDS.get(scheme, 1.2)
    return record(
        "codecarbon",
        case(scheme, **coordinates),
        {
            "window_time": 5.0,
            "window_tokens": tokens,
            "codecarbon_energy": 260.0 + repeat,
            "codecarbon_emissions": 3e-5,
        },
        repeat=repeat,
        setup={"estimated": True, "estimated_why": "CPU from its nominal power, RAM a constant", "country": "DEU"},
    )


def annotation(scheme: str = "fp16", repeat: int = 0, *, cost: float = 1.003, **coordinates: Any) -> Record:
    """Plain and annotated calls in pairs."""
    rng = np.random.default_rng([3, repeat])
    plain = 0.35 * (1 + 0.002 * rng.standard_normal(8))
    metrics = {"generate_time_plain": plain, "generate_time_annotated": plain * cost}
    return record("annotation", case(scheme, **coordinates), metrics, repeat=repeat)


def matmul(
    scheme: str = "fp16",
    m: int = 1,
    *,
    layer: str = "mlp.c_fc",
    n: int = 512,
    k: int = 128,
    residency: str = "hot",
    repeat: int = 0,
    **coordinates: Any,
) -> Record:
    """One layer shape in one scheme."""
    shape = {"layer": layer, "op": "linear", "residency": residency, "m": m, "n": n, "k": k}
    of = case(scheme, **({"workload": "matmul"} | shape | coordinates))
    rng = np.random.default_rng([11, m, n, repeat, sum(scheme.encode())])
    base = (4e-6 + n * k * WIDTHS.get(scheme, 1.0) / 2e10 + m * n * k / 2e10) * (1.0 if residency == "hot" else 1.4)
    times = base * SPEEDS.get(scheme, 1.2) * np.exp(0.03 * rng.standard_normal(60))
    return record(
        "matmul",
        of,
        {"forward_time": times, "relative_error": 0.09 if "4" in scheme else 3e-4, "warmup_time": base * 3},
        repeat=repeat,
        setup={
            "stop": "noise",
            "copies": 1 if residency == "hot" else 64,
            "rotated_bytes": 4e7,
            "cache_bytes": 3.2e7,
            "burst": 20,
        },
    )


def other_run(of: Record, run_id: str = "20250102T120000-other") -> Record:
    """The same Record as another run would have written it."""
    return replace(of, run_id=run_id)


def ceiling(device: str = "cpu", repeat: int = 0) -> Record:
    """The machine's own limits: 12 GB/s each way and 80 GFLOP/s."""
    metrics = {"copy_time": [2**27 / 12e9] * 5, "gemm_time": [2 * 1024**3 / 80e9] * 5}
    of = Case(workload="machine", model="", revision="", scheme="", device=device, seed=0)
    setup = {"copy_bytes": 2**27, "gemm_flop": 2 * 1024**3, "dtype": "float16"}
    return record("ceiling", of, metrics, setup=setup, repeat=repeat)


def run(*, gpu: bool = False, schemes: Sequence[str] = ("fp16", "int8", "nf4"), repeats: int = 3) -> list[Record]:
    """A whole run: generation at two batch sizes, energy, CodeCarbon, annotation, matmul, one failure, one skip."""
    device = "cuda" if gpu else "cpu"
    records = [ceiling(device)]
    for repeat in range(repeats):
        for scheme in schemes:
            records += [
                generation(scheme, repeat, device=device),
                generation(scheme, repeat, device=device, batch_size=8, step=0.013),
                energy(scheme, repeat, counters=gpu, device=device),
                codecarbon(scheme, repeat, device=device),
            ]
        records.append(annotation("fp16", repeat, device=device))
    for layer, n, k in (("self_attn.q_proj", 128, 128), ("mlp.c_fc", 512, 128), ("mlp.c_proj", 128, 512)):
        records += [
            matmul(scheme, m, layer=layer, n=n, k=k, residency=residency, device=device)
            for scheme in schemes
            for m in (1, 4, 16, 64)
            for residency in ("hot", "cold")
        ]
    return [*records, *troubles(device)]


def troubles(device: str = "cpu") -> list[Record]:
    """A failed and a skipped record, and one finding that many records repeat."""
    noisy = Finding(
        "machine-busy", "warning", "the machine was busy before the run", "load 1.9", "close other programs"
    )
    failed = record(
        "generation",
        case("int8-planted", device=device),
        status="failed",
        reason="the child died with signal 9 (out of memory?)",
        findings=(noisy,),
    )
    skipped = record(
        "generation",
        case("bf16", device=device, cache="static"),
        status="skipped",
        reason="static cache needs a GPU",
        findings=(noisy,),
    )
    return [failed, skipped]


def without(item: Record, *names: str) -> Record:
    """The record less some metrics."""
    assert all(name in METRICS for name in names)
    kept: tuple[Metric, ...] = tuple(value for value in item.metrics if value.name not in names)
    return replace(item, metrics=kept)


def kineto(
    scheme: str = "fp16",
    repeat: int = 0,
    *,
    lines: Mapping[str, float] | None = None,
    plain: float | None = None,
    steps: int = 4,
    sources: Sequence[Mapping[str, Any]] = (),
    disturbance: float = 0.0,
    **coordinates: Any,
) -> Record:
    """Observed decode steps. ``lines``: cause → seconds per step without the observer; its cost of 1 µs per operator
    (100 operators in each line) and ``disturbance`` more in host_gap come on top."""
    of = case(scheme, **coordinates)
    known = dict(lines or {"gemm": 0.006, "host_gap": 0.004})
    rng = np.random.default_rng([17, repeat, sum(scheme.encode())])
    wobble = 1 + 0.01 * rng.standard_normal(steps)
    metrics: dict[str, Any] = {
        f"observed_{cause}_per_step": value * wobble + 100e-6 + (disturbance if cause == "host_gap" else 0.0)
        for cause, value in known.items()
    }
    walls = sum(metrics.values())
    metrics |= {
        "observed_step_time": walls,
        "plain_step_time": [plain if plain is not None else sum(known.values())] * 12,
        "operator_event_cost": [1e-6] * 8,
        "range_event_cost": [2e-6] * 8,
    }
    events = {cause: {"operators": [100] * steps, "range_ends": [0] * steps} for cause in known}
    ledger = {
        "device": of.device,
        "bitsandbytes": "0.50.2",
        "sources": [dict(item) for item in sources],
        "unknown": {},
        "events": events,
    }
    return record("kineto", of, metrics, repeat=repeat, setup={"ledger": ledger})


def first_visits(
    scheme: str = "fp16",
    repeat: int = 0,
    *,
    new: float = 0.045,
    inside: tuple[float, float] = (0.001, 0.031),
    other: float = 0.0,
    sources: Sequence[Mapping[str, Any]] = (),
    **coordinates: Any,
) -> list[Record]:
    """A process with a first generation: seconds per step at ``new`` lengths, of which the host is ``inside`` the
    attention call at seen and at new ones, and ``other`` more outside it; and the observed steps of both kinds."""
    timed = generation(scheme, repeat, **coordinates)
    steps = (timed.case.new_tokens or 32) - 1
    first = {
        "first_visit_latency": [new] * steps,
        "first_visit_length": list(range(100, 100 + steps)),
        "first_visit_steps": [0.0] * len(timed.values("decode_steps")),
        "first_generation_time": new * (steps + 1),
        "first_time_to_first_token": new,
    }
    timed = replace(timed, metrics=(*timed.metrics, *(metric(name, values) for name, values in first.items())))
    seen = kineto(scheme, repeat, **coordinates)
    grown = {"gemm": 0.006, "host_gap": 0.004 + inside[1] - inside[0] + other}
    later = replace(
        kineto(scheme, repeat, lines=grown, sources=sources, plain=new, **coordinates), instrument="kineto-first"
    )
    return [timed, *(_inside(record, spent) for record, spent in zip((seen, later), inside, strict=True))]


def _inside(item: Record, seconds: float) -> Record:
    ledger = {**item.setup["ledger"], "attention_call": {"host_gap": [seconds] * 4}}
    return replace(item, setup={**item.setup, "ledger": ledger})


def source(
    seconds: float, *, cause: str = "host_gap", range_: str = "q_proj", operator: str = "aten::linear",
    work: str = "gemm", steps: int = 4,
) -> dict[str, Any]:  # fmt: skip
    """Part of an idle line, as a kineto record keeps it."""
    return {
        "cause": cause, "range": range_, "operator": operator, "work": work, "seconds": [seconds] * steps,
        "operators": [0] * steps, "range_ends": [0] * steps,
    }  # fmt: skip


def intervention(
    scheme: str = "int8",
    name: str = "none",
    repeat: int = 0,
    *,
    step: float = 0.020,
    tokens: Sequence[int] = (1, 2, 3, 4),
    logits: Sequence[float] = (1.0, 2.0),
    **coordinates: Any,
) -> Record:
    """One repeat of an arm under an intervention."""
    moved = {key: value for item in parse(name) for key, value in item.case.items()}
    of = case(scheme, intervention=name, **(moved | coordinates))
    rng = np.random.default_rng([23, repeat, sum((scheme + name).encode())])
    latencies = step * (1 + 0.01 * rng.standard_normal((3, 15)))
    told = [
        {"name": part, "sense": "removes", "cause": part, "removes": []} for part in name.split("+") if part != "none"
    ]
    metrics = {
        "inter_token_latency": latencies.ravel(),
        "decode_steps": [15] * 3,
        "tokens_generated": [16] * 3,
        "model_footprint": 1.39e6 if "linears" not in name else 2.44e6,
    }
    changed = changed_arm(schemes.arm(scheme), parse(name)).facts()
    setup = {"arm": changed, "interventions": told, "output": {"tokens": [[list(tokens)]], "logits": list(logits)}}
    return record("intervention", of, metrics, repeat=repeat, setup=setup)


def prediction(scheme: str, name: str, before: float, after: float, **coordinates: Any) -> Record:
    """What the replay said before."""
    of = case(scheme, intervention=name, **coordinates)
    return record("prediction", of, {"replayed_step_time": before, "predicted_step_time": after})
