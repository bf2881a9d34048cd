"""Records of a sweep over many nodes, as gathered, with known node factors: for tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.record.schema import Environment, Record
from tests import factories as make

SCHEMES = ("fp16", "int8", "nf4")


def node_names(count: int) -> list[str]:
    """n001, n002, … as on a cluster."""
    return [f"n{number:03d}" for number in range(1, count + 1)]


def machine(name: str, *, gpu: bool = True, limit: float = 700.0, **state: Any) -> Environment:
    """The environment of a node as a Slurm job sees it. ``state``: of its GPU after each Case."""
    base = make.GPU if gpu else make.CPU
    variables = {"SLURMD_NODENAME": name, "SLURM_JOB_ID": str(1000 + sum(name.encode()))}
    if not gpu:
        return replace(base, variables=variables)
    facts = {**base.gpus[0], "uuid": f"GPU-{name}", "power_limit_w": limit}
    after = {**base.after["gpus"][0], "throttle_reasons": []} | state
    return replace(base, variables=variables, gpus=(facts,), after={"gpus": [after]})


def generation(
    scheme: str, block: int, on: Environment, factor: float, rng: np.random.Generator, place: int, **of: Any
) -> Record:
    """One arm of a block: four calls of eight tokens whose times differ by ``rng``, ``factor`` times as long."""
    device = "cuda" if on.gpus else "cpu"
    case = make.case(scheme, device=device, new_tokens=8, **of)
    mean = 0.010 * make.SPEEDS[scheme] * factor * float(np.exp(0.004 * rng.standard_normal()))
    steps = mean * np.exp(0.01 * rng.standard_normal((4, 7)))
    first = np.full(4, 4.0 * mean)
    metrics = {
        "time_to_first_token": first,
        "inter_token_latency": steps.ravel(),
        "decode_steps": [7] * 4,
        "generate_time": first + steps.sum(axis=1),
        "tokens_generated": [8 * (case.batch_size or 1)] * 4,
        "model_footprint": 1.22e6 * make.WIDTHS[scheme],
    }
    return made("generation", case, metrics, block, on, place)


def made(instrument: str, case: Any, metrics: Mapping[str, Any], block: int, on: Environment, place: int) -> Record:
    """A Record of a block."""
    setup = {"block": {"name": name_of(case.model, block), "place": place}}
    return make.record(instrument, case, metrics, repeat=block, setup=setup, environment=on)


def name_of(model: str, block: int) -> str:
    """A block's name, as unique as the engine's."""
    return f"{model} generation repeat {block}"


def energy(scheme: str, block: int, on: Environment, factor: float, place: int, **of: Any) -> Record:
    """Joules of one arm: on a slower node the same power for longer."""
    case = make.case(scheme, device="cuda", new_tokens=8, **of)
    watts = 310.0 if scheme == "fp16" else 240.0
    tokens = round(5.0 / 0.010 / make.SPEEDS[scheme] / factor)
    metrics = {"window_time": [5.0] * 2, "window_tokens": [tokens] * 2, "energy_gpu": [5 * watts, 5.05 * watts]}
    return made("energy", case, metrics, block, on, place)


def sweep(
    factors: Mapping[str, float],
    *,
    blocks: int = 3,
    schemes: Sequence[str] = SCHEMES,
    batches: Sequence[int] = (1,),
    seed: int = 0,
    joules: bool = False,
    machines: Mapping[str, Environment] | None = None,
) -> list[Record]:
    """``blocks`` blocks on each node, all ``schemes`` and batch sizes in each. ``factors``: node → how many times as
    long it takes. ``machines``: nodes that are unlike the others."""
    rng = np.random.default_rng([41, seed])
    records: list[Record] = []
    for place_of_node, (name, factor) in enumerate(factors.items()):
        on = (machines or {}).get(name) or machine(name)
        for own in range(blocks):
            block = place_of_node * blocks + own
            for place, scheme in enumerate(schemes):
                for batch in batches:
                    records.append(generation(scheme, block, on, factor, rng, place, batch_size=batch))
                    if joules:
                        records.append(energy(scheme, block, on, factor, place, batch_size=batch))
    return records
