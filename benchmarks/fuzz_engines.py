"""Own inputs against hypothesis's: how many kinds of outcome the same number of inputs of each finds in a reader.

python -m benchmarks.fuzz_engines --out benchmarks/results/fuzz_engines.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from hypothesis import HealthCheck, __version__, given, settings
from hypothesis import strategies as st

from benchmarks import writing
from fuzz.readers import MODULES, reader
from fuzz.target import Target

HANG_S, LARGEST, EDITS = 120.0, 4096, 8
Edit = tuple[int, bytes]


def edited(seed: bytes, edits: Sequence[Edit]) -> bytes:
    """The seed with some bytes in other ones' place."""
    for at, change in edits:
        seed = seed[:at] + change + seed[at + len(change) :]
    return seed


def measured(name: str, inputs: int) -> dict[str, Any]:
    """One reader's outcomes by engine."""
    known = reader(name)
    seeds = list(known.seeds())
    with tempfile.TemporaryDirectory() as folder:
        target = Target(known, Path(folder) / f"input{known.suffix}", HANG_S)
        for seed in seeds:
            target.run(seed)

        def own(give: Callable[[bytes], None]) -> None:
            rng = Random(1)
            for number in range(inputs):
                give(known.make(rng) if number % 2 else known.mutate(rng.choice(seeds), rng))

        def by_hypothesis(strategy: st.SearchStrategy[bytes]) -> Callable[[Callable[[bytes], None]], None]:
            def run(give: Callable[[bytes], None]) -> None:
                asked = settings(
                    max_examples=inputs, derandomize=True, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck),
                )  # fmt: skip
                asked(given(strategy)(give))()

            return run

        edit = st.tuples(st.integers(0, 1 << 14), st.binary(max_size=4))
        engines = {
            "own": own,
            "hypothesis, any bytes": by_hypothesis(st.binary(max_size=LARGEST)),
            "hypothesis, seeds edited": by_hypothesis(
                st.builds(edited, st.sampled_from(seeds), st.lists(edit, max_size=EDITS))
            ),
        }
        return {engine: _outcomes(target, run) for engine, run in engines.items()}


def _outcomes(target: Target, run: Callable[[Callable[[bytes], None]], None]) -> dict[str, Any]:
    kinds: Counter[str] = Counter()

    def give(data: bytes) -> None:
        kinds[target.run(data).kind] += 1

    began = process_time()
    run(give)
    seconds = process_time() - began
    return {"inputs": kinds.total(), "kinds": len(kinds), "accepted": kinds["accepted"], "processor_s": seconds}


def main() -> None:
    """Measure the readers that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where to write the result as JSON")
    parser.add_argument("--inputs", type=int, default=1000, help="for each engine and reader (default 1,000)")
    parser.add_argument("--readers", default=",".join(name for name in MODULES if name != "ncu-report"))
    options = parser.parse_args()
    writing.check(options.out)
    found = {name: measured(name, options.inputs) for name in options.readers.split(",")}
    versions = {"python": sys.version.split()[0], "hypothesis": __version__}
    writing.write(options.out, {"versions": versions, "readers": found})


if __name__ == "__main__":
    main()
