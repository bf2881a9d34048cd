"""Programs of a model to be judged (bench/quality/evaluate.py): JSON lines, plain or gzipped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random

from bench.quality.evaluate import Sample, read_samples
from bench.quality.tasks import PlusTask

from .kinds import Reader, printed
from .mutation import json_bytes, mutated, mutated_lines, mutated_tree
from .packed import sometimes_packed, unpacked_size

_TASKS = tuple(PlusTask(f"HumanEval/{n}", "def f(x):\n", "    return x\n", "f", 0.0, ([1],), ([2],)) for n in range(3))
_PROGRAMS = ("    return x\n", "", "def f(x):\n    return 'é'\n", "\x00", "x" * 2000)


def read(path: Path) -> tuple[Sample, ...]:
    return read_samples(path, _TASKS)


def use(samples: tuple[Sample, ...]) -> None:
    printed([asdict(sample) for sample in samples])


def seeds() -> list[bytes]:
    lines = [json.dumps({"task_id": task.task_id, "completion": "    return x\n"}) for task in _TASKS]
    return ["\n".join([*lines, ""]).encode(), json.dumps({"task_id": "HumanEval/1", "solution": "pass"}).encode()]


def make(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.choice((1, 2, 6))):
        name = rng.choice(("completion", "completion", "solution", "solution", "program"))
        sample = {"task_id": f"HumanEval/{rng.randrange(4)}", name: rng.choice(_PROGRAMS)}
        lines.append(json_bytes(mutated_tree(sample, rng, rng.choice((0, 0, 0, 1))), rng).replace(b"\n", b" "))
    return sometimes_packed(b"\n".join(lines), rng)


def mutate(data: bytes, rng: Random) -> bytes:
    return sometimes_packed(mutated_lines(data, rng) if rng.random() < 0.4 else mutated(data, rng), rng)


READER = Reader("samples", ".jsonl", read, use, seeds, make, mutate, unpacked_size)
