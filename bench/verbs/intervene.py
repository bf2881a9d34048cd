"""``python -m bench intervene``: each cause removed by its switch, the gain predicted first and then measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import commandline
from bench.commandline import each_once
from bench.instruments import environment
from bench.interventions.table import INTERVENTIONS, refuse_unknown
from bench.presets import EndToEnd
from bench.record.chain import PLAN
from bench.record.errors import UsageError
from bench.record.files import RUNS, refuse_foreign, unused
from bench.record.schema import Environment
from bench.record.store import RECORDS, Writer, load, open_run, refuse_packed
from bench.record.suggested import quoted
from bench.run import intervening, runner
from bench.run.intervening import InterventionPlan, Predictor
from bench.run.plan import Block, remaining
from bench.run.processes import ForkServer, Start
from bench.schemes import arm
from bench.schemes.variants import compiles, has_adapter
from bench.verbs.planning import setting
from bench.verbs.progress import make_progress
from bench.verbs.report import report_run
from bench.verbs.resuming import refuse_other_machine, tell_other_software
from bench.verbs.shared_options import add_no_report, add_verbose
from bench.workloads.sources import Source

DEFAULT = ("int8", "nf4")


EXAMPLES = """
intervene --out reports/runs/mine
intervene --schemes int8,nf4 --batch-sizes 4,8
intervene --schemes nf4-dq --only double-quant-off,bare-op
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("--out", type=Path, help="run folder to add to; its model and preset are used (default: a new one)")
    add("--preset", help="without a run: whose setting to use (default: quick with a GPU, else smoke)")
    add("--model", help="without a run: smoke, shape:NAME, a local folder, or a Hugging Face id")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--schemes", type=each_once, metavar="A,B", help="arms to intervene on (default: the reference, int8, nf4)")
    add_no_report(parser)
    add("--only", type=each_once, metavar="A,B", help=f"only these interventions (see {quoted('list')})")
    add("--reference", metavar="SCHEME", help="what the arms are compared with (default: the run's)")
    add("--at-batch", type=commandline.BATCH, metavar="N", help="batch size of the arms (default: the run's first)")
    add("--at-cache", choices=("dynamic", "static"), help="key-value cache of the arms (default: the run's first)")
    add(
        "--batch-sizes",
        type=commandline.numbers(commandline.BATCH),
        metavar="N,N",
        help="batch sizes to sweep, of 2, 4, 6, 8, 16, 32, 64",
    )
    add("--new-tokens", type=commandline.TOKENS, metavar="N", help="new tokens per sequence")
    add("--calls", type=commandline.COUNT, metavar="N", help="timed generate calls per process")
    add("--repeats", type=commandline.REPEATS, metavar="N", help="fresh processes per intervention")
    add("--threads", type=commandline.THREADS, metavar="N", help="CPU threads of torch (default: the preset's)")
    add("--seed", type=commandline.SEED, help="seed of weights, prompts and orders (default: the run's, or 0)")
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Exit code 1 where some Cases failed."""
    refuse_unknown(options.only or ())
    for size in options.batch_sizes or ():
        if f"batch-{size}" not in INTERVENTIONS:
            sizes = ", ".join(name.removeprefix("batch-") for name in INTERVENTIONS if name.startswith("batch-"))
            raise UsageError(f"batch size {size} is no intervention: choose from {sizes}")
    for scheme in options.schemes or ():
        arm(scheme)
    if options.out:
        refuse_foreign(options.out)
        refuse_packed(options.out)
        _refuse_another(options)
    machine = environment.capture(Path.cwd())
    with ForkServer(gpu=bool(machine.gpus)) as fork_server:
        return _run(options, machine, fork_server)


def _refuse_another(options: argparse.Namespace) -> None:
    """Raises UsageError where the folder's run is given another preset or model than its own."""
    for name in ("preset", "model"):
        if getattr(options, name) and (options.out / PLAN).exists():
            raise UsageError(f"--{name} is that of the run in --out: leave it out, or give another folder")


