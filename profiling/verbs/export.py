"""``python -m profiling export FILE OUT``: what a run or a trace holds, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """
export trace.sqlite trace.json.gz
export reports/runs/mine mine.csv
export reports/runs/mine mine.parquet
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add(
        "file",
        type=Path,
        help="a timeline (nsys .sqlite or .nsys-rep, Kineto .json or .json.gz), a run folder or its records file",
    )
    add("out", type=Path, help="the Chrome trace to write, .gz is packed; of a run: .csv, .csv.gz or .parquet")


def main(options: argparse.Namespace) -> int:
    """Write the Chrome trace or the table, and say where."""
    if options.file.is_dir() or options.file.name.startswith("records."):
        return _table(options.file, options.out)
    from bench.record.errors import UsageError
    from bench.record.files import check_file
    from bench.record.tables import ENDINGS
    from bench.report.console import console
    from bench.report.terminal import print_path
    from profiling.export import BEGINNING, export
    from profiling.summarize import read_timeline

    if options.out.name.lower().endswith(ENDINGS):
        raise UsageError(f"{options.out}: tables are made of runs; a trace becomes a Chrome trace: name it .json")
    out = check_file(options.out, options.file, begins=BEGINNING)
    events = export(read_timeline(options.file), out)
    print_path(f"{events} events, to be opened at ui.perfetto.dev or chrome://tracing", options.out, console())
    return 0


def _table(run: Path, name: Path) -> int:
    """A run's records: one row per raw value."""
    from bench.record.files import check_file
    from bench.record.store import load
    from bench.record.tables import BEGINNING, ending, write_table
    from bench.report.console import console
    from bench.report.terminal import print_path

    records = load(run).records
    out = check_file(name, run, begins=None if ending(name) == ".parquet" else BEGINNING)
    print_path(f"{write_table(records, out):,} rows, one per raw value in SI units", name, console())
    return 0
