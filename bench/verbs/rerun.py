"""``python -m bench rerun RUN_DIR``: measure again what a run measured, from its plan, and set the two side by side."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.analysis.repeated import differences, other_commands, outputs
from bench.commandline import WORKERS
from bench.instruments import environment
from bench.record.errors import MachineError, RecordError, UsageError
from bench.record.files import RUNS, refuse_taken, unused
from bench.record.schema import Environment, Record
from bench.record.store import load, open_run
from bench.record.suggested import again, command
from bench.report.console import console as make_console
from bench.report.short import SAME_WITH_V, Passage, line, print_parts
from bench.report.terminal import print_command
from bench.run.planfile import Run, new_run_id, read_plan, read_planned, write_plan
from bench.run.processes import ForkServer
from bench.verbs.report import report_run
from bench.verbs.run import measure
from bench.verbs.shared_options import add_no_report, add_verbose, run_folder

EXAMPLES = """
rerun reports/runs/mine
rerun reports/runs/h100-starcoder2-3b-20261126 --out reports/runs/again --dry-run
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("run", type=Path, help="run folder to repeat")
    add("--out", type=Path, help="run folder (default: reports/runs/<run-id>)")
    add("--dry-run", action="store_true", help="say what would be repeated and what differs, and measure nothing")
    add("--workers", type=WORKERS, default=2, metavar="N", help="programs judged at the same time (default 2)")
    add_no_report(parser)
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Repeat the run. Exit code 1 where Cases failed."""
    machine = environment.capture(Path.cwd())
    with ForkServer(gpu=bool(machine.gpus)) as fork_server:
        return repeat(options, machine, fork_server)


def repeat(options: argparse.Namespace, machine: Environment, fork_server: ForkServer) -> int:
    """The same blocks in the same order with the same seed, into a new folder."""
    old = run_folder(options.run)
    before = read_plan(old)
    records = load(old).records
    run = replace(before, run_id=new_run_id(before.preset.name, before.source, "rerun-"), repeats=before.run_id)
    new = options.out or unused(RUNS / run.run_id)
    if new.resolve() == old.resolve():
        raise UsageError("--out is the run itself: a repeat goes into a folder of its own")
    _show(_planned_passages(records, machine, run), options)
    if options.dry_run:
        return 0
    if run.device == "cuda" and not machine.gpus:
        raise MachineError(f"{old} ran on a GPU, and here is none: repeat it where there is one")
    refuse_taken(new)
    with open_run(new) as writer:
        refuse_taken(new)
        write_plan(new, run)
        silent = argparse.Namespace(**vars(options) | {"no_report": True})
        code = measure(run, run.blocks, writer, machine, silent, fork_server)
    passages = _comparison_passages(old, new, records)
    if options.no_report:
        _show(passages, options)
    else:
        report_run(new, verbose=options.verbose, read=options.read_timeline, before=passages)
    return code


def _show(parts: Sequence[Passage], options: argparse.Namespace) -> None:
    print_parts(parts, make_console(), f"All that differs: {SAME_WITH_V}", whole=options.verbose)


def _planned_passages(records: Sequence[Record], machine: Environment, run: Run) -> list[Passage]:
    """What is repeated, and what is not as it was: hardware first, packages last."""
    count = sum(len(block.requests) for block in run.blocks)
    parts = [line(f"repeats {run.repeats}: {run.preset.name}, {count} records in {len(run.blocks)} blocks")]
    found = differences(records[0].environment, machine) if records else ()
    parts += [line(f"differs: {text}", place, "difference") for place, text in enumerate(found, 1)]
    if records and not found:
        parts.append(line("nothing recorded of machine and software differs"))
    return parts


def _comparison_passages(old: Path, new: Path, before: Sequence[Record]) -> list[Passage]:
    after = load(new).records
    planned = (read_planned(old), read_planned(new))
    known = {record.key for record in after}
    keys = [plan.keys for plan in planned if plan]
    if keys[0] != keys[-1]:
        raise RecordError(f"{new} does not hold the plan of {old}: its plan was changed meanwhile")
    parts = [line(f"{sum(key in known for key in keys[0])} of {len(keys[0])} records repeated, of the same Cases")]
    found = outputs(before, after)
    if found.same or found.other:
        parts.append(line(f"tokens: {found.same} of {found.same + len(found.other)} records gave the same"))
    parts += [line(f"other tokens: {text}", _OTHER_TOKENS, "record with other tokens") for text in found.other]
    if found.untold:
        parts.append(line(f"tokens: {found.untold} records of the earlier run do not tell theirs"))
    for argv in other_commands(before, keys[0]):
        again_ = f"not in its plan, repeat with: {shlex.join(again(_into(argv, old, new)))}"
        parts.append(Passage(partial(print_command, again_), _OTHER_TOKENS, "command that the plan lacks"))
    return [*parts, Passage(partial(print_command, f"next: {command('compare', old, new)}"))]


# Before what the new run says of itself.
_OTHER_TOKENS = 4


def _into(argv: Sequence[str], old: Path, new: Path) -> list[str]:
    """The command line with the new folder in the place of the old one, however that was called then."""
    names = {str(old), str(old.resolve()), old.name}
    folder = ("--out", "evaluate")
    return [
        str(new) if place and (text.rstrip("/") in names or argv[place - 1] in folder) else text
        for place, text in enumerate(argv)
    ]