def _run(options: argparse.Namespace, machine: Environment, fork_server: ForkServer) -> int:
    found = setting(options, machine, "intervene-", fork_server.start)
    preset, source, device, run_id = found.preset, found.source, found.device, found.run_id
    if options.reference:
        arm(options.reference)
        preset = replace(preset, reference=options.reference)
    schemes = tuple(dict.fromkeys((preset.reference, *(options.schemes or DEFAULT))))
    sweep = _sweep(options, preset.sweeps[0])
    _refuse_variants(schemes, source, sweep)
    folder = options.out or unused(RUNS / run_id)
    names = {
        scheme: intervening.names_for(scheme, device, options.only or (), options.batch_sizes or ())
        for scheme in schemes
    }
    with open_run(folder) as writer:
        recorded = load(folder).records if (folder / RECORDS).exists() else ()
        refuse_other_machine(recorded, machine)
        tell_other_software(recorded, machine)
        observed = frozenset(r.case.scheme for r in recorded if r.instrument == "kineto" and r.artifacts)
        threads = options.threads or preset.threads
        plan = intervening.make_plan(sweep, source, device, found.seed, names, observed, threads)
        _without_effect(options.only or (), plan, schemes, device)
        context = runner.Context(run_id, options.argv, machine, writer.folder, options.debug)
        failed = _measure(plan, writer, context, fork_server.start, Predictor(
            writer.folder, run_id, options.argv, machine, options.read_timeline, preset.reference
        ))  # fmt: skip
    if not options.no_report:
        report_run(folder, reference=preset.reference, verbose=options.verbose, read=options.read_timeline)
    return 1 if failed else 0


def _refuse_variants(schemes: Sequence[str], source: Source, sweep: EndToEnd) -> None:
    """Raises UsageError for a scheme with an adapter where the run has none, or compiled steps over another cache than
    a static one."""
    for name in schemes:
        if has_adapter(name) and not source.adapter:
            raise UsageError(
                f"scheme {name} needs an adapter: measure it with {quoted('run --adapter FOLDER')}, then give that "
                "run's folder as --out"
            )
        if compiles(name) and sweep.caches[0] != "static":
            raise UsageError(f"{name}: a step is compiled over a static cache only: add --at-cache static")


def _without_effect(only: Sequence[str], plan: InterventionPlan, schemes: Sequence[str], device: str) -> None:
    """Says which interventions that were asked for change none of the arms. Raises UsageError where none is left."""
    planned = {name for block in plan.blocks for name in str(block.requests[0].case.intervention).split("+")}
    idle = [name for name in only if name not in planned]
    message = f"{', '.join(idle)}: without effect on {', '.join(schemes)} on {device}, so not measured"
    if idle and len(idle) == len(only):
        raise UsageError(f"{message}: choose other --schemes, or see {quoted('list')}")
    if idle:
        print(f"bitledger: {message}", file=sys.stderr)


def _sweep(options: argparse.Namespace, sweep: EndToEnd) -> EndToEnd:
    changes = {"new_tokens": options.new_tokens, "calls": options.calls, "repeats": options.repeats}
    changed = replace(sweep, **{name: value for name, value in changes.items() if value is not None})
    if options.at_batch:
        changed = replace(changed, batch_sizes=(options.at_batch,))
    if options.at_cache:
        changed = replace(changed, caches=(options.at_cache,))
    if min(changed.calls, changed.repeats) < 1 or changed.new_tokens < 4:
        raise UsageError("--calls and --repeats must be at least 1, --new-tokens at least 4")
    return changed


def _measure(
    plan: InterventionPlan, writer: Writer, context: runner.Context, start: Start, predictor: Predictor
) -> int:
    """Timelines, predictions, interventions; returns how many Records failed. Nothing recorded is measured again."""
    failed = _blocks(plan.timelines, "timelines of the unchanged arms", writer, context, start)
    records = load(writer.folder).records
    for record in predictor.predictions(records, intervening.unforetold(records, plan.cases)):
        writer.append(record)
    return failed + _blocks(plan.blocks, "interventions, each beside the unchanged arm", writer, context, start)


def _blocks(blocks: Sequence[Block], headline: str, writer: Writer, context: runner.Context, start: Start) -> int:
    done = runner.records_done(load(writer.folder).records, retry_failed=True)
    left = remaining(blocks, done)
    if not left:
        return 0
    noticed = environment.unfit(context.environment, environment.state(writer.folder))
    with make_progress(left, f"{headline}: {len(left)} blocks", noticed) as progress:
        outcome = runner.run_blocks(left, writer, context, progress.start, progress.record, progress.end, start)
    return outcome.counts["failed"]
