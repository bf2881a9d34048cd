"""``python -m bench share RUN``: a copy of a run without who measured it and where, and what was taken out."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.record.errors import RecordError, StorageError, UsageError
from bench.record.outputs import is_run, refuse_taken
from bench.record.shared_copy import SharedCopy, anonymiser, make
from bench.record.store import load, remedy, why
from bench.record.suggested import quoted
from bench.verbs.report import report_run
from bench.verbs.shared_options import add_no_report, add_verbose
from bench.verbs.verify import verify

EXAMPLES = """
share reports/runs/mine
share reports/runs/mine --out mine-to-share --also 'project falcon' --also acme
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("run", type=Path, help="run folder, which stays as it is")
    parser.add_argument("--out", type=Path, help="folder of the copy (default: RUN-shared)")
    parser.add_argument(
        "--also", action="append", default=[], metavar="WORD", help="a word to take out wherever it stands; repeatable"
    )
    add_no_report(parser, "copy")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Make the copy and its report, and list what was taken out. Exit code 1 where the run itself is not verified."""
    folder: Path = options.run
    if not folder.is_dir():
        raise RecordError(f"{folder} is not a run folder: give the folder that {quoted('run')} printed")
    also = tuple(options.also)
    copied = share(folder, options.out or copy_beside(folder.resolve(), also), also)
    out = copied.folder
    if not options.no_report:
        report_run(out, verbose=options.verbose, read=options.read_timeline)
    tell_shared(copied)
    return 1 if copied.problems else 0


def copy_beside(folder: Path, also: tuple[str, ...] = ()) -> Path:
    """The copy's page names it: the run's name may be that of a host."""
    return folder.with_name(f"{anonymiser(folder, load(folder).records, also).words(folder.name)}-shared")


def share(folder: Path, out: Path, also: tuple[str, ...] = ()) -> SharedCopy:
    """Without a report. Raises UsageError or StorageError where ``out`` cannot be taken, RecordError as ``load``."""
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out: {out} lies in the run itself, which stays as it is: choose a folder elsewhere")
    if is_run(out):
        raise UsageError(f"{out} already holds a run: choose another folder with --out")
    refuse_taken(out)
    problems = tuple(check.name for check in verify(folder) if check.result == "problem")
    try:
        return make(folder, out, load(folder).records, problems, also)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {why(error)}; {remedy(error)}, then share again") from error


def tell_shared(copied: SharedCopy) -> None:
    """Print what was taken out of a copy."""
    from bench.report.console import console as make_console

    console = make_console()
    console.print(f"shared copy: {copied.folder}", soft_wrap=True, highlight=False, markup=False)
    for what, count in copied.taken:
        console.print(f"taken out: {what}, of {count} fields and texts", highlight=False, markup=False)
    for path, reason in copied.left_out:
        console.print(f"left out: {path}: {reason}", soft_wrap=True, highlight=False, markup=False)
    if copied.problems:
        told = ", ".join(copied.problems)
        console.print(f"warning: the run itself is not verified ({told}), and its copy says so", markup=False)
    console.print(
        "look through it before you publish it: a name that stands in none of these places is not known; "
        "--also WORD takes it out",
        soft_wrap=True,
        markup=False,
    )
