"""``python -m profiling summarize FILE``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.kinds import COUNT
from bench.record.errors import UsageError

EXAMPLES = """
summarize trace.sqlite
summarize counters.ncu-rep --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("file", type=Path, help="nsys .sqlite or .nsys-rep, Kineto .json or .json.gz, .ncu-rep, ncu CSV")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--tables", action="store_true", help="timelines: add the reports of `nsys stats`")
    add("--kernels", action="store_true", help="timelines: the kernels alone, which is quicker")
    add("--top", type=COUNT, default=20, metavar="N", help="rows per table, not for --json (default 20)")


def main(options: argparse.Namespace) -> int:
    """Print the summary as JSON or as tables."""
    from profiling.summarize import summarize

    if options.kernels and options.tables:
        raise UsageError("--kernels is of the kernels alone: leave --tables out")
    summary = summarize(options.file, tables=options.tables, kernels=options.kernels)
    if options.json:
        json.dump(summary, sys.stdout, allow_nan=False)
        print(flush=True)
        return 0
    from profiling.summary_view import show

    show(summary, options.top)
    return 0
