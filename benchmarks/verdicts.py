"""SIMULATED arms: how often are verdicts wrong, how often is a difference found, and do the intervals hold?

    python -m benchmarks.verdicts --out benchmarks/results/verdicts.json --page docs/verdicts.md

What is assumed of processes, runs and bursts (bench/analysis/statistics/assumed.py) is set beside what committed
records show. The parts named by --parts are made again, the others are kept as they are in the file. Deterministic
by the seed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import parts
from benchmarks.verdict_model.claims import claims
from benchmarks.verdict_model.coverage import coverage
from benchmarks.verdict_model.page import filled
from benchmarks.verdict_model.power import power
from benchmarks.verdict_model.spreads import spreads

SEED = 20261129
PARTS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "spreads": lambda _: spreads(),
    "power": lambda replicates: power(SEED, replicates),
    "coverage": lambda replicates: coverage(SEED, replicates),
    "claims": lambda replicates: claims(SEED, replicates),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Make the parts, then the page's tables."""
    parser = parts.parser(__doc__, PARTS)
    parser.add_argument("--replicates", type=int, default=400, help="draws of each cell")
    options = parser.parse_args(argv)
    facts = {"simulated": "arms and times are simulated; spreads are of committed records", "seed": SEED}
    document = parts.remade(
        options,
        lambda part: facts | {part: PARTS[part](options.replicates), f"replicates of {part}": options.replicates},
    )
    if options.page:
        options.page.write_text(filled(options.page.read_text(encoding="utf-8"), document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
