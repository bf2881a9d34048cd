"""The program that the fault suite starts: bench's own command line, with a workload that takes milliseconds.

Parent, fork server, child, pipe, writer, progress and reports are the real ones. What differs is told as JSON in the
environment variable BITLEDGER_FAULT, which no code outside the tests reads: where to acknowledge records (``acks``),
how the child misbehaves (``child``, see workload.py), and what surrounds the program (``nvml``, ``clock``, …).

    python -m tests.faults.program run …            the command line
    python -m tests.faults.program profiling ncu …  that of the profilers
    python -m tests.faults.program _serve FD        forks such programs: they need no imports any more
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.run import processes
from tests.faults import surroundings

FAULT = "BITLEDGER_FAULT"
ITSELF = (sys.executable, "-m", "tests.faults.program")
PRELOADED = ("bench.cli", "bench.verbs.run", "bench.quality.evaluate", "rich.progress", "pynvml")
GRACE_S = 0.5


def main(argv: list[str]) -> int:
    """One program of the suite; returns its exit code."""
    told = json.loads(os.environ.get(FAULT, "{}"))
    if argv[0] == "_serve":
        return processes.serve(int(argv[1]), _served, PRELOADED)
    surroundings.arrange(told)
    if argv[0] in ("_child", "_fork_server"):
        return _measuring(argv, told)
    return _command(argv, told)


def _measuring(argv: list[str], told: dict[str, Any]) -> int:
    """A child, or the fork server of such: imports no more than they need, as the real ones do."""
    from bench.instruments import environment
    from bench.run import child
    from tests.faults import workload

    environment._OTHERS._min_seconds = 0.01  # 0.2 s of looking at other processes would be most of a block
    child.STATE_AGE_S = child.FIRST_STATE_AGE_S = 0.0  # look at the GPU after each Record
    child.outcomes = lambda block, tools, _windows: workload.outcomes(block, tools, told)
    child._describe = lambda _: _shapes(told)
    if argv[0] == "_child":
        return child.main(workload.tools)
    if told.get("fork_server") == "hangs at its start":
        workload.hang()

    def entry(task: dict[str, Any], pipe: int) -> int:
        workload.PIPE = pipe
        return child.run_task(task, pipe, workload.tools)

    return processes.serve(int(argv[1]), entry, ())


def _shapes(told: dict[str, Any]) -> dict[str, Any]:
    """What the model is found to be."""
    if "describe_s" in told:
        print("waiting for the configuration", flush=True)
        time.sleep(600)
    return {"layers": [], "decoder_layers": 2, "cuda": "tools" in told}


def _command(argv: list[str], told: dict[str, Any]) -> int:
    """The command line itself."""
    from bench.instruments import environment
    from bench.run import runner

    if "real" not in told:
        processes.CHILD, processes.FORK_SERVER = (*ITSELF, "_child"), (*ITSELF, "_fork_server")
    processes.START_S = told.get("start_s", processes.START_S)
    runner.TERMINATE_GRACE_S = GRACE_S
    runner.DESCRIBE_S = told.get("describe_s", runner.DESCRIBE_S)
    environment.packages = lambda: {"torch": "2.13.0"}  # reading what is installed would be a third of a run here
    environment._OTHERS._min_seconds = 0.01
    if "acks" in told:
        _acknowledge(Path(told["acks"]), told)
    if argv[0] == "profiling":
        from profiling import cli as profiling_cli

        return profiling_cli.main(argv[1:])
    from bench import cli

    return cli.main(argv)


def _acknowledge(file: Path, told: dict[str, Any]) -> None:
    """Write down each Record's key once ``Writer.append`` has returned: from then on it must not be lost.

    One ``write`` on an open file: what it wrote stays when the process is killed in the next instant.
    """
    from bench.verbs.progress import RunProgress

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    real = RunProgress.record

    def record(self: RunProgress, block: Any, record: Any) -> None:
        os.write(descriptor, json.dumps([*record.key, record.status]).encode() + b"\n")
        surroundings.strike(told, len(file.read_bytes().splitlines()))
        real(self, block, record)

    RunProgress.record = record


def _served(task: dict[str, Any], pipe: int) -> int:
    """A forked program: its own folder and environment, and no way to outlive who asked for it."""
    os.close(pipe)
    processes.die_with_parent()
    os.environ.update(task["environ"])
    os.chdir(task["cwd"])
    sys.argv = [ITSELF[-1], *task["argv"]]
    try:
        return main(task["argv"])
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
