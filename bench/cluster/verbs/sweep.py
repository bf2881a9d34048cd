"""``python -m bench run --on slurm|local``: plan a sweep, have its blocks measured, watch it, cancel it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cluster import cluster, queue
from bench.cluster import folder as places
from bench.cluster.attempt import measure_block, records
from bench.cluster.blocks import Shares, divide
from bench.cluster.verbs.extending import extend
from bench.cluster.verbs.gather import gathered
from bench.cluster.verbs.on_node import OnNode, means
from bench.cluster.verbs.watching import watch
from bench.instruments import environment
from bench.record.errors import MachineError, StorageError, UsageError
from bench.record.files import RUNS, refuse_taken, unused
from bench.record.schema import Environment
from bench.record.store import refuse_packed, remedy, why
from bench.record.suggested import command
from bench.report.console import console as make_console
from bench.run import runner
from bench.run.plan import Block
from bench.run.planfile import Run, new_run_id, read_plan, read_planned
from bench.run.processes import ForkServer
from bench.verbs.planning import AUTO, Resolved, preset_for, resolve_request, tell_unusable_gpu
from bench.verbs.resuming import refuse_other_plan


def main(options: argparse.Namespace) -> int:
    """Plan or go on, measure here or submit, as asked. Exit code 1 where Cases failed or blocks are missing."""
    if options.cancel:
        return cancel(_folder(options))
    if not options.on:
        return _without_place(options)
    if options.on == "slurm":
        return _on_slurm(options)
    machine = environment.capture(Path.cwd())
    with ForkServer(gpu=bool(machine.gpus)) as fork_server:
        return _on_local(_planned(options, machine, fork_server), machine, options, fork_server)


def _folder(options: argparse.Namespace) -> Path:
    if options.out is None:
        raise UsageError("say which sweep: --out FOLDER")
    return Path(options.out)


def _without_place(options: argparse.Namespace) -> int:
    folder = _folder(options)
    places.read(folder)
    if options.watch:
        return _watched(folder, options)
    raise UsageError(f"{folder} is a sweep: say where to go on, --resume --on slurm or --resume --on local")


def _on_slurm(options: argparse.Namespace) -> int:
    wanted = cluster.options_of(options.cluster, vars(options))
    machine = environment.capture(Path.cwd())
    device = options.device or ("cpu" if wanted.gpus == 0 else "cuda")
    if options.dry_run:
        return _foretell(options, wanted, machine, device)
    with ForkServer(gpu=bool(machine.gpus)) as fork_server:
        folder = _planned(options, machine, fork_server, device)
    _submit(folder, wanted, options)
    return _watched(folder, options) if options.watch else 0


def _foretell(options: argparse.Namespace, wanted: cluster.Cluster, machine: Environment, device: str) -> int:
    """Print the batch scripts; how many blocks of how many processes they are of goes to stderr."""
    if options.resume:
        folder = _folder(options)
        places.read(folder)
        _refuse_another_plan(options, folder)
        jobs = len(_without_job(folder, options)[0])
    else:
        with ForkServer(gpu=bool(machine.gpus)) as fork_server:
            folder, _, parts = _divided_here(options, machine, fork_server, device)
        jobs = sum(len(part.shares) for part in parts)
    for script in cluster.scripts(folder.resolve() / places.SLURM, wanted, jobs):
        print(script)
    print(f"bitledger: {jobs} jobs would be submitted for {folder}; nothing was written", file=sys.stderr)
    return 0


def _planned(
    options: argparse.Namespace, machine: Environment, fork_server: ForkServer, device: str | None = None
) -> Path:
    """The sweep's folder: planned now, or before."""
    if options.resume:
        folder = _folder(options)
        places.read(folder)
        refuse_packed(folder)
        _refuse_another_plan(options, folder)
        with suppress(FileNotFoundError):
            (folder / places.CANCELLED).unlink()
        if options.repeats:
            make_console().print(f"{extend(folder, options.repeats, fork_server)} new blocks planned")
        return folder
    return plan(options, machine, fork_server, device)


def _refuse_another_plan(options: argparse.Namespace, folder: Path) -> None:
    """Raises UsageError for an option that asks for something else than the sweep was planned to measure; more
    ``--repeats`` are more blocks of the same."""
    models = {"model": options.models[0], "beside": options.models[1:]} if options.models else {}
    refuse_other_plan(argparse.Namespace(**vars(options) | models | {"repeats": None}), read_plan(folder))


def plan(options: argparse.Namespace, machine: Environment, fork_server: ForkServer, device: str | None) -> Path:
    """Write a new sweep's folder. Raises UsageError where it holds something already."""
    folder, run_id, parts = _divided_here(options, machine, fork_server, device)
    _write(folder, run_id, parts, options)
    count = sum(len(part.shares) for part in parts)
    processes = sum(len(share.processes) for part in parts for share in part.shares)
    make_console().print(f"planned {folder}: {count} blocks of {processes} processes", soft_wrap=True)
    return folder


def _divided_here(
    options: argparse.Namespace, machine: Environment, fork_server: ForkServer, device: str | None
) -> tuple[Path, str, list[_Part]]:
    """A new sweep's folder, which is not made yet, its id, and each model's blocks."""
    if options.models and (options.model or options.beside):
        raise UsageError("--models stands for --model, and goes without --beside")
    name = preset_for(
        options.preset, has_gpu=(device or options.device or ("cuda" if machine.gpus else "cpu")) == "cuda"
    )
    given: Path | None = options.out
    if given is not None:
        refuse_taken(given)
    found = _resolved(name, options, fork_server, device)
    if device is None and tell_unusable_gpu(machine, options.device, found[0].device) and options.preset == AUTO:
        name = "smoke"
        found = _resolved(name, options, fork_server, device)
    if len({one.source.name for one in found}) < len(found):
        raise UsageError("--models names a model twice")
    run_id = new_run_id(name, found[0].source, "sweep-")
    parts = [_Part(one, _divided(one, options.seed, first=one is found[0])) for one in found]
    return given or unused(RUNS / run_id), run_id, parts


