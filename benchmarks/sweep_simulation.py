"""SIMULATED sweeps over 500 nodes: do the intervals hold, with pairing and without?

    python -m benchmarks.sweep_simulation --out benchmarks/results/sweep_simulation.json --page docs/sweep-simulation.md

Ratios and variation come from committed records, nodes are made up; docs/sweep-simulation.md says how. The parts named
by --parts are made again, the others are kept as they are in the file. Deterministic by the seed, but for seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from benchmarks import parts
from benchmarks.sweep.coverage import judge, replicate
from benchmarks.sweep.designs import DESIGNS, in_blocks
from benchmarks.sweep.figure import draw
from benchmarks.sweep.intervals import by_components, over_blocks, paired
from benchmarks.sweep.noise import Recorded, recorded
from benchmarks.sweep.page import fill
from benchmarks.sweep.world import Effects

SEED = 20261126
BLOCKS = (5, 10, 20, 50, 100, 500)
FEW = ((3, 2), (20, 2), (20, 4), (20, 10), (100, 10))  # blocks, nodes
NOISE = (1.0, 0.1)
PARTS = ("designs", "few", "scale")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the parts, then the page and its figure."""
    parser = parts.parser(__doc__, PARTS, "the page whose tables and figure (beside it, .svg) are made again")
    parser.add_argument("--replicates", type=int, default=4000, help="per design, half of it from 100 blocks on")
    options = parser.parse_args(argv)
    known = recorded()
    made = {"designs": _designs, "few": _few, "scale": _scale}
    document = parts.remade(options, lambda part: {part: made[part](known, options.replicates)} | _facts(known))
    if options.page:
        fill(options.page, document)
        draw(options.page.with_suffix(".svg"), document["designs"])
    return 0


def _facts(known: Recorded) -> dict[str, Any]:
    effects = asdict(Effects())
    del effects["noise"]
    deviations = {name: float(getattr(known, name).std()) for name in ("processes", "calls")}
    return {
        "simulated": "nodes and times are simulated; ratios and deviations are drawn from committed records",
        "seed": SEED,
        "sources": known.sources,
        "deviations": deviations,
        "effects": effects,
    }


def _designs(known: Recorded, replicates: int) -> list[dict[str, Any]]:
    rows = []
    for noise, blocks, name in ((n, b, d) for n in NOISE for b in BLOCKS for d in DESIGNS):
        title, assign, interval = DESIGNS[name]
        effects = Effects(noise=noise)
        count = replicates if blocks < 100 else replicates // 2
        found = _judged(known, effects, partial(assign, effects=effects, blocks=blocks), interval, count, blocks)
        rows.append({"noise": noise, "blocks": blocks, "design": name, "title": title, **found})
        _tell(rows[-1])
    return rows


def _few(known: Recorded, replicates: int) -> list[dict[str, Any]]:
    rows = []
    for noise, (blocks, nodes) in ((n, f) for n in NOISE for f in FEW):
        effects = Effects(noise=noise)
        assign = partial(in_blocks, effects=effects, blocks=blocks, among=nodes)
        for name, interval in (("nodes", paired), ("components", by_components), ("blocks", over_blocks)):
            found = _judged(known, effects, assign, interval, replicates, 1000 * nodes + blocks)
            rows.append({"noise": noise, "blocks": blocks, "nodes": nodes, "t over": name, **found})
            _tell(rows[-1])
    return rows


def _judged(
    known: Recorded, effects: Effects, assign: Callable[..., Any], interval: Any, replicates: int, salt: int
) -> dict[str, Any]:
    """The same seed for every design, so that all of them meet the same nodes."""
    chances: Iterator[np.random.Generator] = map(np.random.default_rng, ([SEED, salt, i] for i in range(replicates)))
    made = [replicate(rng, effects, known, assign, interval) for rng in chances]
    return judge(np.array([error for error, _ in made]), np.array([half for _, half in made])).to_json()


def _scale(_known: Recorded, _replicates: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("write", "read"):
            print(f"scale: {what} …", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.sweep.scale", f"{folder}/run", what]
            found |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _tell(row: dict[str, Any]) -> None:
    where = ", ".join(f"{name} {row[name]}" for name in ("noise", "blocks", "design", "nodes", "t over") if name in row)
    print(f"{where}: coverage {row['coverage']:.3f}, half-width {row['half_width']:.1%}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
