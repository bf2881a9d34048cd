"""Does a long run grow? Memory and open files of the processes of one run, over thousands of Cases.

    python -m benchmarks.many_cases

The real program measures the workload of milliseconds of tests/faults: parent, fork server and a child per block. Every
250 Records the kernel is asked what parent and fork server hold. ``grown``: from the first tenth to the end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import writing
from benchmarks.measured import ROOT, machine
from tests.faults.plans import plan, planned
from tests.faults.run import Scene, launcher

RESULT = ROOT / "benchmarks" / "results" / "many_cases.json"
EVERY = 250
# Batch sizes of a block: each is a Case of its own.
BATCHES = tuple(range(1, 51))
# What a run may grow by from its first tenth to its end: it keeps the Records of no earlier Case.
MOST_BYTES, MOST_FILES = 32 << 20, 2
Look = dict[str, Any]


def look(pid: int) -> Look:
    """Resident bytes and open files of one process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
    return {"resident_bytes": resident, "files": sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())}


def watch(scene: Scene, cases: int) -> list[Look]:
    """Measure ``cases`` Cases; what was seen meanwhile."""
    schemes = ("fp16", "nf4")
    repeats = max(1, cases // (len(BATCHES) * len(schemes)))
    plan(scene.run, repeats=repeats, schemes=schemes, instruments=("generation",), batches=BATCHES, limit_s=600.0)
    running = scene.start("run", "--resume", "--out", str(scene.run), "--no-report")
    seen: list[Look] = []
    while running.process.poll() is None:
        done = len(scene.acknowledged()) if scene.acks.exists() else 0
        if done >= EVERY * (len(seen) + 1):
            servers = running.fork_servers()
            told = {"parent": look(running.process.pid), "fork_server": look(servers[0]) if servers else None}
            seen.append({"records": done, **told})
            print(seen[-1], flush=True)
        time.sleep(0.05)
    assert running.done(600.0).code == 0
    assert len(scene.keys(ok=True)) == len(planned(scene.run))
    return seen


def grown(seen: list[Look], process: str) -> Look:
    """By how much a process has grown since a tenth of the Records was there."""
    known = [one[process] for one in seen if one[process]]
    first = known[len(known) // 10]
    return {name: known[-1][name] - first[name] for name in first}


def main() -> None:
    """Measure and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    writing.check(options.out)
    with launcher() as launch, tempfile.TemporaryDirectory(prefix="many-cases-") as name:
        scene = Scene(Path(name), launch)
        seen = watch(scene, options.cases)
        records = len(scene.keys(ok=True))
    growth = {process: grown(seen, process) for process in ("parent", "fork_server")}
    within = all(one["resident_bytes"] <= MOST_BYTES and one["files"] <= MOST_FILES for one in growth.values())
    result = {"machine": machine(), "records": records, "grown": growth, "within": within, "seen": seen}
    writing.write(options.out, result)
    print(f"{records} records: grown by {growth}, within {within}")


if __name__ == "__main__":
    main()
