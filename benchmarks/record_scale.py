"""How long and in how much memory verify, compare and report take for very many Records.

    python -m benchmarks.record_scale

The Records are invented (benchmarks/many_records.py); ``compare`` sets two schemes of the run beside each other. Every
figure is of a fresh process. Wall time is longer than the processor's where other work kept the machine busy, as the
load average before each run tells. ``within`` is of the processor's time and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench.record.store import RECORDS
from benchmarks import writing
from benchmarks.many_records import write
from benchmarks.measured import ROOT, Run, machine, measured, module

RESULT = ROOT / "benchmarks" / "results" / "record_scale.json"
# What 100,000 Records may take: s of processor time, and bytes of memory where they are bounded.
GOALS: dict[str, tuple[float, int | None]] = {
    "verify": (15.0, None),
    "compare": (30.0, None),
    "report": (60.0, 1 << 30),
}


def verbs(folder: Path) -> dict[str, tuple[str, ...]]:
    """The command lines."""
    one = str(folder / "a")
    return {
        "verify": ("verify", one),
        "compare": ("compare", f"{one}::fp16", f"{one}::nf4"),
        "report": ("report", one),
    }


def scale(count: int, folder: Path) -> Run:
    """All verbs on ``count`` Records, which are made where ``folder`` does not hold them."""
    file = folder / "a" / RECORDS
    size = file.stat().st_size if file.exists() else write(folder / "a", count)
    runs: dict[str, Run] = {}
    for verb, words in verbs(folder).items():
        runs[verb] = measured([*module("bench"), *words], folder)
        seconds, most = GOALS[verb]
        runs[verb]["within"] = runs[verb]["cpu_s"] <= seconds and (not most or runs[verb]["peak_bytes"] <= most)
        told = f"{runs[verb]['cpu_s']:.1f} s of the processor, {runs[verb]['peak_bytes'] / 1e6:.0f} MB"
        print(f"{count} records: {verb} {told}", flush=True)
    return {"records": count, "file_bytes": size, "verbs": runs}


def main() -> None:
    """Run all sizes and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000], help="Records of a run")
    parser.add_argument("--folder", type=Path, help="where the runs are, or are to stay (default: nowhere)")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    writing.check(options.out)
    found = []
    for count in options.sizes:
        with tempfile.TemporaryDirectory(prefix="record-scale-") as name:
            found.append(scale(count, (options.folder or Path(name)) / str(count)))
    goals = {verb: {"cpu_s": seconds, "peak_bytes": most} for verb, (seconds, most) in GOALS.items()}
    writing.write(options.out, {"machine": machine(), "goals_of_100000": goals, "sizes": found})
    print(
        json.dumps({f"{run['records']} {verb}": one["within"] for run in found for verb, one in run["verbs"].items()})
    )


if __name__ == "__main__":
    main()
