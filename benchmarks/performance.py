"""How long bitledger takes to read traces, to explain them and to report a run, and in how much memory.

    benchmarks/install_peers.sh build/peers
    python -m benchmarks.performance --peers build/peers [--before CHECKOUT] [--short]

Every run is a fresh process whose bytecode is there, as in an installed copy. Each round runs everything once, ours and
what stands beside it, in an order of its own; a ratio is taken round by round, so that what else the machine does is in
both of its sides, and its interval is Student's t over the rounds' logarithms. Processor time is compared, because wall
time is other programs' too. ``--short`` leaves out the largest trace, and of nsys the reports that take minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import evaluation, first_report, growth, late_change, performance_page, writing
from .measured import ROOT, machine, measured, medians, module, ratio
from .traces import make, write_kineto, write_nsys

RESULT = ROOT / "benchmarks" / "results" / "performance.json"
PLOT = ROOT / "docs" / "pictures" / "growth.svg"
PAGE = ROOT / "docs" / "performance.md"
RUN = ROOT / "reports" / "runs" / "h100-starcoder2-3b-20261126"
SIZES, SHORT_SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000), (10_000, 100_000, 1_000_000)
LARGE, KINETO, LARGEST = 1_000_000, 200_000, 3_000_000
REPORTS = ("cuda_gpu_kern_sum", "nvtx_gpu_proj_sum", "nvtx_kern_sum", "cuda_kern_exec_sum")
LEAST_ROUNDS = 5
OURS, BEFORE = "ours", "before"

Result = dict[str, Any]

# The least that reading takes: SQLite goes over every row of the tables that a summary needs.
_SCAN = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for table, columns in (("CUPTI_ACTIVITY_KIND_KERNEL", "start, end, deviceId, streamId, correlationId, demangledName"),
                       ("CUPTI_ACTIVITY_KIND_RUNTIME", "start, end, globalTid, correlationId, nameId"),
                       ("NVTX_EVENTS", "start, end, eventType, globalTid, textId, domainId")):
    sums = ", ".join(f"max({column})" for column in columns.split(", "))
    connection.execute(f"SELECT {sums} FROM {table}").fetchone()
"""


@dataclass(frozen=True)
class Work:
    """One of our commands, with the processor time (s) that it should take at most, and the memory (bytes) where that
    is asked for. ``beside``: by name, commands that do the same or a part of it."""

    name: str
    command: list[str]
    goal_s: float
    goal_bytes: float | None = None
    beside: Mapping[str, list[str]] = field(default_factory=dict)


def works(folder: Path, peers: Path | None, short: bool) -> list[Work]:
    """What is measured; its traces are written to ``folder``."""
    traces = _traces(folder, short)
    summarize, explain = [*module("profiling"), "summarize"], [*module("bench"), "explain"]
    large, late = (str(traces[name]) for name in ("large", "late"))
    times = ["--reference-time", f"{traces['times'][0]:.6f}", "--candidate-time", f"{traces['times'][1]:.6f}"]
    nsys, hta = _installed(peers)
    stats = {"nsys stats, four reports": _stats(nsys, REPORTS, large, folder)} if nsys and not short else {}
    kern_sum = {f"nsys stats {REPORTS[0]}": _stats(nsys, REPORTS[:1], large, folder)} if nsys else {}
    scan = {"SQLite's own scan": [sys.executable, "-c", _SCAN, large]}
    idle = {"HolisticTraceAnalysis": [str(hta), str(ROOT / "benchmarks" / "hta_idle.py"), str(traces["kineto"])]}
    found = [
        Work("summary of an nsys export, 1 M kernels", [*summarize, large, "--json"], 2.0, None, scan | stats),
        Work("its kernels alone (`--kernels`)", [*summarize, large, "--json", "--kernels"], 1.0, None, kern_sum),
        Work("summary of a Kineto trace, 200 k kernels", [*summarize, str(traces["kineto"]), "--json"], 0.8, None,
             idle if hta else {}),
        Work("`explain`, two traces of 1 M kernels",
             [*explain, "--reference", large, "--candidate", late, *times, "--json"], 8.0),
        Work("`whatif`, 1 M kernels", [*module("bench"), "whatif", late, "--scale", "gemm=0.5", "--json"], 4.0),
        Work("`report` of a run (the H100's records)", [*module("bench"), "report", str(traces["run"])], 2.5),
        Work("`explain` of a run (the H100's records)", [*explain, str(traces["run"])], 0.8),
    ]  # fmt: skip
    if not short:
        path = str(traces["largest"])
        found.append(Work("summary of an nsys export, 3 M kernels", [*summarize, path, "--json"], 6.0, 1e9))
    return found


