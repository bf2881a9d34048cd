"""``python -m profiling summarize FILE``."""

from __future__ import annotations

import argparse
import json
import sys

from bench.record.errors import UsageError


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
