"""``python -m bench report``: write the report of a run folder and print its summary. Needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import hooks
from bench.analysis.alike import on_nodes
from bench.analysis.held_lines import ReadTrace, classified, read_once
from bench.instruments.fitness import unfit
from bench.record.errors import RecordError, StorageError, UsageError
from bench.record.origin import node_of
from bench.record.schema import Artifact, Environment, Finding, Record
from bench.record.shared_copy import anonymiser, anonymous_record
from bench.record.store import Loaded, remedy
from bench.record.suggested import command, quoted
from bench.verbs.planned import UNFINISHED, plan_of, unfinished
from bench.verbs.shared_options import add_anonymous, add_verbose, refuse, run_folder

if TYPE_CHECKING:
    from bench.report.content import Report
    from bench.report.short import Passage


EXAMPLES = """
report reports/runs/mine
report --study reports/runs/corrected reports/runs/as-they-ran-it
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("run", type=Path, nargs="+", help="run folder; with --study, one or more")
    parser.add_argument(
        "--study",
        action="store_true",
        help="set the runs beside the published StarCoder2 study: study.md and study.html in the first run folder",
    )
    parser.add_argument("--reference", metavar="SCHEME", help="what to compare with (default: the run's own, or fp16)")
    parser.add_argument("--scheme", metavar="SCHEME", help="what the first screen explains (default: the slowest)")
    add_anonymous(parser, "the report; the records stay as they are ('share' makes a copy of them)")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Report on the run in ``options.run``, or with ``options.study`` on all of them beside the study."""
    for folder in options.run:
        run_folder(folder)
    if options.study:
        if options.reference:
            raise UsageError("--reference has no place with --study: the original is each run's unquantised arm")
        refuse(options, ("scheme",), "a report beside the study is about all schemes")
        refuse(options, ("anonymous",), "a report beside the study is of runs as they are: share them first")
        if not hooks.report_beside_study(options.run):
            raise UsageError("--study: no study is installed here (bench/studies)")
        return 0
    if len(options.run) > 1:
        raise UsageError("a report is about one run: give one folder, or add --study")
    chosen = ReportChoices(options.reference, options.scheme, options.anonymous)
    report_run(options.run[0], chosen, verbose=options.verbose, read=options.read_timeline)
    return 0


@dataclass(frozen=True)
class ReportChoices:
    """What a user chose of a report. ``reference``: None for that of the run; ``scheme``: what the first screen
    explains, None for the slowest; ``anonymous``: without host, user, folders and secrets."""

    reference: str | None = None
    scheme: str | None = None
    anonymous: bool = False


_NOTHING_CHOSEN = ReportChoices()


def unwritable(folder: Path, error: OSError) -> StorageError:
    """What to say where a report cannot be written to ``folder``."""
    what = f"{Path(error.filename).name}: {error.strerror}" if error.filename else str(error.strerror or error)
    return StorageError(
        f"cannot write the report to {folder} ({what}); its records are kept: {remedy(error)}, then run "
        f"{quoted('report', folder)}"
    )


def asked_reference(asked: str | None, records: Sequence[Record]) -> str | None:
    """The scheme that a user chose to compare with, None where nobody chose. Raises UsageError for one without
    records."""
    if asked is None:
        return None
    known = dict.fromkeys(record.case.scheme for record in records if record.case.workload != "machine")
    if asked not in known:
        raise UsageError(f"--reference: no record has the scheme {asked!r}; choose from {', '.join(known) or 'none'}")
    return asked


def report_run(
    folder: Path,
    chosen: ReportChoices = _NOTHING_CHOSEN,
    *,
    reference: str | None = None,
    verbose: bool = False,
    read: ReadTrace | None = None,
    before: Sequence[Passage] = (),
) -> None:
    """Write report.md, report.html and figures/, and print what they say: in short, or with all their tables.
    ``reference``, ``read``: as for ``build_run``; ``before``: what the verb itself has to say first."""
    from bench.report.console import console as make_console
    from bench.report.short import Passage, print_brief
    from bench.report.terminal import print_built, print_finding_line, print_written

    report = build_run(folder, reference, read, chosen)
    written = write_run(folder, report)
    console = make_console()
    if verbose:
        for part in before:
            part.show(console)
        print_built(report, console)
        print_written(written, console)
    else:
        found = [each.finding for section in report.sections for each in section.findings]
        before = (*before, *(Passage(partial(print_finding_line, one)) for one in found if one.code == UNFINISHED))
        tables = command("report", folder, *_again(folder, chosen, reference), "-v")
        print_brief(report.answer, report.headlines, found, console, tables, report.not_measured, written, before)


def _again(folder: Path, chosen: ReportChoices, reference: str | None) -> tuple[str, ...]:
    """The options that make this report again: what was chosen, and a reference that is not the planned one, which a
    report is about where nobody says."""
    reference = chosen.reference or reference
    return (
        *(("--reference", reference) if reference is not None and reference != plan_of(folder).reference else ()),
        *(("--scheme", chosen.scheme) if chosen.scheme else ()),
        *(("--anonymous",) if chosen.anonymous else ()),
    )


def write_run(folder: Path, report: Report) -> Sequence[Path]:
    """Write the report of a run folder; the paths written. Raises StorageError where it cannot be written."""
    from bench.report.page import write

    try:
        return write(folder, report)
    except OSError as error:
        raise unwritable(folder, error) from error


def build_run(
    folder: Path,
    reference: str | None = None,
    read: ReadTrace | None = None,
    chosen: ReportChoices = _NOTHING_CHOSEN,
) -> Report:
    """The report of a run folder, not yet written. ``reference``: what the schemes are compared with where no user
    chose, None: the planned one, or fp16 for records without a plan; ``read``: reads a trace, None: none is read.

    Raises RecordError for a folder without records, UsageError for a chosen reference without records and for a chosen
    scheme that is not set against the reference in the first setting.
    """
    from bench.analysis.recorded_steps import recorded_steps
    from bench.report.analysed import analyse
    from bench.report.answer import first_setting
    from bench.report.build import build
    from bench.verbs.planned import commands

    read = read and read_once(read)
    loaded = classified(folder, read)
    if not loaded.records:
        raise RecordError(f"{folder} holds no records yet: run {quoted('run --resume --out', folder)}")
    planned, missing = plan_of(folder), unfinished(folder, loaded.records)
    reference = asked_reference(chosen.reference, loaded.records) or reference or planned.reference
    if chosen.anonymous:
        names = anonymiser(folder, loaded.records)
        called = Path(names.words(folder.resolve().name))
        missing = unfinished(folder, loaded.records, called)
        made = (anonymous_record(one, names) for one in loaded.records)
        loaded = Loaded(tuple(replace(one, artifacts=_undrawn(one.artifacts)) for one in made), loaded.findings)
        planned = replace(planned, asked=tuple(names.document(each) for each in planned.asked))
        folder = called
    extra = (*missing, *_doubts(loaded.records), *loaded.findings)
    analysed = analyse(loaded.records, extra, reference=reference, asked=planned.asked)
    other = None if reference == planned.reference else reference
    pairs = first_setting(analysed.explanation.pairs)
    known = dict.fromkeys(pair.scheme for pair in pairs)
    if chosen.scheme is not None and chosen.scheme not in known:
        raise UsageError(
            f"--scheme: {chosen.scheme!r} is not set against {reference} in the setting that the report begins with; "
            f"choose from {', '.join(known) or 'none'}"
        )
    # A trace holds names of its own, as a drawing does, so that an anonymous report neither draws nor links one.
    draws = pairs and read and not chosen.anonymous
    steps = recorded_steps(analysed.parts[0].records, folder, pairs[0].setting, read) if draws else None
    return build(analysed, commands(folder, loaded.records, planned.preset, other), steps, chosen.scheme)


def _undrawn(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """Less the drawings: their frames name folders, and they are shown as the observer drew them."""
    return tuple(one for one in artifacts if not one.path.endswith(".svg"))


def _doubts(records: Sequence[Record]) -> tuple[Finding, ...]:
    """What the state of each node before its first measurement gives reason to doubt."""
    first: dict[str, Environment] = {}
    for record in records:
        first.setdefault(node_of(record.environment), record.environment)
    return on_nodes({node: unfit(machine, machine.before) for node, machine in first.items()})
