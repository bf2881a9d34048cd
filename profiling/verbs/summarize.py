"""``python -m profiling summarize FILE``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.commandline import COUNT
from bench.record.errors import UsageError

# Rows per table, with -v and without.
TOP, MOST_ROWS = 20, 4
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
    add("--top", type=COUNT, metavar="N", help="rows per table, not for --json (default 20)")
    add("-v", "--verbose", action="store_true", help="print all tables, not the first lines alone")


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
    from bench.report.console import console
    from bench.report.short import SAME_WITH_V, print_short
    from profiling.verbs.summary_view import show

    if options.verbose or options.top or options.tables:
        show(summary, options.top or TOP, console())
    else:
        most = TOP if options.kernels else MOST_ROWS  # of the kernels alone there is one table
        print_short(lambda short: show(summary, most, short, short=True), console(), f"{SAME_WITH_V}, or --top N")
    return 0
