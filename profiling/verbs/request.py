"""Which Cases to observe: those of a run that exists, of a preset, or of the command line. No torch here."""

from __future__ import annotations

import argparse
from dataclasses import replace

from bench.presets import EndToEnd, Preset
from bench.record.errors import UsageError
from bench.record.files import RUNS, refuse_foreign, unused
from bench.record.schema import Case, Environment
from bench.record.store import refuse_packed
from bench.run.plan import generation_case
from bench.schemes import arm
from bench.verbs.planning import Setting, described, setting
from bench.workloads import pruning
from bench.workloads.sources import Source
from profiling.capture.filing import CaptureRequest


def request(options: argparse.Namespace, machine: Environment) -> CaptureRequest:
    """The Cases that the options ask for. Raises a BitledgerError for what cannot be asked."""
    if options.out:
        refuse_foreign(options.out)
        refuse_packed(options.out)
    base = setting(options, machine, "profile-")
    names = options.scheme or base.preset.sweeps[0].schemes
    reference = base.preset.reference
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != reference)
    cases = tuple(_case(options, base, name) for name in ordered)
    _check_layers(cases[0].dropped_layers, base.source)
    folder = options.out or unused(RUNS / base.run_id)
    return CaptureRequest(base.run_id, folder, base.preset, base.source, cases)


def _check_layers(dropped: str | None, source: Source) -> None:
    """Raises UsageError for layers that the model has not, before any of it is loaded."""
    if dropped:
        pruning.check(pruning.parse(dropped), described(source)["decoder_layers"])


def _case(options: argparse.Namespace, base: Setting, scheme: str) -> Case:
    arm(scheme)
    found = _sweep(base.preset, scheme, options.batch, options.cache)
    sweep = found if options.new_tokens is None else replace(found, new_tokens=options.new_tokens)
    length = next(iter(sweep.prompt_lengths), None) if options.prompt_tokens is None else options.prompt_tokens
    batch = sweep.batch_sizes[0] if options.batch is None else options.batch
    cache = options.cache or sweep.caches[0]
    if batch < 1 or sweep.new_tokens < 2 or (length is not None and length < 1):
        raise UsageError("--batch and --prompt-tokens must be at least 1, --new-tokens at least 2")
    dropped = pruning.text(pruning.parse(options.drop_layers))
    if base.source.prompt:
        raise UsageError(
            f"{options.out} has a prompt of your own, which no profiler from outside is given: its timelines are "
            "Kineto's, taken while it ran"
        )
    return generation_case(sweep, base.source, scheme, batch, cache, base.device, base.seed, dropped, length)


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
