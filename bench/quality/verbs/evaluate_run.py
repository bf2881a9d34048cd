"""``python -m bench evaluate RUN_DIR``: judge what a run's arms wrote, here or on another machine than it ran on."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from bench.instruments import environment
from bench.quality.answers import Kept
from bench.quality.answers import folder as folder_of_answers
from bench.quality.of_run import Judging, judge, not_judged, waiting
from bench.quality.sandbox import INSTALL, NoSandboxError, Sandbox, accepted, find
from bench.quality.verbs.judging import judging
from bench.record.errors import MachineError, UsageError
from bench.record.instruments import SAMPLES
from bench.record.schema import Environment, Finding, Record
from bench.record.store import Writer, load, open_run
from bench.record.suggested import command
from bench.report.console import console as make_console
from bench.verbs.report import report_run


def main(options: argparse.Namespace) -> int:
    """Judge, file, report."""
    folder: Path = options.samples
    records = load(folder).records
    left = waiting(records)
    if not any(record.instrument == SAMPLES for record in records):
        raise UsageError(f"{folder} holds no samples: run a preset with pass@1, such as smoke or paper")
    sandbox = find(options.no_sandbox, without=accepted(options.sandbox_without))
    if left:
        with open_run(folder) as writer:
            kept = None if options.no_sandbox else Kept(folder_of_answers(), sandbox.limits)
            _file(left, writer, sandbox, options.workers, _judging(left, options.argv), kept)
    report_run(folder, verbose=options.verbose, read=options.read_timeline)
    return 0


def before_run(instruments: Collection[str]) -> tuple[Finding, ...]:
    """A warning where a run writes programs and no sandbox can be had. Its message is one line."""
    if SAMPLES not in instruments:
        return ()
    try:
        find(unprotected=False)
    except MachineError as error:
        # Other errors say what to do about what they are: to install bubblewrap is of no use then.
        why, remedy = (error.why, INSTALL) if isinstance(error, NoSandboxError) else (str(error), "")
        message = f"programs will be written and not judged: {why}. Judge them later: {command('evaluate RUN_FOLDER')}"
        return (Finding("not-judged", "warning", message, remedy=remedy),)
    return ()


def after_run(writer: Writer, machine: Environment, argv: tuple[str, ...], workers: int) -> None:
    """Judge what this run's arms wrote; where no sandbox can be had, a skipped Record says so."""
    left = waiting(load(writer.folder).records)
    if not left:
        return
    by = Judging(left[0].run_id, argv, machine)
    try:
        sandbox = find(unprotected=False)
    except MachineError as error:
        for record in left:
            writer.append(not_judged(record, f"{error}; then: {command('evaluate RUN_FOLDER')}", by))
        return
    _file(left, writer, sandbox, workers, by, Kept(folder_of_answers(), sandbox.limits))


def _judging(records: Sequence[Record], argv: Sequence[str]) -> Judging:
    return Judging(records[0].run_id, tuple(argv), environment.capture(Path.cwd()))


def _file(
    records: Sequence[Record], writer: Writer, sandbox: Sandbox, workers: int, by: Judging, kept: Kept | None
) -> None:
    count = len({task_id for record in records for task_id in record.setup["tasks"]})
    console = make_console()
    console.print(f"judging the programs of {len(records)} arms on {count} tasks", highlight=False, markup=False)
    with judging(count, console, lines=4) as done:
        for record in judge(records, sandbox, workers, by, done, kept):
            writer.append(record)
