"""What every invented Record is made of: the machine, the Case, the arm's facts. For tests/factories.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.record.schema import Case, Environment, Finding, Record, Status, metric

RUN_ID = "20250101T120000-test"
CPU = Environment(
    hostname="testhost",
    os="Linux 6.1 (Debian 12)",
    python="3.11.2",
    cpu={"model": "Example CPU @ 2.00GHz", "usable_cores": 2, "flags": ["avx2"]},
    packages={"torch": "2.13.0", "transformers": "5.23.0", "bitsandbytes": "0.50.2", "numpy": "2.3.0"},
    source={"commit": "0123456789abcdef", "dirty": False},
    before={"load_average": [0.4, 0.3, 0.2], "memory_available_bytes": 24_000_000_000, "gpus": []},
    after={"load_average": [1.9, 0.8, 0.4], "memory_available_bytes": 23_000_000_000, "gpus": []},
)
GPU = replace(
    CPU,
    gpus=({"name": "NVIDIA Example 80GB", "driver": "580.1", "power_limit_w": 700.0, "multiprocessors": 132},),
    before={"gpus": [{"temperature_degc": 35, "clock_sm_hz": 1.98e9, "throttle_reasons": []}]},
    after={"gpus": [{"temperature_degc": 61, "clock_sm_hz": 1.755e9, "throttle_reasons": ["sw_power_cap"]}]},
)
# decode seconds per token relative to fp16, and bytes per parameter
SPEEDS = {"fp16": 1.0, "int8": 1.72, "nf4": 1.31, "bf16": 1.004, "fp4": 1.3, "nf4-dq": 1.36, "int8-thr0": 1.4}
WIDTHS = {"fp16": 2.0, "int8": 1.1, "nf4": 0.65, "bf16": 2.0, "fp4": 0.65, "nf4-dq": 0.62, "int8-thr0": 1.1}
MODEL = {
    "name": "smoke", "revision": "0123abcd", "label": "memorised", "parameters": 1_220_000, "attention": "sdpa"
}  # fmt: skip
GENERATE = {"do_sample": False, "num_beams": 1, "cache": "dynamic", "stop": "length", "disable_compile": True}


def arm(scheme: str) -> dict[str, Any]:
    """The arm's facts, in the form that bench.schemes writes."""
    kind = "int8" if scheme.startswith("int8") else "4bit" if "f4" in scheme or scheme == "fp4" else "float"
    dtype = {"fp32": "float32", "bf16": "bfloat16"}.get(scheme, "float16")
    return {
        "name": scheme,
        "kind": kind,
        "dtype": dtype,
        "compute_dtype": dtype,
        "quant_type": None if kind != "4bit" else "fp4" if scheme == "fp4" else "nf4",
        "double_quant": scheme == "nf4-dq",
        "blocksize": 64 if kind == "4bit" else None,
        "threshold": (0.0 if scheme == "int8-thr0" else 6.0) if kind == "int8" else None,
        "planted_columns": 6 if scheme == "int8-planted" else 0,
        "disable_compile": True,
        "description": f"{scheme} as the tests imagine it",
    }


def case(scheme: str = "fp16", **coordinates: Any) -> Case:
    """A generation Case; any coordinate can be overridden, None takes one away."""
    base: dict[str, Any] = {
        "workload": "generation",
        "model": "smoke",
        "revision": "0123abcd",
        "device": "cpu",
        "seed": 0,
        "batch_size": 1,
        "prompts": "humaneval",
        "new_tokens": 32,
        "cache": "dynamic",
        "stop": "length",
    }
    if coordinates.get("workload", "generation") != "generation":
        for name in ("batch_size", "prompts", "new_tokens", "cache", "stop"):
            del base[name]
    return Case(scheme=scheme, **(base | coordinates))


def record(
    instrument: str,
    of: Case,
    metrics: Mapping[str, Any] | None = None,
    *,
    repeat: int = 0,
    status: Status = "ok",
    reason: str = "",
    setup: Mapping[str, Any] | None = None,
    not_collected: Mapping[str, str] | None = None,
    findings: Sequence[Finding] = (),
    environment: Environment | None = None,
) -> Record:
    """A Record; the environment follows the Case's device."""
    return Record(
        run_id=RUN_ID,
        instrument=instrument,
        case=of,
        repeat=repeat,
        status=status,
        environment=environment or (CPU if of.device == "cpu" else GPU),
        started_at="2025-01-01T12:00:00+00:00",
        argv=("python", "-m", "bench", "run", "--preset", "smoke"),
        reason=reason,
        setup={"arm": arm(of.scheme), "model": dict(MODEL)} | dict(setup or {}),
        metrics=tuple(metric(name, values) for name, values in (metrics or {}).items()),
        not_collected=dict(not_collected or {}),
        findings=tuple(findings),
    )