def _resolved(name: str, options: argparse.Namespace, fork_server: ForkServer, device: str | None) -> list[Resolved]:
    """The preset of that name on each model."""
    return [resolve_request(name, options, fork_server, model, device) for model in options.models or (None,)]


@dataclass(frozen=True)
class _Part:
    """One model's blocks."""

    resolved: Resolved
    shares: tuple[Shares, ...]

    def run(self, run_id: str, seed: int, blocks: Sequence[Block]) -> Run:
        one = self.resolved
        return Run(run_id, one.preset, one.source, one.device, seed, tuple(blocks), one.beside)


def _divided(one: Resolved, seed: int, *, first: bool) -> tuple[Shares, ...]:
    return divide(one.preset, one.source, one.layers, one.device, seed, one.beside, ceilings=first)


def _write(folder: Path, run_id: str, parts: Sequence[_Part], options: argparse.Namespace) -> None:
    seed = options.seed
    shares = [(part, share) for part in parts for share in part.shares]
    runs = [part.run(run_id, seed, share.processes) for part, share in shares]
    whole = parts[0].run(run_id, seed, [block for run in runs for block in run.blocks])
    whole = replace(whole, beside=(*whole.beside, *(part.resolved.source for part in parts[1:])))
    names = tuple(share.name for _, share in shares)
    sweep = places.Sweep(run_id, tuple(options.argv), options.workers, names, whole.device)
    places.create(folder, sweep, whole, runs)


def _on_local(folder: Path, machine: Environment, options: argparse.Namespace, fork_server: ForkServer) -> int:
    """One block after the other, on this machine: two at a time would disturb each other."""
    made = means(folder, machine, fork_server, retry_failed=options.retry_failed, debug=options.debug)
    if places.read(folder).device == "cuda" and not machine.gpus:
        raise MachineError(f"{folder} is planned for a GPU, and here is none: go on where there is one")
    failed = 0
    for number in unfinished(folder, retry_failed=options.retry_failed):
        failed += measure_block(folder, number, made).get("failed", 0)
    return gathered(folder, report=not options.no_report, verbose=options.verbose, read=options.read_timeline) or (
        1 if failed else 0
    )


def unfinished(folder: Path, *, retry_failed: bool) -> list[int]:
    """The blocks that still miss Records, or whose attempts never said that they were through."""
    return [number for number in places.read(folder).numbers if not _finished(folder, number, retry_failed)]


def _finished(folder: Path, number: int, retry_failed: bool) -> bool:
    if not places.is_complete(places.states(folder, number)):
        return False
    planned = read_planned(places.block_folder(folder, number))
    done = runner.records_done(records(folder, number), retry_failed=retry_failed)
    return planned is not None and all(key in done for key in planned.keys)


def _submit(folder: Path, wanted: cluster.Cluster, options: argparse.Namespace) -> None:
    """A job for each block that is not finished and has none that lives."""
    left, alive = _without_job(folder, options)
    console = make_console()
    if not left:
        console.print(f"nothing to submit: {len(alive)} blocks have jobs, the others are done")
        return
    shared = str(folder.resolve())
    calls = [OnNode(shared, number, options.retry_failed, options.debug) for number in left]
    numbers: list[str] = []
    for array in cluster.submit(folder.resolve() / places.SLURM, wanted, calls):
        queue.remember(folder, dict(zip(left[len(numbers) :], array, strict=False)))
        numbers += array
    console.print(f"submitted {len(numbers)} jobs: {numbers[0]}" + (f" … {numbers[-1]}" if len(numbers) > 1 else ""))
    if not options.watch:
        console.print(f"watch:  {command('run --watch --out', folder)}", soft_wrap=True)
        console.print(f"cancel: {command('run --cancel --out', folder)}", soft_wrap=True)
        console.print(f"gather: {command('gather', folder)}", soft_wrap=True)


def _without_job(folder: Path, options: argparse.Namespace) -> tuple[list[int], set[int]]:
    """The blocks that are not finished and have no job that lives; those that have one."""
    alive = {number for number, job in queue.latest(folder).items() if job and job.alive}
    left = [number for number in unfinished(folder, retry_failed=options.retry_failed) if number not in alive]
    return left, alive


def _watched(folder: Path, options: argparse.Namespace) -> int:
    """Watch to the end, then gather; ctrl-C cancels."""
    try:
        stopped = watch(folder, options.watch)
    except KeyboardInterrupt:
        cancel(folder)
        raise
    code = gathered(folder, report=not options.no_report, verbose=options.verbose, read=options.read_timeline)
    return 1 if stopped else code


def cancel(folder: Path) -> int:
    """Take the sweep's jobs back; what they measured is kept."""
    places.read(folder)
    alive = [job.number for job in queue.latest(folder).values() if job and job.alive]
    try:
        (folder / places.CANCELLED).touch()
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {why(error)}; {remedy(error)}, or use scancel") from error
    queue.cancel(alive)
    make_console().print(
        f"cancelled {len(alive)} jobs; what was measured is kept, and goes on with: "
        f"{command('run --on slurm --resume --out', folder)}",
        soft_wrap=True,
    )
    return 0
