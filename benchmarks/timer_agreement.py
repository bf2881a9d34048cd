"""Two checks of our own timing, printed and written as JSON: how much does it cost, and is it right?

1. The harness: what one stamped decode step costs beside a decode step of the smoke model (limit: 0.5 %).
2. The layer timer: one Linear timed by us and by torch.utils.benchmark.Timer, in turn, in one process.

    python benchmarks/timer_agreement.py [--out FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.benchmark import Timer

from bench.analysis.statistics import ratio
from bench.instruments import environment
from bench.instruments.timing import timer_for
from bench.record.schema import Case
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import make_batches
from bench.workloads.session import Session, overhead
from bench.workloads.sources import resolve
from benchmarks import writing

SHAPES = {"smoke c_fc": (512, 128), "starcoder2-3b q_proj": (3072, 3072)}


def main() -> None:
    """Run both checks and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    writing.check(options.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results = {
        "machine": environment.capture().cpu.get("model", platform.machine()),
        "device": device,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "harness": harness(device),
        "timer": {name: agreement(device, n, k, options.rounds) for name, (n, k) in SHAPES.items()},
    }
    _print(results)
    if options.out:
        writing.write(options.out, results)


def harness(device: str) -> dict[str, Any]:
    """Cost of a stamped step, and the decode step it is compared with (fp16 smoke model, batch 1), in s."""
    source = resolve("smoke")
    case = Case("generation", "smoke", source.revision, "fp16", device, 0, batch_size=1, prompts="humaneval",
                new_tokens=33, cache="dynamic", stop="length")  # fmt: skip
    loaded = models.load(source, arm("fp16"), device, 0)
    session = Session(case, loaded, make_batches(case, loaded, 8))
    session.generate(session.batches[0])
    steps = [step for batch in session.batches for step in session.generate(batch).steps]
    costs = overhead(device, 1)
    share = statistics.median(costs) / statistics.median(steps)
    return {"overhead_s": costs, "decode_step_s": steps, "share": share}


def agreement(device: str, n: int, k: int, rounds: int) -> dict[str, Any]:
    """Seconds per call by each timer, a block of each in every round, and the ratio ours ÷ torch's with its interval.

    Both time the same hot module, M = 1, float32. torch's Timer times blocks of calls; ours times each call.
    """
    module = torch.nn.Linear(k, n, device=device).requires_grad_(False)
    x = torch.randn(1, k, device=device)
    timer = timer_for(device)
    torchs = Timer("module(x)", globals={"module": module, "x": x}, num_threads=torch.get_num_threads())
    ours: list[float] = []
    theirs: list[float] = []
    with torch.inference_mode():
        timer.burst(lambda: module(x), 200, hold=False)
        for turn in range(rounds):
            for who in ("ours", "theirs") if turn % 2 == 0 else ("theirs", "ours"):
                if who == "ours":
                    ours.append(statistics.median(timer.burst(lambda: module(x), 500, hold=True).forward))
                else:
                    theirs.append(torchs.timeit(500).median)
    between = ratio([[value] for value in ours], [[value] for value in theirs])
    return {"ours_s": ours, "torch_s": theirs, "ratio": between.value, "low": between.low, "high": between.high}


def _print(results: dict[str, Any]) -> None:
    harness_ = results["harness"]
    cost, step = statistics.median(harness_["overhead_s"]), statistics.median(harness_["decode_step_s"])
    print(f"{results['machine']}, {results['device']}, torch {results['torch']}, {time.strftime('%Y-%m-%d')}")
    print(
        f"harness overhead: {cost * 1e6:.2f} µs per step of {step * 1e3:.2f} ms = {harness_['share']:.3%} (limit 0.5 %)"
    )
    for name, row in results["timer"].items():
        mine, torchs = statistics.median(row["ours_s"]), statistics.median(row["torch_s"])
        interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
        print(
            f"{name}: ours {mine * 1e6:.2f} µs, torch {torchs * 1e6:.2f} µs, ours/torch {row['ratio']:.3f} {interval}"
        )


if __name__ == "__main__":
    main()
