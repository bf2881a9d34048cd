"""Records of a run of the study's model on a GPU, with invented figures: for tests of the comparison with the study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.record.schema import Case, Record
from bench.studies.starcoder2.published import Published, from_json
from tests import factories as make

FILE = Path(__file__).parents[1] / "bench" / "studies" / "starcoder2" / "data" / "published.json"
STUDY_MODEL = "bigcode/starcoder2-3b"
LABELS = {"smoke": "memorised", "shape": "random weights"}
A100 = replace(make.GPU, gpus=({"name": "NVIDIA A100-SXM4-40GB", "power_limit_w": 400.0},))


def published() -> Published:
    return from_json(json.loads(FILE.read_text(encoding="utf-8")))


def case(scheme: str, **coordinates: Any) -> Case:
    return make.case(scheme, **({"model": STUDY_MODEL, "device": "cuda", "new_tokens": 128} | coordinates))


def record(
    instrument: str,
    of: Case,
    metrics: Mapping[str, Any],
    repeat: int = 0,
    setup: Mapping[str, Any] | None = None,
) -> Record:
    """On the study's GPU, with the label that the model's name gives it."""
    label = LABELS.get(of.model.partition(":")[0], "as published")
    told = {"model": {"name": of.model, "label": label}} | dict(setup or {})
    environment = A100 if of.device == "cuda" else make.CPU
    return make.record(instrument, of, metrics, repeat=repeat, setup=told, environment=environment)


def calls(
    scheme: str,
    seconds: float,
    repeat: int = 0,
    *,
    tokens: Sequence[int] = (),
    first: float = 1.0,
    options: Mapping[str, Any] | None = None,
    **coordinates: Any,
) -> Record:
    """Timed calls of about ``seconds`` each; ``first``: how many times longer the first call takes, which is a warm-up
    call unless ``options`` says that there is none."""
    of = case(scheme, **coordinates)
    rng = np.random.default_rng([31, repeat, sum(scheme.encode())])
    times = seconds * (1 + 0.003 * rng.standard_normal()) * (1 + 0.002 * rng.standard_normal(4))
    known = {"warmup_tokens": None} | dict(options or {})
    metrics: dict[str, Any] = {
        "generate_time": times,
        "tokens_generated": list(tokens) or [of.new_tokens] * 4,
        "inter_token_latency": np.full(4 * 3, seconds / 128),
        "decode_steps": [3] * 4,
    }
    if known.get("warmup_calls", 1):
        metrics["warmup_time"] = [seconds * first]
    return record("generation", of, metrics, repeat, {"options": known})


def joules(scheme: str, each: float, repeat: int = 0, **coordinates: Any) -> Record:
    """Three windows of a GPU's counter, about ``each`` joules per token."""
    rng = np.random.default_rng([37, repeat, sum(scheme.encode())])
    metrics = {
        "window_time": [5.0] * 3,
        "window_tokens": [100] * 3,
        "energy_gpu": 100 * each * (1 + 0.002 * rng.standard_normal(3)),
    }
    return record("energy", case(scheme, **coordinates), metrics, repeat)


def carbon(scheme: str, gpu: float, repeat: int = 0, **coordinates: Any) -> Record:
    """CodeCarbon's joules per token of the GPU, and all parts with a guessed CPU."""
    jitter = 1 + 0.002 * repeat
    metrics = {
        "window_time": 5.0,
        "window_tokens": 100,
        "codecarbon_energy_gpu": 100 * gpu * jitter,
        "codecarbon_energy": 150 * gpu * jitter,
    }
    guessed = {"estimated": True, "estimated_why": "CPU from its nominal power"}
    return record("codecarbon", case(scheme, **coordinates), metrics, repeat, guessed)


def judged(scheme: str, passed: Iterable[int], tasks: int = 164, **coordinates: Any) -> list[Record]:
    """Programs for ``tasks`` tasks, of which ``passed`` (their numbers) pass."""
    of = case(scheme, **({"stop": "eos"} | coordinates))
    those = set(passed)
    names = [f"HumanEval/{number}" for number in range(tasks)]
    passes = [float(number in those) for number in range(tasks)]
    seconds = 2.0 + 0.1 * np.random.default_rng([41, sum(scheme.encode())]).random(tasks)
    written = {"generate_time": seconds, "tokens_generated": [50] * tasks}
    return [
        record("samples", of, written, setup={"tasks": names}),
        record("quality", of, {"passed_base": passes, "passed_plus": passes}, setup={"tasks": names}),
    ]


TIMES = {"fp32": 3.2, "fp16": 2.8, "nf4": 5.6, "4bit-default": 6.0, "int8": 21.0}
JOULES = {"fp16": 3.0, "nf4": 4.0, "int8": 4.8}


def run(repeats: int = 3, **coordinates: Any) -> list[Record]:
    """The study as it was published, about: times, joules, pass@1, and layers removed from the end."""
    records = [calls(s, t, r, first=3.0, **coordinates) for s, t in TIMES.items() for r in range(repeats)]
    for repeat in range(repeats):
        records += [joules(s, j, repeat, **coordinates) for s, j in JOULES.items()]
        records += [carbon(s, j * (1.0 if s == "fp16" else 1.1), repeat, **coordinates) for s, j in JOULES.items()]
    for scheme, passed in (("fp16", range(13)), ("nf4", range(13)), ("int8", range(1, 13))):
        records += judged(scheme, passed, **coordinates)
    for layers, removed, passed in (("29", 1, range(9)), ("28-29", 2, range(10)), ("27-29", 3, range(0))):
        records += judged("fp16", passed, **coordinates, dropped_layers=layers)
        for repeat in range(repeats):
            whole = {"stop": "eos"} | coordinates
            records.append(joules("fp16", 3.0 - 0.1 * removed, repeat, **whole, dropped_layers=layers))
    records += [joules("fp16", 3.0, repeat, **({"stop": "eos"} | coordinates)) for repeat in range(repeats)]
    return records
