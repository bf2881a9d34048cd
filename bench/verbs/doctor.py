"""``python -m bench doctor``: what this machine can measure."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.record.files import RUNS
from bench.report.documents import checks_document
from bench.report.visible import dumps

EXAMPLES = """
doctor
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all that was found, and every remedy whole")
    parser.add_argument("--reports", type=Path, default=RUNS, help="where runs would be written")


def main(options: argparse.Namespace) -> int:
    """Print the checks; the exit code is 0 whatever they say."""
    from bench.doctor import diagnose

    checks = diagnose(options.reports)
    if options.json:
        print(dumps(checks_document(checks), indent=1))
        return 0
    from bench.report.check_tables import print_checks
    from bench.report.console import console

    print_checks(checks, console(), verbose=options.verbose)
    return 0
