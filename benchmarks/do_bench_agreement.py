"""Is our layer timer right on a GPU? Ten cold Linears timed by us and by triton.testing.do_bench, side by side.

do_bench writes over the L2 cache before each call; our cold calls go through copies of the weights that are larger than
it. In each round both time every shape, the one first that was second before. The criterion is 2 % for each shape.

    python -m benchmarks.do_bench_agreement [--out FILE] [--rounds N]

Exit code 0 where all ten agree, 1 where some do not, 2 where there is no GPU or no triton.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.analysis.statistics import ratio
from bench.record.errors import BitledgerError, MachineError
from benchmarks import writing

CRITERION = 0.02
BURSTS = 10
SCHEME = "fp16"


@dataclass(frozen=True)
class Shape:
    """x[m, k] · W[n, k]ᵀ of a layer of a model."""

    layer: str
    n: int
    k: int
    m: int

    @property
    def name(self) -> str:
        return f"{self.layer} {self.n}×{self.k}, m = {self.m}"


SHAPES = (
    Shape("starcoder2-3b q_proj", 3072, 3072, 1),
    Shape("starcoder2-3b k_proj", 256, 3072, 1),
    Shape("starcoder2-3b c_fc", 12288, 3072, 1),
    Shape("starcoder2-3b c_proj", 3072, 12288, 1),
    Shape("starcoder2-3b c_fc", 12288, 3072, 64),
    Shape("starcoder2-3b c_fc", 12288, 3072, 512),
    Shape("starcoder2-7b q_proj", 4608, 4608, 1),
    Shape("starcoder2-7b c_fc", 18432, 4608, 1),
    Shape("phi-2 q_proj", 2560, 2560, 1),
    Shape("phi-2 fc1", 10240, 2560, 1),
)
# A shape → what times one round of it, in seconds. Made once per shape, before any is timed.
Timer = Callable[[], float]
Timers = Mapping[str, Timer]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the result as JSON")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of both timers (default 7)")
    options = parser.parse_args(argv)
    writing.check(options.out)
    try:
        do_bench = _do_bench()
        rows = [agreement(shape, _timers(shape, do_bench), options.rounds) for shape in SHAPES]
    except BitledgerError as error:
        print(f"bitledger: {error}", file=sys.stderr)
        return 2
    result = _surroundings() | summary(rows)
    _print(result)
    if options.out:
        writing.write(options.out, result)
    return 0 if result["agree"] else 1


def agreement(shape: Shape, timers: Timers, rounds: int) -> dict[str, Any]:
    """Seconds of each timer ("ours", "do_bench") in every round, ours ÷ do_bench, and whether that is within 2 %."""
    found: dict[str, list[float]] = {name: [] for name in timers}
    for turn in range(rounds):
        for name in timers if turn % 2 == 0 else reversed(list(timers)):
            found[name].append(timers[name]())
    between = ratio([found["ours"]], [found["do_bench"]])  # rounds of one process: medians, so that one slow one is one
    return {
        "shape": shape.name,
        "ours_s": found["ours"],
        "do_bench_s": found["do_bench"],
        "ratio": between.value,
        "low": between.low,
        "high": between.high,
        "agrees": abs(between.value - 1) <= CRITERION,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All rows, and whether every one of them is within the criterion."""
    return {"criterion": CRITERION, "agree": all(row["agrees"] for row in rows), "shapes": rows}


def _do_bench() -> Callable[..., Any]:
    """Raises MachineError where there is no GPU that torch can use, or no triton."""
    if find_spec("triton") is None:
        raise MachineError("there is no triton here, whose do_bench times a GPU: it comes with torch's CUDA builds")
    import torch

    if not torch.cuda.is_available():
        raise MachineError("triton's do_bench times a GPU, and torch finds none that it can use")
    from triton.testing import do_bench

    found: Callable[..., Any] = do_bench
    return found


def _timers(shape: Shape, do_bench: Callable[..., Any]) -> Timers:
    """Both timers of one shape, on the same random weights."""
    import torch

    from bench.instruments.timing import timer_for
    from bench.schemes import arm
    from bench.workloads.matmul import cold_copies
    from bench.workloads.matmul_arms import ArmUnderTest, make_truth

    under_test = ArmUnderTest(arm(SCHEME), make_truth(shape.m, shape.n, shape.k, "cuda", 0, 0))
    x, single = under_test.input(shape.m), under_test.operation("linear", shape.m)
    under_test.rotate_through(cold_copies(under_test, 64, "cuda"))
    rotated, timer = under_test.operation("linear", shape.m), timer_for("cuda")

    def ours() -> float:
        with torch.inference_mode():
            bursts = [timer.burst(lambda: rotated(x), 20, hold=True).forward for _ in range(BURSTS)]
        return statistics.median(value for burst in bursts[1:] for value in burst)  # the first warms up

    def theirs() -> float:
        with torch.inference_mode():
            return float(do_bench(lambda: single(x), warmup=25, rep=100, return_mode="median")) / 1e3

    return {"ours": ours, "do_bench": theirs}


def _surroundings() -> dict[str, Any]:
    import torch
    import triton

    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "triton": triton.__version__,
        "scheme": SCHEME,
        "cache_bytes": getattr(torch.cuda.get_device_properties(0), "L2_cache_size", None),
    }


def _print(result: dict[str, Any]) -> None:
    print(f"{result['device']}, torch {result['torch']}, triton {result['triton']}: cold, {result['scheme']}")
    for row in result["shapes"]:
        mine, theirs = statistics.median(row["ours_s"]), statistics.median(row["do_bench_s"])
        verdict = "agrees" if row["agrees"] else "differs"
        print(
            f"{row['shape']}: ours {mine * 1e6:.2f} µs, do_bench {theirs * 1e6:.2f} µs, ×{row['ratio']:.3f} {verdict}"
        )
    count = sum(row["agrees"] for row in result["shapes"])
    print(f"{count} of {len(result['shapes'])} within {CRITERION:.0%}")


if __name__ == "__main__":
    sys.exit(main())
