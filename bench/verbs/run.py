"""``python -m bench run``: plan, measure, report."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench import commandline, hooks
from bench.commandline import each_once, layer_sets, names
from bench.instruments import environment
from bench.record import anonymous
from bench.record.errors import UsageError
from bench.record.files import RUNS, refuse_taken, unused
from bench.record.instruments import TRY
from bench.record.schema import Environment, Record, environment_of
from bench.record.store import Writer, load, open_run
from bench.record.suggested import quoted
from bench.run import runner
from bench.run.intervening import Predictor, foreseeable, unforetold, with_tries
from bench.run.plan import Block, make_plan, remaining
from bench.run.planfile import Run, new_run_id, read_plan, write_plan
from bench.run.processes import ForkServer
from bench.verbs.planning import AUTO, preset_for, resolve_request, tell_unusable_gpu
from bench.verbs.progress import make_progress
from bench.verbs.report import report_run
from bench.verbs.resuming import refuse_other_machine, refuse_other_plan, tell_other_software
from bench.verbs.shared_options import add_anonymous, add_no_report, add_verbose, refuse, refuse_together
from bench.workloads.prompts import CHAT
from bench.workloads.sources import Source

EXAMPLES = """
run
run --preset smoke --out reports/runs/mine
run --preset quick --model shape:starcoder2-7b --schemes fp16,int8,nf4
run --resume --out reports/runs/mine
run --on slurm --partition gpu --repeats 10 --watch --out reports/runs/mine
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("--preset", default=AUTO, help="what to measure (default: quick with a usable GPU, else smoke)")
    add("--model", help="smoke, shape:NAME, a local folder, or a Hugging Face id (default: the preset's)")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--out", type=Path, help="run folder (default: reports/runs/<run-id>)")
    add("--resume", action="store_true", help="finish the run in --out; nothing recorded is repeated")
    add("--retry-failed", action="store_true", help="with --resume: measure failed Cases again")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--schemes", type=each_once, metavar="A,B", help="only these schemes")
    add("--batch-sizes", type=commandline.numbers(commandline.BATCH), metavar="N,N", help="batch sizes of every sweep")
    add("--caches", type=each_once, metavar="KIND,KIND", help="dynamic and/or static key-value cache")
    add("--reference", metavar="SCHEME", help="what the others are compared with (default: the preset's)")
    add("--no-tries", dest="tries", action="store_const", const=(), help="leave out the cheap remedies that are tried")
    add("--new-tokens", type=commandline.TOKENS, metavar="N", help="new tokens per sequence")
    add(
        "--prompt-tokens",
        dest="prompt_lengths",
        type=commandline.numbers(commandline.COUNT),
        metavar="N,N",
        help="prompts of exactly so many tokens (default: texts as they are, 128 random ones)",
    )
    add("--prompt", metavar="FILE|TEXT", help="a prompt of your own, in every row and call (default: HumanEval's)")
    add("--prompts", choices=("humaneval", "random"), help="random: token ids drawn at random, for want of a tokenizer")
    add(
        "--prompt-style",
        metavar="STYLE",
        help="how HumanEval's prompts are given: stripped (default), as-is, evalplus (stripped and a newline), chat",
    )
    add("--adapter", metavar="FOLDER", help="a PEFT adapter: arms with it beside their weights, and merged into them")
    add("--compile", action="store_true", help="also arms whose decode steps torch.compile makes, with a static cache")
    add("--beside", type=names, metavar="A,B", help="checkpoints to measure beside --model, such as pruned ones")
    add(
        "--tasks",
        type=commandline.COUNT_OR_NONE,
        metavar="N",
        help="HumanEval+ tasks for pass@1 (0: none; default: the preset's)",
    )
    add(
        "--workers",
        type=commandline.WORKERS,
        default=2,
        metavar="N",
        help="programs judged at the same time (default 2)",
    )
    add(
        "--drop-layers",
        dest="dropped_layers",
        type=layer_sets,
        metavar="SET;SET",
        help="decoder layers to remove, such as 4-5, last:2 or 0;last:1 (the timed sweeps run once for each set)",
    )
    add(
        "--energy-seconds",
        type=commandline.SECONDS,
        metavar="S",
        help="length of an energy window (default: the preset's)",
    )
    add("--calls", type=commandline.COUNT, metavar="N", help="timed generate calls per process")
    add(
        "--repeats",
        type=commandline.REPEATS,
        metavar="N",
        help="fresh processes per Case; with --resume: more blocks for a sweep",
    )
    add(
        "--matmul-m",
        type=commandline.ROWS_OR_NONE,
        metavar="N,N",
        help="rows (M) of the layer products; an empty list for none",
    )
    add("--matmul-seconds", type=commandline.SECONDS, metavar="S", help="time limit of one matmul point")
    add(
        "--threads",
        type=commandline.THREADS,
        metavar="N",
        help="CPU threads of torch (default: the preset's; smoke uses one)",
    )
    add("--annotate", action="store_true", default=None, help="NVTX ranges in timed runs (off for figures)")
    add_no_report(parser)
    add_anonymous(parser, "what is written")
    add("--country", metavar="ISO", help="country for CodeCarbon's carbon intensity (three letters)")
    add("--seed", type=commandline.SEED, default=0, help="seed of weights, prompts and orders (default 0)")
    hooks.add_run_options(parser)
    add_verbose(parser)


