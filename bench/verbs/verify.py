"""``python -m bench verify RUN_DIR``: does the run folder hold what its plan and its records say?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.record import integrity
from bench.record.chain import PLAN
from bench.record.errors import RecordError, UsageError
from bench.record.integrity import IntegrityCheck, Omission
from bench.record.suggested import quoted
from bench.report.documents import integrity_document
from bench.report.visible import dumps
from bench.run.planfile import read_planned
from bench.verbs.shared_options import run_folder

SHOWN = 5


EXAMPLES = """
verify reports/runs/mine
verify reports/runs/mine --leave-out 'timelines of 50 MB each, kept elsewhere'
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument(
        "--leave-out", metavar="REASON", help="write down that what is missing now was left out on purpose, and why"
    )
    parser.add_argument(
        "-v", "--verbose", "--all", dest="all", action="store_true", help="every check, and everything that is amiss"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def main(options: argparse.Namespace) -> int:
    """Print the checks and the verdict. Exit code 1 where something does not hold."""
    folder = run_folder(options.run)
    checks = verify(folder)
    if options.leave_out is not None:
        leave_out(folder, checks, options.leave_out)
        checks = verify(folder)
    good = all(check.result != "problem" for check in checks)
    if options.json:
        print(dumps(integrity_document(folder.name, checks, good)))
    else:
        _print(folder, checks, good, options.all)
    return 0 if good else 1


def verify(folder: Path) -> tuple[IntegrityCheck, ...]:
    """All checks of a run folder. Raises RecordError where it holds no records, or a damaged plan."""
    records, checks = integrity.readable(folder)
    if not records and all(check.result == "ok" for check in checks):
        raise RecordError(f"{folder} holds no records yet: run {quoted('run --resume --out', folder)}")
    planned, left_out = read_planned(folder), integrity.omissions_in(folder)
    whole = (
        integrity.complete(records, planned.keys, left_out)
        if planned
        else (IntegrityCheck("complete", "note", f"cannot be told: there is no {PLAN}"),)
    )
    return (
        *checks,
        *integrity.anonymous(folder),
        integrity.chained(folder),
        integrity.unique(records),
        *integrity.agreeing(records, planned.run_id if planned else None),
        *integrity.self_consistent(records),
        *whole,
        *integrity.artifacts(folder, records, left_out),
        integrity.unnamed(folder, records),
    )


def leave_out(folder: Path, checks: Sequence[IntegrityCheck], reason: str) -> None:
    """Write down that what is missing was left out on purpose. Changed files and damaged lines stay problems."""
    if not reason.strip() or not reason.isprintable():
        raise UsageError("--leave-out needs a reason in one line, such as 'timelines of 50 MB each'")
    missing = [check.missing for check in checks if check.missing]
    paths = tuple(path for entry in missing for path in entry.artifacts)
    keys = tuple(key for entry in missing for key in entry.records)
    if not paths and not keys:
        raise UsageError(f"nothing is missing in {folder}: there is nothing to leave out")
    integrity.add_omission(folder, Omission(reason.strip(), paths, keys))


def _print(folder: Path, checks: Sequence[IntegrityCheck], good: bool, every: bool) -> None:
    from bench.report.check_tables import print_verified
    from bench.report.console import console as make_console

    print_verified(folder.name, checks, good, None if every else SHOWN, make_console())
