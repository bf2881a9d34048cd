"""What a command costs in a process of its own: wall time, processor time and peak memory, as the kernel counts them
for it and for the processes that it waits for. The load before it is kept, because other work makes everything slower.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analysis.statistics.student import t_quantile
from bench.instruments import cpu

ROOT = Path(__file__).parents[1]

Run = dict[str, Any]

# A new process begins with the peak memory of the one that started it, so a small one stands between: a benchmark holds
# whole traces.
_STARTER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdout=open(sys.argv[1], "wb"), stderr=subprocess.STDOUT)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - began
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), wall, cpu, usage.ru_maxrss * 1024]))
"""


def module(name: str) -> list[str]:
    """How one of ours is started."""
    return [sys.executable, "-m", name]


def measured(command: list[str], folder: Path, checkout: Path = ROOT) -> Run:
    """Run a command of a checkout to its end; its output goes to a file, so that nobody waits for a reader.

    ``folder``: for that file, ``output.txt``, and for the bytecode of what the command imports, which an installed copy
    has too. Ends the program with the output's end where the command fails.
    """
    load, output = os.getloadavg()[0], folder / "output.txt"
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, str(output), *command]
    said = subprocess.run(starter, cwd=checkout, env=environment, stdout=subprocess.PIPE, check=True).stdout
    code, wall, processor, peak = json.loads(said)
    if code:
        raise SystemExit(f"{' '.join(command)} failed:\n{output.read_text(errors='replace')[-2000:]}")
    return {"wall_s": wall, "cpu_s": processor, "peak_bytes": peak, "load_average": load}


def medians(runs: Sequence[Run]) -> Run:
    """Of what ``measured`` gave several times."""
    return {name: statistics.median(run[name] for run in runs) for name in ("wall_s", "cpu_s", "peak_bytes")}


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """How many times as long theirs take as ours, with its 95 % interval: the mean of the rounds' log ratios, and
    Student's t. Raises ValueError for fewer than two rounds, or another number of theirs."""
    logs = [math.log(one / other) for one, other in zip(theirs, ours, strict=True)]
    mean, half = statistics.mean(logs), t_quantile(0.975, len(logs) - 1) * statistics.stdev(logs) / len(logs) ** 0.5
    return {"times": math.exp(mean), "low": math.exp(mean - half), "high": math.exp(mean + half)}


def machine() -> Run:
    """Where it runs."""
    return {
        "cpu": cpu.facts()["model"],
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }
