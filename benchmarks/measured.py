"""What a program takes: wall time, processor time and peak memory of a fresh process, as the kernel counts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
Run = dict[str, Any]


# A new process begins with the peak memory of the one that started it, so a small one stands between: this script
# holds whole traces.
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


def measured(command: list[str], folder: Path) -> Run:
    """Run a command to its end; its output goes to a file, so that nobody waits for a reader."""
    load, output = os.getloadavg()[0], folder / "output.txt"
    starter = [sys.executable, "-I", "-S", "-c", _STARTER, str(output), *command]
    told = subprocess.run(starter, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    code, wall, cpu, peak = json.loads(told)
    if code:
        raise SystemExit(f"{command} failed:\n{output.read_text()[-2000:]}")
    return {"wall_s": wall, "cpu_s": cpu, "peak_bytes": peak, "load_average": load}