def main(options: argparse.Namespace) -> int:
    """Measure, or finish measuring, and report. Exit code 1 where Cases failed."""
    refuse_contradictions(options)
    elsewhere = hooks.run_elsewhere(options)
    if elsewhere is not None:
        return elsewhere
    machine = environment.capture(Path.cwd())
    with ForkServer(gpu=bool(machine.gpus)) as fork_server:
        return _main(options, machine, fork_server)


def refuse_contradictions(options: argparse.Namespace) -> None:
    """Raises UsageError for options that exclude each other, or that would do nothing."""
    refuse_together(options, "cancel", ("resume", "watch"), "cancel first, then go on with --resume")
    if not options.resume:
        refuse(options, ("retry_failed",), "only a run that goes on has failed Cases: add --resume")
    if options.anonymous:
        refuse(options, ("on",), "a sweep is made anonymous when it is gathered: leave it out, and gather --anonymous")
    if options.prompts == "random":
        refuse(options, ("prompt_style",), "random token ids have no style: leave it, or --prompts, out")
    if options.prompt is not None:
        refuse(options, ("prompts", "prompt_style"), "your own prompt is given as it is: leave it, or --prompt, out")
    if options.prompt_style == CHAT:
        refuse(options, ("prompt_lengths",), "a chat cannot be cut: leave it out, or choose another --prompt-style")
    if options.matmul_m == ():
        refuse(options, ("matmul_seconds",), "no layer product is measured: leave it, or --matmul-m, out")


def _main(options: argparse.Namespace, machine: Environment, fork_server: ForkServer) -> int:
    if options.resume:
        return _resume(options, machine, fork_server)
    folder_given: Path | None = options.out
    if folder_given is not None:
        refuse_taken(folder_given)
    run = _plan(options, machine, fork_server)
    folder = folder_given or unused(RUNS / run.run_id)
    if options.anonymous:
        refuse_whole_paths(run.source, *run.beside)
    with open_run(folder) as writer:
        refuse_taken(folder)  # again: another run may have begun, and ended, while this one was planned
        if options.anonymous:
            anonymous.begin(folder)
        write_plan(folder, run)
        return measure(run, run.blocks, writer, machine, options, fork_server)


def refuse_whole_paths(*sources: Source) -> None:
    """Raises UsageError for a model or an adapter by a path from the root: its name is part of every Case."""
    for name in (name for source in sources for name in (source.name, source.adapter)):
        if Path(name).is_absolute() or name.startswith("~"):
            raise UsageError(
                f"--anonymous: {name} would be named in every Case: give it relative to the folder that you run "
                f"in, or leave --anonymous out and {quoted('share')} the run afterwards"
            )


def anonymous_machine(folder: Path, machine: Environment) -> Environment:
    """The machine as an anonymous run's Records know it; as it is for any other run."""
    names = anonymous.of_folder(folder)
    return environment_of(names.environment(asdict(machine))) if names else machine


def _plan(options: argparse.Namespace, machine: Environment, fork_server: ForkServer) -> Run:
    name = preset_for(options.preset, has_gpu=options.device != "cpu" and bool(machine.gpus))
    run = _plan_preset(name, options, fork_server)
    if tell_unusable_gpu(machine, options.device, run.device) and options.preset == AUTO:
        run = _plan_preset("smoke", options, fork_server)
    return run


def _plan_preset(name: str, options: argparse.Namespace, fork_server: ForkServer) -> Run:
    found = resolve_request(name, options, fork_server)
    planned = make_plan(found.preset, found.source, found.layers, found.device, options.seed, found.beside)
    blocks = with_tries(found.preset, planned)
    run_id = new_run_id(name, found.source)
    return Run(run_id, found.preset, found.source, found.device, options.seed, blocks, found.beside)


def _resume(options: argparse.Namespace, machine: Environment, fork_server: ForkServer) -> int:
    if options.out is None:
        raise UsageError("--resume needs --out FOLDER: the run to finish")
    run = read_plan(options.out)
    if options.anonymous and not anonymous.of_folder(options.out):
        raise UsageError(
            f"{options.out} was not begun with --anonymous: finish it, then {quoted('share', options.out)}"
        )
    machine = anonymous_machine(options.out, machine)
    refuse_other_plan(options, run)
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
        return measure(run, left, writer, machine, options, fork_server)


def measure(
    run: Run,
    blocks: tuple[Block, ...],
    writer: Writer,
    machine: Environment,
    options: argparse.Namespace,
    fork_server: ForkServer,
) -> int:
    """Measure these blocks of the run, judge what was written, and report. Returns the exit code: 1 where Cases
    failed."""
    machine = anonymous_machine(writer.folder, machine)
    context = runner.Context(run.run_id, options.argv, machine, writer.folder, options.debug)
    instruments = {request.instrument for block in blocks for request in block.requests}
    noticed = (*environment.unfit(machine, environment.state(writer.folder)), *hooks.before_run(instruments))
    with make_progress(blocks, _headline(run), noticed) as progress:
        foretell = partial(_foretold, writer=writer, predictor=_predictor(run, writer, machine, options))
        outcome = runner.run_blocks(
            blocks, writer, context, progress.start, progress.record, progress.end, fork_server.start, foretell
        )
    hooks.after_run(writer, machine, options.argv, options.workers)
    if not options.no_report:
        report_run(writer.folder, verbose=options.verbose, read=options.read_timeline)
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
