"""``python -m bench show``: a run's Cases and raw values."""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.record.store import load
from bench.report.documents import cases_document
from bench.report.visible import dumps, visible

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = """
show reports/runs/mine --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("run", type=Path, help="run folder or records file")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every Case")


def main(options: argparse.Namespace) -> int:
    """Print the Cases as a table, or with all raw values as JSON."""
    loaded = load(options.run)
    document = cases_document(loaded.records)
    if options.json:
        print(dumps(document))
    else:
        _print(document["cases"], verbose=options.verbose)
    for finding in loaded.findings:
        _note(finding.message)
    return 0


def _print(cases: Sequence[dict[str, Any]], *, verbose: bool) -> None:
    from bench.report.console import console
    from bench.report.content import Cell, Column
    from bench.report.short import MOST_LINES
    from bench.report.terminal import print_lines

    if verbose:
        console().print(_table(cases))
        return
    counts = Counter(case["status"] for case in cases)
    console().print(f"{len(cases)} Cases: {', '.join(f'{count} {status}' for status, count in counts.items())}")
    shown = sorted(cases, key=lambda case: case["status"] == "ok")[: MOST_LINES - 4]  # what went wrong first
    columns = [Column(name) for name in ("case", "what", "scheme", "status")]
    if not print_lines(columns, [[Cell(text) for text in _short_row(case)] for case in shown], console()):
        console().print(_table(shown))
    if len(cases) > len(shown):
        console().print(f"… and {len(cases) - len(shown)} more: the same with -v, raw values with --json")


# Of the reason why a Case failed.
_MOST_LETTERS = 24


def _short_row(case: dict[str, Any]) -> tuple[str, ...]:
    from bench.report.words import cut_short

    reason = cut_short("; ".join(case["reasons"]), _MOST_LETTERS) if case["status"] != "ok" else ""
    status = f"{case['status']}: {reason}" if reason else case["status"]
    return case["case_id"][:8], _case_text(case["case"]), case["scheme"], status


def _table(cases: Sequence[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("case", "what", "scheme", "status", "metrics (values)", box=box.SIMPLE)
    for case in cases:
        values = ", ".join(f"{name} ({len(item['values'])})" for name, item in case["metrics"].items())
        status = case["status"] + (f": {'; '.join(case['reasons'])}" if case["status"] != "ok" else "")
        table.add_row(case["case_id"], _case_text(case["case"]), case["scheme"], status, values)
    return table


def _case_text(case: dict[str, Any]) -> str:
    known = defaultdict(lambda: "–", case)
    if case["workload"] == "matmul":
        return "{layer} {op} {residency} M={m} {n}×{k}".format_map(known)
    if case["workload"] == "generation":
        return "{model} batch {batch_size} {new_tokens} tokens {cache}".format_map(known)
    return str(case["workload"])


def _note(text: str) -> None:
    import sys

    print(f"note: {visible(text)}", file=sys.stderr)
