"""How long HumanEval+ takes to judge, beside evalplus on the same samples, and where the two disagree.

    benchmarks/install_evalplus.sh build/evalplus
    python -m benchmarks.evaluation --evalplus build/evalplus

The samples are the 164 canonical solutions and tests/quality's twenty broken ones. In each round both start with an
empty folder of kept answers ("first") and then find what the first left ("kept"); the order of the two alternates.
Every figure is of a fresh process, with two workers each; all are written down, with the load average before. The page
docs/performance.md is made again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.quality.tasks import humaneval_plus, shipped
from benchmarks import first_report, writing
from benchmarks.measured import ROOT, machine
from tests.quality.broken import SPOIL, light

RESULT = ROOT / "benchmarks" / "results" / "evaluation.json"
WORKERS = "2"
# By what is kept: evaluating the same model's next programs is what users wait for again and again.
GOALS_S = {"kept": 15.0}
STATES = ("first", "kept")
Run = dict[str, Any]
# Per task the verdicts of its samples, in order: whether all inputs went well.
Verdicts = dict[str, list[bool]]


def write_samples(file: Path) -> int:
    """The canonical solutions, and after them the broken ones; returns how many there are."""
    tasks = humaneval_plus()
    broken = [*light(tasks)[::2], *(task for task in tasks if task.entry_point == "find_zero")]
    programs = [(task.task_id, task.solution) for task in tasks]
    programs += [(task.task_id, task.solution + SPOIL.format(name=task.entry_point)) for task in broken]
    lines = [json.dumps({"task_id": task_id, "solution": program}) for task_id, program in programs]
    file.write_text("\n".join(lines) + "\n")
    return len(lines)


def timed(command: list[str], environment: dict[str, str]) -> Run:
    """One command's wall time, and the CPU time of all that it waited for."""
    load, before, began = os.getloadavg()[0], os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"wall_s": wall, "waited_cpu_s": cpu, "load_average": load}


def ours(samples: Path, cache: Path) -> tuple[Run, Verdicts]:
    """``python -m bench evaluate``."""
    out = cache / "scores.json"
    command = [sys.executable, "-m", "bench", "evaluate", str(samples), "--workers", WORKERS, "--out", str(out)]
    run = timed(command, {"XDG_CACHE_HOME": str(cache)})
    verdicts: Verdicts = defaultdict(list)
    document = json.loads(out.read_text())
    for told in document["judgements"]:
        verdicts[told["task_id"]].append(told["base"] == told["plus"] == "pass")
    return {**run, "answers_kept": document["answers_kept"]}, verdicts


def evalplus(samples: Path, cache: Path, peer: Path, data: Path) -> tuple[Run, Verdicts]:
    """``evalplus.evaluate``, which would read the results of an earlier run: they go first."""
    out = samples.with_name(samples.name.replace(".jsonl", "_eval_results.json"))
    out.unlink(missing_ok=True)
    command = [str(peer / "bin" / "evalplus.evaluate"), "--dataset", "humaneval", "--samples", str(samples)]
    environment = {"XDG_CACHE_HOME": str(cache), "HUMANEVAL_OVERRIDE_PATH": str(data)}
    run = timed([*command, "--parallel", WORKERS], environment)
    told = json.loads(out.read_text())["eval"]
    return run, {
        task_id: [one["base_status"] == one["plus_status"] == "pass" for one in each] for task_id, each in told.items()
    }


def rounds(count: int, peer: Path, folder: Path) -> Run:
    """All rounds, and the tasks on which a round's verdicts differ."""
    samples, data = folder / "samples.jsonl", folder / "HumanEvalPlus.jsonl"
    result: Run = {"samples": write_samples(samples), "runs": []}
    data.write_bytes(gzip.decompress(shipped().read_bytes()))
    differ: set[str] = set()
    for number in range(count):
        caches = {name: folder / f"{name}-{number}" for name in ("ours", "evalplus")}
        for state in STATES:
            verdicts: dict[str, Verdicts] = {}
            for name in sorted(caches, reverse=number % 2 == 0):
                caches[name].mkdir(exist_ok=True)
                if name == "ours":
                    run, verdicts[name] = ours(samples, caches[name])
                else:
                    run, verdicts[name] = evalplus(samples, caches[name], peer, data)
                result["runs"].append({"tool": name, "state": state, "round": number, **run})
                print(f"{name} {state}: {run['wall_s']:.1f} s (load {run['load_average']:.1f})", flush=True)
            differ |= {task for task, each in verdicts["ours"].items() if each != verdicts["evalplus"][task]}
    result["disagree"] = sorted(differ)
    return result


def medians(runs: list[Run]) -> Run:
    """Of wall time, by tool and state."""
    pairs = dict.fromkeys((run["tool"], run["state"]) for run in runs)
    return {f"{tool}_{state}_wall_s": statistics.median(walls(runs, tool, state)) for tool, state in pairs}


def walls(runs: list[Run], tool: str, state: str) -> list[float]:
    """s of wall time of one tool, round by round."""
    return [run["wall_s"] for run in runs if (run["tool"], run["state"]) == (tool, state)]


def recorded() -> Run | None:
    """The result that stands in the repository; None before the first."""
    found: Run | None = json.loads(RESULT.read_text()) if RESULT.exists() else None
    return found


def main() -> None:
    """Run the rounds and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evalplus", type=Path, required=True, help="a virtual environment with evalplus 0.3.1")
    parser.add_argument("--rounds", type=int, default=3, help="of four runs each (default 3)")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: an interval needs two")
    writing.check(RESULT)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as name:
        result = rounds(options.rounds, options.evalplus.resolve(), Path(name))
    peer = [str(options.evalplus / "bin" / "python"), "-c", "from importlib.metadata import version as v; "
            "import platform as p; print(v('evalplus'), p.python_version())"]  # fmt: skip
    version, python = subprocess.run(peer, capture_output=True, text=True, check=True).stdout.split()
    facts = {"machine": machine(), "evalplus": version, "evalplus_python": python, "workers": int(WORKERS)}
    document = {**facts, **medians(result["runs"]), **result}
    writing.write(RESULT, document)
    first_report.remake_page()
    print(json.dumps({name: document[name] for name in document if name.endswith("wall_s") or name == "disagree"}))


if __name__ == "__main__":
    main()
