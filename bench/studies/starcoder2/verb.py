"""``python -m bench study``: the StarCoder2 study on its authors' own raw data, and beside runs of one's own."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.record.errors import StorageError, UsageError
from bench.record.store import remedy
from bench.verbs.shared_options import add_verbose, refuse_together

if TYPE_CHECKING:
    from rich.console import Console

    from bench.report.content import Report
    from bench.studies.starcoder2.raw.grounds import RawClaim

OUT = Path("reports/runs/starcoder2-study")
# What the terminal shows; the rest is in the files.
_SHOWN = ("raw-time", "raw-energy", "raw-host", "raw-pass", "raw-prompts")


EXAMPLES = """
study
study --paper docs/study.md
study reports/runs/mine          # the same as report --study
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("run", type=Path, nargs="*", metavar="RUN", help="run folders to set beside the study")
    add("--out", type=Path, metavar="FOLDER", help="where to write (default: reports/runs/starcoder2-study)")
    add("--paper", type=Path, metavar="FILE.md", help="write the Markdown alone, its figures in a folder beside it")
    add("--json", action="store_true", help="as JSON; write nothing")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Write the page and print its answer, tables and claims; with runs, the page of those beside the study."""
    if options.run:
        return _report_runs(options)
    refuse_together(options, "json", ("out", "paper"), "JSON is printed and nothing written: leave one of them out")
    refuse_together(options, "paper", ("out",), "the paper says where it goes itself: leave one of them out")
    from bench.studies.starcoder2.raw.claims import claims, grounds
    from bench.studies.starcoder2.raw.page import build

    found = grounds()
    if options.json:
        from bench.studies.starcoder2.raw.document import document

        print(json.dumps(document(found), indent=1, ensure_ascii=False))
        return 0
    report = build(found)
    written = _written(report, options)
    _print(report, claims(found), written, verbose=options.verbose)
    return 0


def _report_runs(options: argparse.Namespace) -> int:
    from .replication.verb import report_study

    if options.json or options.paper or options.out:
        raise UsageError(
            "with runs, study.md and study.html go into the first run's folder: leave --json, --out, --paper"
        )
    report_study(options.run)
    return 0


def _written(report: Report, options: argparse.Namespace) -> Sequence[Path]:
    from bench.studies.starcoder2.writing import write, write_paper

    folder = options.out or OUT
    try:
        return write_paper(options.paper, report) if options.paper else write(folder, report)
    except OSError as error:
        what = f"{Path(error.filename).name}: {error.strerror}" if error.filename else str(error.strerror or error)
        place = options.paper or folder
        raise StorageError(
            f"cannot write the study to {place} ({what}): {remedy(error)}, or give --out FOLDER"
        ) from error


def _print(report: Report, claims: Sequence[RawClaim], written: Sequence[Path], *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, Passage, answer_passages, line, print_passages
    from bench.report.terminal import print_written

    console = make_console()
    if verbose:
        _print_all(report, claims, console)
        print_written(written, console)
        return
    parts = answer_passages(report.answer) if report.answer else []
    parts += [line(_counted(claims)), Passage(partial(print_written, written))]
    print_passages(parts, console, f"Tables, and each claim with its evidence: {SAME_WITH_V}")


def _counted(claims: Sequence[RawClaim]) -> str:
    """How the claims ended; one that has several readings which end otherwise is counted apart."""
    ends = [{reading.outcome for reading in claim.readings} for claim in claims]
    alike = Counter(next(iter(each)) for each in ends if len(each) == 1)
    parts = [f"{count} {outcome}" for outcome, count in alike.most_common()]
    mixed = len(ends) - sum(alike.values())
    return (
        f"Of its {len(claims)} claims: {', '.join((*parts, *([f'{mixed} depend on the reading'] if mixed else [])))}."
    )


def _print_all(report: Report, claims: Sequence[RawClaim], console: Console) -> None:
    from bench.report.terminal import print_answer, print_section

    console.print(report.title, style="bold")
    if report.answer:
        print_answer(report.answer, console)
    for section in report.sections:
        if section.anchor in _SHOWN:
            print_section(section, console)
    for claim in claims:
        console.print(f"{claim.statement.text} ({claim.statement.source})", style="bold")
        for reading in claim.readings:
            name = f" ({reading.name})" if reading.name else ""
            console.print(f"  {reading.outcome.upper()}{name}: {reading.evidence}")
