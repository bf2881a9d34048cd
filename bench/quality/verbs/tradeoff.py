"""``python -m bench tradeoff RUN…``: arms weighed by quality, time, energy and memory; the energy sign map."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.quality.tradeoff.page import signmap_section, tradeoff_document, tradeoff_section
from bench.quality.tradeoff.signmap import Spot, signmap
from bench.quality.tradeoff.tradeoff import Tradeoff, parse_weights, tradeoffs
from bench.record.errors import RecordError, StorageError
from bench.record.files import check_file
from bench.record.schema import Record
from bench.record.store import load
from bench.record.suggested import quoted
from bench.report.visible import dumps
from bench.verbs.planned import plan_of
from bench.verbs.report import asked_reference
from bench.verbs.shared_options import add_verbose, refuse_together

if TYPE_CHECKING:
    from rich.console import Console

    from bench.report.content import FigureSpec, Section


# Rows of a table that are shown without -v.
MOST_ROWS = 6
EXAMPLES = """
tradeoff reports/runs/mine
tradeoff reports/runs/mine --weights quality=2,time=1,energy=1,memory=0
tradeoff reports/runs/a100 reports/runs/h100 --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="run folders or records files")
    add("--weights", metavar="NAME=W,…", help="weights of quality, time, energy, memory (default: all 1)")
    add("--reference", metavar="SCHEME", help="what to compare with (default: the first run's own, or fp16)")
    add("--out", type=Path, metavar="FOLDER", help="also write the figures there")
    add("--json", action="store_true", help="as JSON")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Print the arms of one or several runs, and the sign map."""
    refuse_together(options, "json", ("out",), "JSON goes without figures: leave one of them out")
    weights = parse_weights(options.weights)
    records: list[Record] = [record for run in options.runs for record in load(run).records]
    reference = asked_reference(options.reference, records) or plan_of(options.runs[0]).reference
    found = tradeoffs(records, reference=reference, weights=weights)
    spots = signmap(records, reference=reference)
    if not found and not spots:
        raise RecordError(
            "nothing to weigh: no two arms have a weighted criterion in common; measure an unquantised scheme and "
            f"another one, and see {quoted('show')} for what a run holds"
        )
    if options.json:
        print(dumps(tradeoff_document(found, spots)))
    else:
        _print(found, spots, options.out, verbose=options.verbose)
    return 0


def _print(found: Sequence[Tradeoff], spots: Sequence[Spot], out: Path | None, *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, print_short
    from bench.report.terminal import print_section

    console = make_console()
    sections = [section for section in (tradeoff_section(found), signmap_section(spots)) if section]
    if verbose:
        for section in sections:
            print_section(section, console)
    else:
        print_short(lambda short: _show(sections, short), console, SAME_WITH_V)
    if out is not None:
        for path in _draw([figure for section in sections for figure in section.figures], out):
            console.print(f"written: {path}", soft_wrap=True, highlight=False)


def _show(sections: Sequence[Section], console: Console) -> None:
    """What each section says, and the first table."""
    from bench.report.terminal import print_table

    for section in sections:
        for text in section.text:
            console.print(f"{section.title}: {text}")
    console.print("All tables, and how they were made: the same with -v")
    for table in [table for section in sections for table in section.tables][:1]:
        print_table(table, console, most=MOST_ROWS)


def _draw(figures: Sequence[FigureSpec], out: Path) -> list[Path]:
    """Raises UsageError where one of the files is there already, StorageError where one cannot be written."""
    from bench.report import svg

    try:
        out.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            for file in svg.files(out, figure.name):
                check_file(file)
        return [path for figure in figures for path in svg.save(figure.draw(), out, figure.name)[1]]
    except OSError as error:
        raise StorageError(f"cannot write the figures to {out}: {error.strerror or error}") from error
