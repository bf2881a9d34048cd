"""Records of programs and of their judgement, as a run would write them, with invented figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.record.schema import Case, Environment, Record
from tests import factories as make

TASKS = tuple(f"HumanEval/{number}" for number in range(40))


def of(scheme: str = "fp16", dropped: str | None = None, **coordinates: Any) -> Case:
    """The Case of an arm's programs."""
    return make.case(scheme, **({"new_tokens": 64, "stop": "eos", "dropped_layers": dropped} | coordinates))


def outputs(changed: int = 0, place: int = 5) -> list[list[int]]:
    """Twelve tokens per task; in the first ``changed`` tasks another token at ``place``."""
    made = [[100 + task + position for position in range(12)] for task in range(len(TASKS))]
    for task in range(changed):
        made[task][place] = 7
    return made


def samples(
    scheme: str = "fp16",
    dropped: str | None = None,
    *,
    repeat: int = 0,
    tokens: Sequence[Sequence[int]] | None = None,
    seconds: float = 0.4,
    nats: float = 1.0,
    **coordinates: Any,
) -> Record:
    """The programs of one repeat."""
    rng = np.random.default_rng([29, repeat, sum(scheme.encode())])
    made = outputs() if tokens is None else [list(item) for item in tokens]
    count = len(made)
    metrics = {
        "generate_time": seconds * np.exp(0.1 * rng.standard_normal(count)),
        "tokens_generated": [len(item) for item in made],
        "repetition_rate": [0.25] * count,
        "negative_log_likelihood": nats * np.exp(0.2 * rng.standard_normal(count)),
    }
    setup = {"tasks": list(TASKS[:count]), "tokens": made}
    return make.record("samples", of(scheme, dropped, **coordinates), metrics, repeat=repeat, setup=setup)


def judged(
    scheme: str = "fp16",
    dropped: str | None = None,
    *,
    plus: Sequence[int] = (),
    base: Sequence[int] | None = None,
    tasks: Sequence[str] = TASKS,
    **coordinates: Any,
) -> Record:
    """``plus`` and ``base`` are the numbers of the tasks passed."""
    passed = {"passed_plus": plus, "passed_base": plus if base is None else base}
    metrics = {name: [float(i in those) for i in range(len(tasks))] for name, those in passed.items()}
    return make.record("quality", of(scheme, dropped, **coordinates), metrics, setup={"tasks": list(tasks)})


def arm(
    scheme: str = "fp16", dropped: str | None = None, *, passed: int = 20, changed: int = 0, **more: Any
) -> list[Record]:
    """Programs and judgement: the first ``passed`` tasks passed, one more by the base tests alone."""
    coordinates = {name: value for name, value in more.items() if name not in ("seconds", "nats")}
    return [
        samples(scheme, dropped, tokens=outputs(changed), **more),
        judged(scheme, dropped, plus=range(passed), base=range(min(passed + 1, len(TASKS))), **coordinates),
    ]


def joules(
    scheme: str = "fp16",
    dropped: str | None = None,
    *,
    per_token: float = 2.0,
    repeat: int = 0,
    environment: Environment | None = None,
    parameters: int = 3_030_000_000,
    spread: float = 0.01,
    **coordinates: Any,
) -> Record:
    """One repeat of energy windows by the GPU's counter."""
    case = make.case(scheme, **({"device": "cuda", "dropped_layers": dropped} | coordinates))
    rng = np.random.default_rng([31, repeat, sum(scheme.encode()), case.batch_size or 0])
    tokens = np.full(3, 500.0)
    used = per_token * tokens * np.exp(spread * rng.standard_normal(3))
    metrics = {"window_time": [5.0] * 3, "window_tokens": tokens, "energy_gpu": used}
    made = make.record("energy", case, metrics, repeat=repeat, environment=environment)
    model = {"name": case.model, "revision": case.revision, "label": "", "parameters": parameters}
    return replace(made, setup=dict(made.setup) | {"model": model})


def gpu(name: str) -> Environment:
    """A machine with this GPU."""
    return replace(make.GPU, gpus=({"name": name, "power_limit_w": 400.0},))


def run(*, pruned: bool = True) -> list[Record]:
    """A GPU run with everything: programs of three schemes and of pruned fp16, timings, joules at three batches."""
    records = make.run(gpu=True)
    device: dict[str, Any] = {"device": "cuda"}
    records += arm("fp16", passed=20, **device)
    records += arm("int8", passed=19, changed=6, seconds=0.8, nats=1.02, **device)
    records += arm("nf4", passed=12, changed=30, seconds=0.55, nats=1.1, **device)
    shapes = ((1, {"fp16": 2.0, "int8": 2.9, "nf4": 1.6}), (8, {"fp16": 0.5, "int8": 0.5, "nf4": 0.66}))
    for batch, used in shapes:
        for scheme, per_token in used.items():
            for repeat in range(3):
                records.append(joules(scheme, per_token=per_token, repeat=repeat, batch_size=batch, new_tokens=64))
    if pruned:
        for count, passed in ((1, 15), (2, 6), (3, 0)):
            layers = f"{30 - count}-29" if count > 1 else "29"
            records += arm(
                "fp16", layers, passed=passed, changed=40, seconds=0.4 - 0.01 * count, nats=1 + count / 2, **device
            )
            records += [joules("fp16", layers, per_token=2.0 - 0.05 * count, repeat=r, new_tokens=64) for r in range(3)]
    return records


def perplexity(nats: Sequence[float]) -> float:
    return math.exp(sum(nats) / len(nats))
