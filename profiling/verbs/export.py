"""``python -m profiling export FILE OUT``."""

from __future__ import annotations

import argparse


def main(options: argparse.Namespace) -> int:
    """Write the Chrome trace and say where."""
    from profiling.export import export
    from profiling.summarize import read_timeline

    events = export(read_timeline(options.file), options.out)
    print(f"{options.out}: {events} events; open it at ui.perfetto.dev or chrome://tracing")
    return 0
