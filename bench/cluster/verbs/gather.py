"""``python -m bench gather SWEEP``: one run of all blocks, and its report."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from bench.analysis.held_lines import ReadTrace
from bench.cluster.gather import Gathered, gather
from bench.record.files import unused
from bench.record.shared_copy import anonymiser
from bench.record.store import load
from bench.record.suggested import command, quoted
from bench.report.console import console as make_console
from bench.report.short import Passage, line, print_passages
from bench.report.terminal import print_code
from bench.verbs.report import report_run
from bench.verbs.share import copy_beside, share, shared_passages
from bench.verbs.shared_options import add_anonymous, add_no_report, add_verbose

SHOWN = 5


EXAMPLES = """
gather reports/runs/mine
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("sweep", type=Path, help=f"folder of a sweep, as given to {quoted('run --on … --out')}")
    add_no_report(parser, "gather")
    add_anonymous(parser, "a copy of what was gathered, beside it, and in its report")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Gather and report. Exit code 1 where blocks still miss Records."""
    report, verbose, read = not options.no_report, options.verbose, options.read_timeline
    return gathered(options.sweep, report=report, verbose=verbose, anonymous=options.anonymous, read=read)


def gathered(
    folder: Path, *, report: bool, verbose: bool, anonymous: bool = False, read: ReadTrace | None = None
) -> int:
    """As ``main``, for other verbs."""
    found = gather(folder)
    passages = _told(folder, found)
    if anonymous:
        records = load(folder).records
        names = anonymiser(folder, records)
        copy = unused(copy_beside(folder.resolve(), names))
        passages += shared_passages(share(folder, copy, records, names), verbose=verbose)
        folder = copy
    if report:
        report_run(folder, verbose=verbose, read=read, before=passages)
    else:
        print_passages(passages, make_console(), "")
    return 1 if found.missing else 0


def _told(folder: Path, found: Gathered) -> list[Passage]:
    passages = [line(f"gathered: {found.records} records from {found.attempts} attempts on {found.nodes} nodes")]
    if found.missing:
        blocks = ", ".join(map(str, list(found.missing)[:20]))
        missing = f"incomplete: {sum(found.missing.values())} records of blocks {blocks} are not there yet; go on with"
        again = command("run --on slurm --resume --out", folder)
        passages += [line(f"{missing} this, or --on local:"), Passage(partial(print_code, again))]
    if found.beside:
        passages.append(line(f"kept: {found.beside} records that were added since, such as judgements"))
    for what, items in (("measured twice, the first is taken", found.twice), ("left out, damaged", found.unread)):
        passages += [line(f"{what}: {text}", 9, "record measured twice or damaged") for text in items[:SHOWN]]
        if len(items) > SHOWN:
            passages.append(line(f"{what}: {len(items) - SHOWN} more", 9))
    return passages
