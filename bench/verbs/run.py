"""``python -m bench run``: plan, measure, report."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from bench.cluster.folder import is_sweep
from bench.cluster.options import refuse_stray
from bench.cluster.verbs import sweep
from bench.instruments import environment
from bench.quality.verbs.evaluate_run import after_run
from bench.record.errors import UsageError
from bench.record.instruments import TRY
from bench.record.outputs import refuse_taken, unused
from bench.record.schema import Environment, Record
from bench.record.store import Writer, load, open_run
from bench.run import runner
from bench.run.intervening import Predictor, foreseeable, unforetold
from bench.run.plan import Block, make_plan, remaining
from bench.run.planfile import Run, new_run_id, read_plan, write_plan
from bench.run.processes import Nursery
from bench.run.trying import with_tries
from bench.verbs.planning import asked
from bench.verbs.progress import make_progress
from bench.verbs.report import report_run
from bench.verbs.same_machine import refuse_other_machine, tell_other_software

RUNS = Path("reports/runs")


def main(options: argparse.Namespace) -> int:
    """Measure, or finish measuring, and report. Exit code 1 where Cases failed."""
    refuse_stray(options)
    if options.on or options.watch or options.cancel or (options.out and is_sweep(options.out)):
        return sweep.main(options)
    machine = environment.capture(Path.cwd())
    with Nursery(gpu=bool(machine.gpus)) as nursery:
        return _main(options, machine, nursery)


def _main(options: argparse.Namespace, machine: Environment, nursery: Nursery) -> int:
    if options.resume:
        return _resume(options, machine, nursery)
    folder_given: Path | None = options.out
    if folder_given is not None:
        refuse_taken(folder_given)
    run = _plan(options, machine, nursery)
    folder = folder_given or unused(RUNS / run.run_id)
    with open_run(folder) as writer:
        refuse_taken(folder)  # again: another run may have begun, and ended, while this one was planned
        write_plan(folder, run)
        return measure(run, run.blocks, writer, machine, options, nursery)


def _plan(options: argparse.Namespace, machine: Environment, nursery: Nursery) -> Run:
    name = options.preset
    has_gpu = options.device != "cpu" and bool(machine.gpus)
    if name == "auto":
        name = "quick" if has_gpu else "smoke"
    run = _plan_preset(name, options, nursery)
    if options.preset == "auto" and name == "quick" and run.device == "cpu":
        print(
            "bitledger: a GPU is here, but this torch build cannot use it (see 'python -m bench doctor'): preset smoke"
        )
        run = _plan_preset("smoke", options, nursery)
    return run


def _plan_preset(name: str, options: argparse.Namespace, nursery: Nursery) -> Run:
    found = asked(name, options, nursery)
    planned = make_plan(found.preset, found.source, found.layers, found.device, options.seed, found.beside)
    blocks = with_tries(found.preset, planned)
    run_id = new_run_id(name, found.source)
    return Run(run_id, found.preset, found.source, found.device, options.seed, blocks, found.beside)


def _resume(options: argparse.Namespace, machine: Environment, nursery: Nursery) -> int:
    if options.out is None:
        raise UsageError("--resume needs --out FOLDER: the run to finish")
    run = read_plan(options.out)
    with open_run(options.out) as writer:
        recorded = load(options.out).records
        done = runner.records_done(recorded, retry_failed=options.retry_failed)
        refuse_other_machine(recorded, machine)
        left = remaining(run.blocks, done)
        tell_other_software(recorded, machine)
        for finding in writer.findings:
            print(f"{finding.severity}: {finding.message}")
        kept, blocks = len(recorded), len(run.blocks)
        print(f"resuming {options.out}: {kept} records are there, {len(left)} of {blocks} blocks are left")
        return measure(run, left, writer, machine, options, nursery)


def measure(
    run: Run,
    blocks: tuple[Block, ...],
    writer: Writer,
    machine: Environment,
    options: argparse.Namespace,
    nursery: Nursery,
) -> int:
    context = runner.Context(run.run_id, options.argv, machine, writer.folder, options.debug)
    noticed = environment.unfit(machine, environment.state(writer.folder))
    with make_progress(blocks, _headline(run), noticed) as progress:
        foretell = partial(_foretold, writer=writer, predictor=_predictor(run, writer, machine, options))
        outcome = runner.run_blocks(
            blocks, writer, context, progress.start, progress.record, progress.end, nursery.start, foretell
        )
    after_run(writer, machine, options.argv, options.workers)
    if not options.no_report:
        report_run(writer.folder, reference=run.preset.reference, verbose=options.verbose)
    failed = outcome.counts["failed"]
    return 1 if failed else 0


def _predictor(run: Run, writer: Writer, machine: Environment, options: argparse.Namespace) -> Predictor:
    return Predictor(writer.folder, run.run_id, options.argv, machine, options.read_timeline, run.preset.reference)


def _foretold(block: Block, *, writer: Writer, predictor: Predictor) -> tuple[Record, ...]:
    """What replay predicts of all that a block is about to try, unless it stands in the folder already."""
    tried = [request.case for request in block.requests if request.instrument == TRY and foreseeable(request.case)]
    if not tried:
        return ()
    records = load(writer.folder).records
    wanted = unforetold(records, tried)
    try:
        return tuple(predictor.predictions(records, wanted)) if wanted else ()
    except Exception as error:  # a prediction that nobody can make must not cost the run
        return tuple(predictor.without(case, "failed", f"{type(error).__name__}: {error}") for case in wanted)


def _headline(run: Run) -> str:
    models = " beside ".join(f"{source.name} ({source.label})" for source in (run.source, *run.beside))
    return f"{run.preset.name}: {models} on {run.device}, {len(run.blocks)} blocks"
