"""SIMULATED: how often do the intervals that are printed for two traces, and for a run's causes, hold the truth?

    python -m benchmarks.intervals --out benchmarks/results/intervals.json --page docs/intervals.md

The parts named by --parts are made again, the others are kept as they are in the file. Deterministic by the seed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from typing import Any

from benchmarks import parts

from .jobs import SEED, SPREADS, of_runs, of_times, traces, worked
from .page import fill

PARTS = {"traces": traces, "times": of_times, "runs": of_runs}


def main(argv: Sequence[str] | None = None) -> int:
    """Make the parts, then the page."""
    parser = parts.parser(__doc__, PARTS)
    parser.add_argument("--pairs", type=int, default=70, help="per scene; a third of it for other spreads")
    parser.add_argument("--times", type=int, default=100, help="per scene, of times alone; likewise")
    parser.add_argument("--runs", type=int, default=30, help="per scene and number of repeats")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    options = parser.parse_args(argv)
    facts = {"simulated": "recordings of a made-up machine", "seed": SEED, "assumed": asdict(SPREADS[0])}
    sizes = {"traces": options.pairs, "times": options.times, "runs": options.runs}
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:

        def make(part: str) -> dict[str, Any]:
            found = pool.map(worked, PARTS[part](sizes[part]))
            return facts | {part: [row for rows in found for row in rows]}

        document = parts.remade(options, make)
    if options.page:
        fill(options.page, document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
