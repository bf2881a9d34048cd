"""The tables of docs/fuzzing.md, from the results file: ``python -m fuzz.table``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"
PAGE = ROOT / "docs" / "fuzzing.md"
BEGIN, END = "<!-- tables: made by python -m fuzz.table -->", "<!-- end of tables -->"
_MIB = 2**20


def tables(results: dict[str, Any]) -> str:
    """Markdown: the runs, what refusals said most often, and the probes."""
    return "\n\n".join([_runs(results), _refusals(results), _probes(results)])


def _runs(results: dict[str, Any]) -> str:
    head = ["Reader", "Engine", "Inputs", "Read", "Refused", "Kinds of refusal", "Faults", "Slowest", "Most memory"]
    rows = [
        [
            name,
            engine,
            f"{run['inputs']:,}",
            f"{run['accepted']:,}",
            f"{run['refused']:,}",
            str(run["classes_of_refusal"]),
            f"**{run['faults']}**",
            f"{1000 * run['slowest_s']:.0f} ms ({run['slowest_bytes']:,} B)",
            f"{run['peak_bytes'] / _MIB:.1f} MiB",
        ]
        for engine, runs in sorted(results["runs"].items())
        for name, run in runs.items()
    ]
    return _table(head, rows, "llrrrrrrr")


def _refusals(results: dict[str, Any]) -> str:
    rows = [
        [name, engine, f"`{next(iter(sorted(run['refusals'], key=lambda k: -run['refusals'][k])), '–')}`"]
        for engine, runs in sorted(results["runs"].items())
        for name, run in runs.items()
    ]
    return _table(["Reader", "Engine", "Most frequent refusal"], rows, "lll")


def _probes(results: dict[str, Any]) -> str:
    rows = [
        [
            name,
            probe,
            f"{found['unpacked_bytes'] / _MIB:.2f} MiB",
            f"{found['peak_bytes'] / _MIB:.1f} MiB",
            f"×{found['times_the_input']:.1f}",
            f"{found['processor_s']:.1f} s",
            "read" if found["outcome"] == "accepted" else "refused",
            found["fault"] and "**fault**",
        ]
        for name, probes in results["probes"]["own"].items()
        for probe, found in probes["inputs"].items()
    ]
    head = ["Reader", "Probe", "Input", "Most memory", "÷ input", "Processor", "", ""]
    return _table(head, rows, "llrrrrll")


def _table(head: list[str], rows: list[list[str]], align: str) -> str:
    marks = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, marks, *rows])


def page(text: str, results: dict[str, Any]) -> str:
    """The page with its tables made again."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{tables(results)}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))
