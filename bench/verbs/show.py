"""``python -m bench show``: a run's Cases and raw values."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.record.store import load
from bench.report.documents import cases_document
from bench.report.visible import dumps, visible

EXAMPLES = """
show reports/runs/mine --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("run", type=Path, help="run folder or records file")
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(options: argparse.Namespace) -> int:
    """Print the Cases as a table, or with all raw values as JSON."""
    loaded = load(options.run)
    document = cases_document(loaded.records)
    if options.json:
        print(dumps(document))
    else:
        _print_table(document["cases"])
    for finding in loaded.findings:
        _note(finding.message)
    return 0


def _print_table(cases: Sequence[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    from bench.report.console import console

    table = Table("case", "what", "scheme", "status", "metrics (values)", box=box.SIMPLE)
    for case in cases:
        values = ", ".join(f"{name} ({len(item['values'])})" for name, item in case["metrics"].items())
        status = case["status"] + (f": {'; '.join(case['reasons'])}" if case["status"] != "ok" else "")
        table.add_row(case["case_id"], _case_text(case["case"]), case["scheme"], status, values)
    console().print(table)


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
