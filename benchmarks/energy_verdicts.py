"""SIMULATED boards: how often are verdicts on joules wrong, how often is a difference found, and does net hold?

    python -m benchmarks.energy_verdicts --out benchmarks/results/energy_verdicts.json --page docs/verdicts.md

A board's true joules are known; its counter shows them at its ticks only, its idle power drifts, and the tool's table
of energy is asked (benchmarks/energy_model). The parts named by --parts are made again, the others are kept as they are
in the file. Deterministic by the seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import parts
from benchmarks.energy_model import judged
from benchmarks.energy_model.page import filled

SEED = 20261129
PARTS: dict[str, Callable[[int, int], list[dict[str, Any]]]] = {
    "alike": judged.alike,
    "apart": judged.apart,
    "drifting": judged.drifting,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Make the parts, then the page's tables."""
    parser = parts.parser(__doc__, PARTS)
    parser.add_argument("--replicates", type=int, default=200, help="draws of each scenario")
    options = parser.parse_args(argv)
    facts = {"simulated": "boards, their joules and their counters are simulated", "seed": SEED}
    document = parts.remade(options, lambda part: facts | {part: PARTS[part](SEED, options.replicates)})
    if options.page:
        options.page.write_text(filled(options.page.read_text(encoding="utf-8"), document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
