"""Makes the two sample traces of docs/your-own-traces.md: ``python -m benchmarks.fidelity.samples docs/traces``.

A made-up serving engine, eager, one GPU; the candidate dequantises its weights in a kernel of its own before products.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.record import causes as c

from .stacks import PLANTS, Plant, Stack
from .writers import write_kineto

NAMES = ("bf16.json.gz", "awq.json.gz")


def main(arguments: Sequence[str]) -> int:
    """Write both into a folder."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in samples().items():
        (folder / name).write_bytes(gzip.compress(content, mtime=0))
    return 0


def samples() -> dict[str, bytes]:
    """Name → the Chrome trace as JSON text."""
    stack = Stack("vLLM", graph=False, ranks=1)
    planted = next(plant for plant in PLANTS if plant.cause == c.DEQUANTISE)
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for seed, (name, plant) in enumerate(zip(NAMES, (Plant(""), planted), strict=True), 1):
            path = Path(folder) / "trace.json"
            write_kineto(path, stack.played(plant, seed)[0])
            made[name] = path.read_bytes()
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
