"""Which Cases to observe: those of a run that exists, of a preset, or of the command line. No torch here."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import presets
from bench.presets import EndToEnd, Preset
from bench.record.errors import MachineError, UsageError
from bench.record.outputs import refuse_foreign, unused
from bench.record.schema import Case, Environment
from bench.record.store import refuse_packed, run_id_of
from bench.record.suggested import quoted
from bench.run import runner
from bench.run.plan import generation_case
from bench.run.planfile import PLAN, new_run_id, read_plan
from bench.workloads import pruning
from bench.workloads.schemes import arm
from bench.workloads.sources import Source, resolve

RUNS = Path("reports/runs")


@dataclass(frozen=True)
class CaptureRequest:
    """The Cases to observe, one per scheme, and the run folder that they are filed in."""

    run_id: str
    folder: Path
    preset: Preset
    source: Source
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class _Base:
    """What the command line leaves open comes from here. ``device``: None where it is to be found out."""

    run_id: str
    preset: Preset
    source: Source
    device: str | None
    seed: int


def request(options: argparse.Namespace, machine: Environment) -> CaptureRequest:
    """The Cases that the options ask for. Raises a BitledgerError for what cannot be asked."""
    if options.out:
        refuse_foreign(options.out)
        refuse_packed(options.out)
    base = _base(options, machine)
    device = options.device or base.device or _device(base.source, machine)
    names = options.scheme or base.preset.sweeps[0].schemes
    reference = base.preset.reference
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != reference)
    cases = tuple(_case(options, base, name, device) for name in ordered)
    folder = options.out or unused(RUNS / base.run_id)
    return CaptureRequest(base.run_id, folder, base.preset, base.source, cases)


def _base(options: argparse.Namespace, machine: Environment) -> _Base:
    plan = _plan(options.out) if options.out else None
    if plan and not (options.preset or options.model):
        return plan
    name = options.preset or ("quick" if machine.gpus and options.device != "cpu" else "smoke")
    preset = presets.preset(name)
    source = resolve(options.model or preset.model, options.revision)
    run_id = (run_id_of(options.out) if options.out else None) or new_run_id(name, source, "profile-")
    return _Base(run_id, preset, source, None, 0)


def _plan(folder: Path) -> _Base | None:
    """The plan of the run in ``folder``; None where there is none."""
    if not (folder / PLAN).exists():
        return None
    run = read_plan(folder)
    return _Base(run.run_id, run.preset, run.source, run.device, run.seed)


def _device(source: Source, machine: Environment) -> str:
    """CUDA where there is a GPU and torch can use it."""
    if not machine.gpus:
        return "cpu"
    with tempfile.TemporaryDirectory(prefix="bitledger-") as folder:
        if runner.describe_model(asdict(source), Path(folder) / "describe.log")["cuda"]:
            return "cuda"
    raise MachineError(f"a GPU is here, but torch cannot use it: run {quoted('doctor')}, or use --device cpu")


def _case(options: argparse.Namespace, base: _Base, scheme: str, device: str) -> Case:
    arm(scheme)
    found = _sweep(base.preset, scheme, options.batch, options.cache)
    changes = {"new_tokens": options.new_tokens, "prompt_tokens": options.prompt_tokens}
    sweep = replace(found, **{name: value for name, value in changes.items() if value is not None})
    batch = sweep.batch_sizes[0] if options.batch is None else options.batch
    cache = options.cache or sweep.caches[0]
    if batch < 1 or sweep.new_tokens < 2 or sweep.prompt_tokens < 1:
        raise UsageError("--batch and --prompt-tokens must be at least 1, --new-tokens at least 2")
    seed = base.seed if options.seed is None else options.seed
    dropped = pruning.text(pruning.parse(options.drop_layers))
    return generation_case(sweep, base.source, scheme, batch, cache, device, seed, dropped)


def _sweep(preset: Preset, scheme: str, batch: int | None, cache: str | None) -> EndToEnd:
    """The first sweep of the preset that holds such a Case, so that the records join its run's; else its first."""
    fits = (
        sweep
        for sweep in preset.sweeps
        if scheme in sweep.schemes
        and (batch is None or batch in sweep.batch_sizes)
        and (cache is None or cache in sweep.caches)
    )
    return next(fits, preset.sweeps[0])
