"""``python -m bench share RUN``: a copy of a run without who measured it and where, and what was taken out."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.record.anonymous import Anonymiser
from bench.record.errors import StorageError, UsageError
from bench.record.files import is_run, refuse_taken
from bench.record.schema import Record
from bench.record.shared_copy import SharedCopy, anonymiser, make
from bench.record.store import load, remedy, why
from bench.record.suggested import quoted
from bench.verbs.report import build_run, report_run, write_run
from bench.verbs.shared_options import add_no_report, add_verbose, run_folder
from bench.verbs.verify import verify

if TYPE_CHECKING:
    from bench.report.short import Passage

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
    folder = run_folder(options.run)
    records = load(folder).records
    names = anonymiser(folder, records, options.also)
    copied = share(folder, options.out or copy_beside(folder.resolve(), names), records, names)
    out = copied.folder
    written: Sequence[Path] = ()
    if not options.no_report and not options.verbose:
        written = write_run(out, build_run(out, read=options.read_timeline))
    elif not options.no_report:
        report_run(out, verbose=True, read=options.read_timeline)
    tell_shared(copied, written, verbose=options.verbose)
    return 1 if copied.problems else 0


def copy_beside(folder: Path, names: Anonymiser) -> Path:
    """The copy's page names it: the run's name may be that of a host."""
    return folder.with_name(f"{names.file_name(folder.name)}-shared")


def share(folder: Path, out: Path, records: Sequence[Record], names: Anonymiser) -> SharedCopy:
    """Without a report; ``records``: the run's.

    Raises UsageError or StorageError where ``out`` cannot be taken, RecordError as ``verify``.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--out: {out} lies in the run itself, which stays as it is: choose a folder elsewhere")
    if is_run(out):
        raise UsageError(f"{out} already holds a run: choose another folder with --out")
    refuse_taken(out)
    problems = tuple(check.name for check in verify(folder) if check.result == "problem")
    try:
        return make(folder, out, records, names, problems)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {why(error)}; {remedy(error)}, then share again") from error


# Of the files that were left out for one reason, so many are named without -v.
_NAMED = 3


def tell_shared(copied: SharedCopy, written: Sequence[Path] = (), *, verbose: bool = False) -> None:
    """Print what was taken out of a copy. ``written``: its report, to be named."""
    from bench.report.console import console as make_console
    from bench.report.short import Passage, print_parts
    from bench.report.terminal import print_written

    parts = [*shared_passages(copied, verbose=verbose), Passage(partial(print_written, written))]
    rest = f"Every file that was left out: {quoted('share -v')} into another --out"
    print_parts(parts, make_console(), rest, whole=verbose)


def shared_passages(copied: SharedCopy, *, verbose: bool = False) -> list[Passage]:
    """What there is to say of a copy."""
    from bench.report.short import Passage, line
    from bench.report.terminal import print_path

    parts = [Passage(partial(print_path, "shared copy", copied.folder))]
    if copied.problems:
        problems = ", ".join(copied.problems)
        parts.append(line(f"warning: the run itself is not verified ({problems}), and its copy says so"))
    if verbose:
        parts += [line(f"taken out: {what}, of {count} fields and texts") for what, count in copied.taken]
    elif copied.taken:
        problems = ", ".join(f"{what} ({count})" for what, count in copied.taken)
        parts.append(line(f"taken out: {problems}; in brackets, of how many fields and texts"))
    parts += [line(f"left out: {text}", 1, "reason why files were left out") for text in _left_out(copied, verbose)]
    advice = "look through it before you publish it: a name that stands in none of these places is not known; "
    return [*parts, line(f"{advice}--also WORD takes it out")]


def _left_out(copied: SharedCopy, verbose: bool) -> list[str]:
    """The files by the reason why they are not in the copy."""
    if verbose:
        return [f"{path}: {reason}" for path, reason in copied.left_out]
    found: dict[str, list[str]] = defaultdict(list)
    for path, reason in copied.left_out:
        found[reason].append(path)
    return [
        ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "") + f": {reason}"
        for reason, paths in found.items()
    ]
