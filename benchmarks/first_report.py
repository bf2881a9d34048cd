"""How long the first report after set-up takes, in how much memory, and where its seconds go.

    python -m benchmarks.first_report

Runs the preset smoke as ``make bench`` does where there is no GPU, and reports it. Time is the wall's, which is what a
user waits for: the load before and after says what else ran.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.record.schema import Record
from bench.record.store import load

from . import writing
from .measured import ROOT, machine, module
from .process_tree import peak_of

RESULT = ROOT / "benchmarks" / "results" / "first_report.json"
GOAL_S, GOAL_BYTES = 180.0, 1.5e9
PLANNING = "planning, until the first record"
ENDING = "the last record, judging programs, the report"


def measure(folder: Path) -> dict[str, Any]:
    """One run into ``folder``. Ends the program with the output's end where it fails."""
    run, output = folder / "run", folder / "output.txt"
    load_before, before = os.getloadavg()[0], _cpu()
    began, moment = time.perf_counter(), time.time()
    with output.open("wb") as stream:
        command = [*module("bench"), "run", "--preset", "smoke", "--out", str(run)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        peak = peak_of(process)
    wall = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output.read_text(errors='replace')[-2000:]}")
    return {
        "machine": machine(),
        "wall_s": wall,
        "cpu_s": _cpu() - before,
        "peak_bytes": peak,
        "load_average": [load_before, os.getloadavg()[0]],
        "seconds": seconds(load(run).records, moment, wall),
    }


def _cpu() -> float:
    """s of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(records: Sequence[Record], began: float, wall: float) -> dict[str, float]:
    """By instrument, s from the start of its records to that of the next ones; together ``wall``. The first instrument
    of a process has that process's loading in it."""
    starts = [(datetime.fromisoformat(record.started_at).timestamp(), record.instrument) for record in records]
    starts.sort()
    found = Counter({PLANNING: starts[0][0] - began})
    for (start, instrument), (following, _) in pairwise(starts):
        found[instrument] += following - start
    found[ENDING] = began + wall - starts[-1][0]
    return dict(found.most_common())


def remake_page() -> None:
    """docs/performance.md again, of what its benchmarks found, this one or another of them just now."""
    from . import evaluation, performance, performance_page

    known = json.loads(performance.RESULT.read_text())
    performance.PAGE.write_text(performance_page.page(known, recorded(), evaluation.recorded()))


def recorded() -> dict[str, Any] | None:
    """The result that stands in the repository; None before the first."""
    return json.loads(RESULT.read_text()) if RESULT.exists() else None


def main() -> None:
    """Run it, write what it took, and the page again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    writing.check(RESULT)
    with tempfile.TemporaryDirectory(prefix="first-report-") as name:
        result = measure(Path(name))
    writing.write(RESULT, result)
    remake_page()
    print(f"{result['wall_s']:.0f} s (goal {GOAL_S:g} s), {result['peak_bytes'] / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
