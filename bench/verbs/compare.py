"""``python -m bench compare A B``: FASTER, SLOWER, SAME or AMBIGUOUS, Case by Case, with the ratio's interval."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from bench.analysis.comparison import Comparison, compare
from bench.commandline import names
from bench.record.errors import UsageError
from bench.record.schema import Case, Finding, Record
from bench.record.store import load
from bench.report.documents import comparison_document
from bench.report.visible import dumps

if TYPE_CHECKING:
    from bench.report.short import Passage

EXAMPLES = """
compare reports/runs/before reports/runs/after
compare reports/runs/mine::fp16 reports/runs/mine::nf4
compare before-1,before-2,before-3 after-1,after-2,after-3
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("a", metavar="A", help="reference: FOLDER, FOLDER::SCHEME, or several runs: F1,F2,F3")
    parser.add_argument("b", metavar="B", help="what is judged, in the same way")
    parser.add_argument("--force", action="store_true", help="compare even if machines or conditions differ")
    parser.add_argument(
        "--allow",
        type=names,
        default=(),
        metavar="NAMES",
        help="conditions that may differ because they are the question, such as versions,commit",
    )
    parser.add_argument("--margin", type=float, default=0.02, help="relative difference that counts as none (0.02)")
    parser.add_argument("--fail-on-slower", action="store_true", help="exit 1 if anything is SLOWER, all rows together")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every row")


def main(options: argparse.Namespace) -> int:
    """B judged against A. Exit code 1 with --fail-on-slower if anything is SLOWER, beyond what so many rows may be by
    chance."""
    comparison = compared(options)
    if options.json:
        print(dumps(comparison_document(comparison)))
    else:
        _print(comparison, verbose=options.verbose)
    return 1 if options.fail_on_slower and comparison.anything_slower else 0


def compared(options: argparse.Namespace) -> Comparison:
    """What was found. Raises UsageError for runs that cannot be compared, RecordError for one that cannot be read."""
    if not 0 < options.margin < 1:
        raise UsageError("--margin must lie between 0 and 1, such as 0.02 for 2 %")
    (paths_a, scheme_a), (paths_b, scheme_b) = _side(options.a), _side(options.b)
    if paths_a != paths_b and set(paths_a) & set(paths_b):
        raise UsageError("a run stands on both sides: give each run once")
    records_a = _records(paths_a)
    return compare(
        records_a,
        records_a if paths_b == paths_a else _records(paths_b),  # two schemes of one run
        scheme_a=scheme_a,
        scheme_b=scheme_b,
        margin=options.margin,
        force=options.force,
        allow=options.allow,
    )


def _side(text: str) -> tuple[tuple[Path, ...], str | None]:
    """FOLDER, FOLDER::SCHEME, or several folders with commas between. Raises UsageError where one is given twice."""
    folder, _, scheme = text.partition("::")
    several = "," in folder and not Path(folder).exists()
    paths = tuple(map(Path, filter(None, folder.split(",")))) if several else (Path(folder),)
    if len(set(paths)) < len(paths):
        raise UsageError(
            f"{folder}: a run is given twice: as another of its own it would make any difference look sure"
        )
    return paths, scheme or None


def _records(paths: Sequence[Path]) -> tuple[Record, ...]:
    """Of all the runs. Raises UsageError where two folders hold one run."""
    found = [load(path).records for path in paths]
    runs = [{record.run_id for record in records} for records in found]
    if len(set().union(*runs)) < sum(map(len, runs)):
        raise UsageError("two of the folders hold the same run: a copy of it is no other run")
    return tuple(record for records in found for record in records)


# Rows of a comparison that are shown without -v.
MOST_ROWS = 8


def _print(comparison: Comparison, *, verbose: bool) -> None:
    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, print_parts

    parts = _parts(comparison, None if verbose else MOST_ROWS)
    print_parts(parts, make_console(), f"Every row and condition: {SAME_WITH_V}", whole=verbose)


def _parts(comparison: Comparison, most: int | None) -> list[Passage]:
    """The verdicts, then what they are worth, then the rows. ``most``: of these."""
    from bench.report.short import Passage, line
    from bench.report.terminal import comparison_counts, comparison_order, comparison_table, print_table
    from bench.report.words import what_tells

    first, *others = comparison_counts(comparison.rows) or [Text("nothing was compared")]
    table = comparison_table(comparison.rows)
    parts = [line(first), *(line(text, 4, "verdict") for text in others)]
    parts += [line(_text(finding), 1, finding.severity) for finding in comparison.findings]
    if comparison.rows and (first_row := comparison_order(comparison.rows)[0]).verdict == "AMBIGUOUS":
        parts.append(line(f"{first_row.quantity}: {what_tells(first_row.ratio)}", 3, "line on what would tell"))
    parts.append(Passage(lambda console: print_table(table, console, most=most), 2, "table"))
    slower = sum(row.verdict == "SLOWER" for row in comparison.rows)
    if slower and not comparison.anything_slower:
        told_of = f"SLOWER in {slower} of {len(comparison.rows)} rows, as chance may have it: not by --fail-on-slower"
        parts.append(line(told_of, 1, "line on chance"))
    for name, cases in (("A", comparison.only_a), ("B", comparison.only_b)):
        if cases:
            parts.append(line(f"only in {name}: {_schemes(cases)}", 3, "line on what only one has"))
    conditions = Text(f"conditions: {'; '.join(item.text for item in comparison.conditions)}", no_wrap=most is not None)
    conditions.overflow = None if most is None else "ellipsis"
    return [*parts, line(conditions, 5, "line on conditions")]


def _schemes(cases: Sequence[Case]) -> str:
    names = ", ".join(dict.fromkeys(case.scheme for case in cases))
    return f"{len(cases)} Cases ({names})"


def _text(finding: Finding) -> str:
    return f"{finding.severity}: {finding.message} ({finding.evidence}); {finding.remedy}"
