"""Records (bench/record/store.py): JSON lines, plain or gzipped."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from bench.record.schema import to_json
from bench.record.store import Loaded, load
from tests import factories

from .kinds import Reader, printed
from .mutation import json_bytes, mutated, mutated_lines, mutated_tree
from .packed import sometimes_packed, unpacked_size


def read(path: Path) -> Loaded:
    """Load a file of records, whose name says whether it is packed."""
    packed = path.read_bytes()[:2] == b"\x1f\x8b"
    file = path.with_suffix(".jsonl.gz") if packed else path
    if packed:
        path.replace(file)
    try:
        return load(file)
    finally:
        if packed:
            file.replace(path)


def use(loaded: Loaded) -> None:
    """Write each record again."""
    for record in loaded.records:
        printed(to_json(record))
        hash(record.key)


def _documents() -> list[dict[str, Any]]:
    made = [
        factories.generation(calls=1, new_tokens=4),
        factories.energy(),
        factories.matmul(),
        factories.kineto(sources=[factories.source(0.001)]),
        factories.intervention(),
        *factories.troubles(),
    ]
    return [json.loads(json.dumps(to_json(record))) for record in made]


_MADE = [json.dumps(document) for document in _documents()]


def seeds() -> list[bytes]:
    return [f"{line}\n".encode() for line in _MADE] + ["\n".join([*_MADE, ""]).encode()]


def make(rng: Random) -> bytes:
    lines = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        document = json.loads(rng.choice(_MADE))
        if rng.random() < 0.5:
            document.pop("case_id", None)
        text = json_bytes(mutated_tree(document, rng, rng.choice((0, 0, 1, 1, 3))), rng)
        lines.append(text.replace(b"\n", b" "))
    return sometimes_packed(b"\n".join(lines) + rng.choice((b"\n", b"\r\n", b"")), rng)


def mutate(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.4:
        try:
            tree = mutated_tree(json.loads(data.split(b"\n")[0]), rng, rng.choice((1, 2)))
            return json_bytes(tree, rng).replace(b"\n", b" ") + b"\n"
        except (ValueError, RecursionError):
            return mutated(data, rng)
    return sometimes_packed(mutated_lines(data, rng) if rng.random() < 0.4 else mutated(data, rng), rng)


READER = Reader("records", ".jsonl", read, use, seeds, make, mutate, unpacked_size)
