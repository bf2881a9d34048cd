"""``python -m bench compare A B``: FASTER, SLOWER, SAME or AMBIGUOUS, Case by Case, with the ratio's interval."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.comparison import Comparison, compare
from bench.kinds import names
from bench.record.errors import UsageError
from bench.record.schema import Case, Finding
from bench.record.store import load
from bench.report.documents import comparison_document
from bench.report.visible import dumps

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """
compare reports/runs/before reports/runs/after
compare reports/runs/mine::fp16 reports/runs/mine::nf4
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("a", metavar="A", help="reference: a run folder, or FOLDER::SCHEME")
    parser.add_argument("b", metavar="B", help="what is judged: a run folder, or FOLDER::SCHEME")
    parser.add_argument("--force", action="store_true", help="compare even if machines or conditions differ")
    parser.add_argument(
        "--allow",
        type=names,
        default=(),
        metavar="NAMES",
        help="conditions that may differ because they are the question, such as versions,commit",
    )
    parser.add_argument("--margin", type=float, default=0.02, help="relative difference that counts as none (0.02)")
    parser.add_argument("--fail-on-slower", action="store_true", help="exit 1 if anything is SLOWER")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every row")


def main(options: argparse.Namespace) -> int:
    """B judged against A. Exit code 1 with --fail-on-slower if anything is SLOWER."""
    comparison = compared(options)
    if options.json:
        print(dumps(comparison_document(comparison)))
    else:
        _print(comparison, verbose=options.verbose)
    slower = any(row.verdict == "SLOWER" for row in comparison.rows)
    return 1 if slower and options.fail_on_slower else 0


def compared(options: argparse.Namespace) -> Comparison:
    """What was found. Raises UsageError for runs that cannot be compared, RecordError for one that cannot be read."""
    if not 0 < options.margin < 1:
        raise UsageError("--margin must lie between 0 and 1, such as 0.02 for 2 %")
    (path_a, scheme_a), (path_b, scheme_b) = _side(options.a), _side(options.b)
    records_a = load(path_a).records
    return compare(
        records_a,
        records_a if path_b == path_a else load(path_b).records,  # two schemes of one run
        scheme_a=scheme_a,
        scheme_b=scheme_b,
        margin=options.margin,
        force=options.force,
        allow=options.allow,
    )


def _side(text: str) -> tuple[Path, str | None]:
    """FOLDER or FOLDER::SCHEME."""
    folder, _, scheme = text.partition("::")
    return Path(folder), scheme or None


# Rows of a comparison that are shown without -v.
MOST_ROWS = 8


def _print(comparison: Comparison, *, verbose: bool) -> None:
    from bench.report.brief import print_short
    from bench.report.console import console as make_console

    if verbose:
        _show(comparison, make_console(), None)
    else:
        print_short(lambda console: _show(comparison, console, MOST_ROWS), make_console(), "add -v")


def _show(comparison: Comparison, console: Console, most: int | None) -> None:
    from bench.report.terminal import print_comparison

    for finding in comparison.findings:  # before any number: they say what the numbers are worth
        console.print(_text(finding), highlight=False, markup=False)
    print_comparison(comparison.rows, console, most=most)
    if most is not None and len(comparison.rows) > most:
        console.print("Every row: the same with -v", highlight=False)
    told = f"conditions: {'; '.join(item.text for item in comparison.conditions)}"
    if most is None:
        console.print(told, highlight=False, markup=False)
    else:
        console.print(told, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
    for name, cases in (("A", comparison.only_a), ("B", comparison.only_b)):
        if cases:
            console.print(f"only in {name}: {_schemes(cases)}", highlight=False, markup=False)


def _schemes(cases: Sequence[Case]) -> str:
    names = ", ".join(dict.fromkeys(case.scheme for case in cases))
    return f"{len(cases)} Cases ({names})"


def _text(finding: Finding) -> str:
    return f"{finding.severity}: {finding.message} ({finding.evidence}); {finding.remedy}"
