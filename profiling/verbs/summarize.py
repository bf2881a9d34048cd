"""``python -m profiling summarize FILE``."""

from __future__ import annotations

import argparse
import json
import sys


def main(options: argparse.Namespace) -> int:
    """Print the summary as JSON or as tables."""
    from profiling.summarize import summarize

    summary = summarize(options.file, tables=options.tables)
    if options.json:
        json.dump(summary, sys.stdout, allow_nan=False)
        print(flush=True)
        return 0
    from profiling.summary_view import show

    show(summary, options.top)
    return 0
