"""What ``run --resume`` refuses: options of another plan than that of the run that goes on, and another machine than it
was begun on, because figures of two machines in one run would be compared.

With other software it goes on, but the user is told: mending what failed is a reason, and the report tells it too.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.analysis.repeated import differences
from bench.presets import EndToEnd, Preset, changed, choose
from bench.presets.forms import LAST
from bench.record.errors import MachineError, UsageError
from bench.record.schema import Environment, Record
from bench.run.planfile import Run
from bench.schemes import known
from bench.schemes.variants import compiles, has_adapter
from bench.verbs.fitting import unavailable
from bench.verbs.planning import RANDOM, own_prompt
from bench.verbs.shared_options import flag, options_given
from bench.workloads.sources import Source

# What is said of a sweep or preset by a name of its own, and of how it is measured rather than what.
_CHANGES = tuple({field.name for kind in (Preset, EndToEnd) for field in fields(kind)} - {"name", "sweeps", "timed"})


def refuse_other_plan(options: argparse.Namespace, run: Run) -> None:
    """Raises UsageError for an option that asks for something else than the run was planned to measure; options given
    again are none."""
    for name in (*_of_the_model(options, run), *_of_the_prompts(options, run), *_of_the_preset(options, run)):
        raise UsageError(
            f"{flag(name)}: {options.out} goes on by its own plan, which says otherwise: leave the option out, or "
            "choose another --out"
        )


def _of_the_model(options: argparse.Namespace, run: Run) -> Iterator[str]:
    known = {"preset": run.preset.name, "device": run.device, "seed": run.seed}
    yield from (name for name, value in options_given(options, known) if value != known[name])
    if options.model and not _named(options.model, run.source):
        yield "model"
    if re.fullmatch("[0-9a-f]{7,40}", options.revision or "") and not run.source.revision.startswith(options.revision):
        yield "revision"  # which commit a branch or tag is, is not asked here
    beside = getattr(options, "beside", None)
    if beside and not (len(beside) == len(run.beside) and all(map(_named, beside, run.beside))):
        yield "beside"
    adapter = getattr(options, "adapter", None)
    if adapter and not (run.source.adapter and _folder(adapter) == _folder(run.source.adapter)):
        yield "adapter"


def _folder(name: str) -> Path:
    return Path(name).expanduser().resolve()


def _of_the_prompts(options: argparse.Namespace, run: Run) -> Iterator[str]:
    text = own_prompt(options)
    if text and text != run.source.prompt:
        yield "prompt"
    prompts = getattr(options, "prompts", None)
    if prompts and (run.source.prompt or (prompts == RANDOM) != run.source.random_prompts):
        yield "prompts"


def _named(name: str, source: Source) -> bool:
    same_folder = source.kind == "folder" and Path(name).expanduser().resolve() == Path(source.location)
    return name == source.name or same_folder


def _of_the_preset(options: argparse.Namespace, run: Run) -> Iterator[str]:
    preset = run.preset
    every = {scheme for sweep in preset.sweeps for scheme in sweep.schemes}
    if getattr(options, "compile", False) and not any(map(compiles, every)):
        yield "compile"
    for name in sorted(_CHANGES):
        value = getattr(options, name, None)
        if name == "schemes" and value:  # what cannot be had here was left out of the plan, too
            value = tuple(one for one in value if one in every or not (known(one) and unavailable(one, run.device)))
        last = name == "dropped_layers" and any(text.startswith(LAST) for text in value or ())
        # Which layers are the last ones, the plan says in numbers.
        if value is not None and not last and not _is(preset, name, value):
            yield name


def _is(preset: Preset, name: str, value: Any) -> bool:
    if name == "tasks" and value and all(sweep.timed for sweep in preset.sweeps):
        return False  # there is no sweep left that could have them
    if not (name == "schemes" and any(map(has_adapter, value))):
        preset = choose.without_variants(preset)
    try:
        return changed(preset, {name: value}) == preset
    except UsageError:
        return False


def refuse_other_machine(recorded: Sequence[Record], machine: Environment) -> None:
    """Raise MachineError where the first Record was made with other hardware than ``machine`` has."""
    if recorded and recorded[0].environment.hardware() != machine.hardware():
        raise MachineError("this run was begun on another machine: start a new run here, and compare the two")


def tell_other_software(recorded: Sequence[Record], machine: Environment) -> None:
    """Print what is not as it was for the Records that are there."""
    found = dict.fromkeys(text for then in _each(recorded) for text in differences(then, machine))
    if found:
        print(
            f"warning: this run was begun with other software ({'; '.join(found)}): what is measured now may not be "
            "comparable with what is there; for a sound comparison start a new run"
        )


def _each(recorded: Sequence[Record]) -> list[Environment]:
    """One Environment for each software that Records were made with."""
    known = {
        repr((e.packages, e.python, e.os, e.source, e.variables, e.gpus)): e for e in (r.environment for r in recorded)
    }
    return list(known.values())