def _stats(nsys: Path, reports: Sequence[str], trace: str, folder: Path) -> list[str]:
    asked = [word for report in reports for word in ("--report", report)]
    options = ["--format", "csv", "--force-export", "false", "--force-overwrite", "true"]
    return [str(nsys), "stats", *asked, *options, "--output", str(folder / "stats"), trace]


def _installed(peers: Path | None) -> tuple[Path | None, Path | None]:
    """nsys and HolisticTraceAnalysis' Python, where install_peers.sh could install them."""
    paths = [None if peers is None else peers.resolve() / part for part in ("bin/nsys", "hta/bin/python")]
    nsys, hta = (path if path is not None and path.exists() else None for path in paths)
    return nsys, hta


def _traces(folder: Path, short: bool) -> dict[str, Any]:
    """Written to the folder: by name, their paths; "times": ms per step of the two large ones; and a run's copy."""
    names = {"large": "sqlite", "late": "sqlite", "kineto": "json", "largest": "sqlite"}
    found: dict[str, Any] = {name: folder / f"{name}.{kind}" for name, kind in names.items()}
    plain = make(LARGE)
    late = late_change.late(plain)
    write_nsys(found["large"], plain)
    write_nsys(found["late"], late)
    write_kineto(found["kineto"], make(KINETO))
    if not short:
        write_nsys(found["largest"], make(LARGEST))
    found["run"] = folder / RUN.name
    # Without its traces: they would be read again, because its records hold lines that an older table classified.
    shutil.copytree(RUN, found["run"], ignore=shutil.ignore_patterns("artifacts"))
    return {**found, "times": (late_change.step_ms(plain), late_change.step_ms(late))}


def measure(asked: Sequence[Work], folder: Path, rounds: int, before: Path | None) -> list[Result]:
    """All of it, round by round. A first round of ours only warms the bytecode and the files, and is not counted."""
    order = np.random.default_rng(1)
    entries = [(work, name, command) for work in asked for name, command in _commands(work, before).items()]
    runs: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for number in range(rounds + 1):
        for place in order.permutation(len(entries)):
            work, name, command = entries[place]
            if number == 0 and name in work.beside:
                continue
            run = measured(command, folder, before if before and name == BEFORE else ROOT)
            print(f"round {number} of {rounds}: {work.name}, {name}: {run['cpu_s']:.2f} s", flush=True)
            if number:
                runs[work.name, name].append(run)
    return [_row(work, {name: runs[work.name, name] for name in _commands(work, before)}) for work in asked]


def _commands(work: Work, before: Path | None) -> dict[str, list[str]]:
    """By name: ours, the same of the other checkout, and what stands beside it."""
    return {OURS: work.command, **({BEFORE: work.command} if before else {}), **work.beside}


def _row(work: Work, runs: Mapping[str, list[Result]]) -> Result:
    ours = [run["cpu_s"] for run in runs[OURS]]
    beside = {
        name: {**medians(theirs), "ratio": ratio([run["cpu_s"] for run in theirs], ours), "runs": theirs}
        for name, theirs in runs.items()
        if name != OURS
    }
    known = {"work": work.name, "goal_cpu_s": work.goal_s, "goal_bytes": work.goal_bytes}
    return {**known, **medians(runs[OURS]), "beside": beside, "runs": runs[OURS]}


def main() -> None:
    """Run everything; write the figures, the plot and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="folder made by install_peers.sh; without it, no peers")
    parser.add_argument("--before", type=Path, help="another checkout of bitledger, measured beside this one")
    parser.add_argument("--short", action="store_true", help="without the largest trace and nsys' slow reports")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help=f"of everything (default {LEAST_ROUNDS})")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--plot", type=Path, default=PLOT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    writing.check(options.out)
    if options.rounds < 2:
        parser.error("--rounds: an interval needs two")
    where = {**machine(), "load_average": os.getloadavg()}
    result: Result = {"machine": where, "rounds": options.rounds, "short": options.short}
    with tempfile.TemporaryDirectory(prefix="performance-") as name:
        folder = Path(name)
        asked = works(folder, options.peers, options.short)
        before = options.before.resolve() if options.before else None
        result["works"] = measure(asked, folder, options.rounds, before)
        for trace in folder.glob("*.*"):
            trace.unlink()
        sizes = SHORT_SIZES if options.short else SIZES
        result["growth"] = list(growth.rows(sizes, folder))
        result["late_change"] = [late_change.found(size, folder) for size in late_change.SIZES]
    result["load_average_after"] = os.getloadavg()
    writing.write(options.out, result)
    growth.plot(result["growth"], options.plot)
    options.page.write_text(performance_page.page(result, first_report.recorded(), evaluation.recorded()))


if __name__ == "__main__":
    main()
