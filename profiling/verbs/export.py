"""``python -m profiling export FILE OUT``."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """
export trace.sqlite trace.json.gz
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("file", type=Path, help="a timeline: nsys .sqlite or .nsys-rep, Kineto .json or .json.gz")
    parser.add_argument("out", type=Path, help="the Chrome trace to write; .gz is packed")


def main(options: argparse.Namespace) -> int:
    """Write the Chrome trace and say where."""
    from bench.record.outputs import check_file
    from profiling.export import BEGINNING, export
    from profiling.summarize import read_timeline

    out = check_file(options.out, options.file, begins=BEGINNING)
    events = export(read_timeline(options.file), out)
    print(f"{options.out}: {events} events; open it at ui.perfetto.dev or chrome://tracing")
    return 0
