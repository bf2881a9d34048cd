"""What a command line asks to be measured: preset, model, its layers, and the device.

The one place where these are found: every verb that takes them refuses the same in the same words.
"""

from __future__ import annotations

import argparse
import errno
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import presets
from bench.presets import choose
from bench.record.chain import PLAN
from bench.record.errors import MachineError, UsageError
from bench.record.schema import Environment
from bench.record.store import run_id_of
from bench.record.suggested import quoted
from bench.run import runner
from bench.run.plan import Layer
from bench.run.planfile import new_run_id, read_plan
from bench.run.processes import ForkServer, Start, start_from_scratch
from bench.schemes import AS_SAVED
from bench.schemes.variants import has_adapter, parts
from bench.verbs import fitting
from bench.workloads.sources import Source, resolve, with_adapter

# What --prompts says for token ids drawn at random.
RANDOM = "random"
LARGEST_PROMPT = 1 << 20
# A text that may be meant as a file's name.
_LIKE_A_FILE = re.compile(r"\S*/\S*|\S*\w\.\w{1,5}")
# What --preset says where the machine chooses.
AUTO = "auto"


@dataclass(frozen=True)
class Resolved:
    """``layers``: the distinct Linear shapes, () where the preset measures no layer products. ``beside``: checkpoints
    that are arms beside ``source``."""

    preset: presets.Preset
    source: Source
    layers: tuple[Layer, ...]
    device: str
    beside: tuple[Source, ...]


def resolve_request(
    name: str, options: argparse.Namespace, fork_server: ForkServer, model: str | None = None, device: str | None = None
) -> Resolved:
    """The preset of that name with the changes of the command line.

    ``model`` goes before --model. ``device``: where it is measured elsewhere, and what this machine has says nothing.
    Raises UsageError for what cannot be asked, MachineError for a device that is not here.
    """
    changes = {key: value for key, value in vars(options).items() if key not in ("preset", "model", "revision")}
    preset = presets.preset(name, changes)
    sources = _sources(model or options.model or preset.model, options)
    descriptions = [described(one, fork_server.start) for one in sources]
    fitting.refuse_no_template(preset, sources, descriptions)
    source, *beside = (fitting.labelled(one, facts) for one, facts in zip(sources, descriptions, strict=True))
    facts = descriptions[0]
    preset = _with_variants(_fitted(preset, (source, *beside), facts["dtype"], options), options)
    preset = presets.for_layers(preset, facts["decoder_layers"])
    for one, its in zip((source, *beside), descriptions, strict=True):
        fitting.refuse_too_long(preset, one, its)
    preset, why = fitting.judged(preset, source, facts)
    if why:
        print(f"bitledger: {why}")
    device = device or device_of(options.device, facts["cuda"])
    preset = _available(preset, device, options)
    layers = tuple(Layer(**layer) for layer in facts["layers"]) if preset.matmul_m else ()
    return Resolved(preset, source, layers, device, tuple(beside))


@dataclass(frozen=True)
class Setting:
    """What a run in a folder, or a preset, says to measure; the verbs that add to a run start from it."""

    run_id: str
    preset: presets.Preset
    source: Source
    device: str
    seed: int


def setting(
    options: argparse.Namespace, machine: Environment, prefix: str, start: Start = start_from_scratch
) -> Setting:
    """That of the run in --out, unless the command line names a preset or a model; else theirs.

    ``prefix``: of a new run's id. Raises UsageError for what cannot be asked, MachineError for a device that is not
    here.
    """
    if options.out and (options.out / PLAN).exists() and not (options.preset or options.model):
        if options.revision:
            raise UsageError("--revision is of a --model: leave it out to go on with that of the run in --out")
        run = read_plan(options.out)
        device = _device_here(options.device or run.device, run.source, machine, start)
        return Setting(run.run_id, run.preset, run.source, device, run.seed if options.seed is None else options.seed)
    name = preset_for(options.preset, has_gpu=options.device != "cpu" and bool(machine.gpus))
    preset, source, device = _of_preset(name, options, machine, start)
    if tell_unusable_gpu(machine, options.device, device) and options.preset is None:
        name = "smoke"
        preset, source, device = _of_preset(name, options, machine, start)
    run_id = (run_id_of(options.out) if options.out else None) or new_run_id(name, source, prefix)
    return Setting(run_id, preset, source, device, options.seed or 0)


def _of_preset(
    name: str, options: argparse.Namespace, machine: Environment, start: Start
) -> tuple[presets.Preset, Source, str]:
    preset = presets.preset(name)
    source = resolve(options.model or preset.model, options.revision)
    return preset, source, _device_here(options.device, source, machine, start)


def _device_here(asked: str | None, source: Source, machine: Environment, start: Start) -> str:
    """``device_of``; torch is asked only where that may matter."""
    needless = asked == "cpu" or (asked is None and not machine.gpus)
    return "cpu" if needless else device_of(asked, described(source, start)["cuda"])


def preset_for(name: str | None, *, has_gpu: bool) -> str:
    """The preset's name; where nobody chose one, the one for such a machine."""
    return ("quick" if has_gpu else "smoke") if name in (None, AUTO) else str(name)


def device_of(asked: str | None, cuda: bool) -> str:
    """The device that is asked for, else CUDA where torch can use it (``cuda``).

    Raises MachineError where it is asked for and torch cannot.
    """
    if asked == "cuda" and not cuda:
        raise MachineError(f"torch finds no usable CUDA device: run {quoted('doctor')}, or use --device cpu")
    return asked or ("cuda" if cuda else "cpu")


def tell_unusable_gpu(machine: Environment, asked: str | None, device: str) -> bool:
    """Says where nobody chose the CPU, and it is taken although a GPU is here; returns whether that is so."""
    unusable = asked is None and device == "cpu" and bool(machine.gpus)
    if unusable:
        print(
            f"bitledger: a GPU is here, but this torch build cannot use it (see {quoted('doctor')}): "
            "measured on the CPU"
        )
    return unusable


def described(source: Source, start: Start = start_from_scratch) -> dict[str, Any]:
    """What a process that looks at the model tells: its layers, its type, how it was saved, whether CUDA is usable."""
    with scratch_log() as log:
        return runner.describe_model(asdict(source), log, start)


def _sources(model: str, options: argparse.Namespace) -> list[Source]:
    """The model and those beside it. Raises UsageError where one is named twice."""
    first = resolve(model, options.revision)
    # A model that was in memory lies in a folder that goes again: its records name the model and not the folder.
    if named := getattr(options, "named", None):
        first = replace(first, name=named, label="from memory")
    sources = [first, *(resolve(other) for other in options.beside or ())]
    if len({one.name for one in sources}) < len(sources):
        raise UsageError("--beside names a model twice: give each once, and not the one of --model")
    text = own_prompt(options)
    if text and text == options.prompt and _LIKE_A_FILE.fullmatch(text):
        print(f"bitledger: --prompt: there is no file {text}, so these words are the prompt")
    if text and not all(one.has_text for one in sources):
        raise UsageError("--prompt needs a tokenizer, and random weights have none: give another --model")
    given: dict[str, Any] = {"random_prompts": getattr(options, "prompts", None) == RANDOM, "prompt": text}
    sources = [replace(one, **given) for one in sources]
    adapter = getattr(options, "adapter", None)
    return [with_adapter(sources[0], adapter), *sources[1:]] if adapter else sources


def own_prompt(options: argparse.Namespace) -> str:
    """What --prompt says, or the file of that name holds; "" where it is not given. Raises UsageError for a file that
    cannot be read as text, says nothing or is too large, for what is there and no file, and for no text."""
    given: str = getattr(options, "prompt", None) or ""
    if any("\ud800" <= letter <= "\udfff" for letter in given):
        raise UsageError("--prompt is no text in UTF-8: give it in a file")
    file = Path(given)
    try:
        if not given or not file.exists():
            return given
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # as many a text is
            raise UsageError(f"--prompt: {given} cannot be read ({error.strerror})") from error
        return given
    if not file.is_file():
        raise UsageError(f"--prompt: {given} is a folder or a pipe: give a file, or a text that is no name here")
    try:
        if file.stat().st_size > LARGEST_PROMPT:
            raise UsageError(f"--prompt: {given} has over {LARGEST_PROMPT >> 20} MiB: give a shorter text")
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--prompt: {given} cannot be read as text ({error}): give a file in UTF-8") from error
    if not text.strip():
        raise UsageError(f"--prompt: {given} says nothing: give a file with a text")
    return text


def _fitted(
    preset: presets.Preset, sources: Sequence[Source], dtype: str, options: argparse.Namespace
) -> presets.Preset:
    """The preset with schemes that the checkpoints can have; what a user named is refused, never changed."""
    if options.schemes:
        fitting.refuse_unfit(sources, options.schemes)
    if all(one.saved for one in sources):
        print(f"bitledger: {sources[0].name} was saved quantised ({sources[0].saved}): measured as it is")
        return fitting.for_saved(preset)
    chosen = preset if options.schemes else fitting.for_dtype(preset, sources[0], dtype)
    if chosen is not preset:
        print(f"bitledger: {sources[0].name} is in bfloat16: measured in bfloat16 against {chosen.reference}")
    return chosen


def _with_variants(preset: presets.Preset, options: argparse.Namespace) -> presets.Preset:
    """The preset with the arms that --adapter and --compile add, of the schemes that a user named or else of its core;
    with an adapter it is measured on no other scheme.

    Raises UsageError for an arm with an adapter where none is given."""
    adapter, compiled = getattr(options, "adapter", None), getattr(options, "compile", False)
    asking = [name for sweep in preset.sweeps for name in sweep.schemes if has_adapter(name)]
    if asking and not adapter:
        raise UsageError(f"scheme {asking[0]} needs an adapter: give its folder with --adapter")
    if not (adapter or compiled):
        return preset
    first = next(sweep for sweep in preset.sweeps if sweep.timed)
    chosen = tuple(options.schemes or (name for name in choose.varied_schemes(preset) if name in first.schemes))
    if adapter and not options.schemes and preset.reference != AS_SAVED:
        preset = presets.changed(preset, {"schemes": chosen})
    if adapter and not asking:
        preset = choose.with_adapter(preset)
    return choose.with_compiled(preset, [name for name in chosen if not parts(name)[1]]) if compiled else preset


def _available(preset: presets.Preset, device: str, options: argparse.Namespace) -> presets.Preset:
    """The preset less the schemes that cannot be measured here, each with a line that says why. Raises UsageError where
    nothing is left, or the reference that a user named is one of them."""
    left, why = fitting.available(preset, device)
    for name, reason in why.items():
        print(f"bitledger: {name} skipped: {reason}")
    if why and not any(sweep.schemes for sweep in left.sweeps):
        raise UsageError(f"nothing to measure: {'; '.join(f'{name}: {reason}' for name, reason in why.items())}")
    if (named := getattr(options, "reference", None)) in why:
        raise UsageError(f"the reference {named} cannot be measured here: {why[named]}")
    if left.reference != preset.reference:
        print(f"bitledger: the others are compared with {left.reference}")
    return left


@contextmanager
def scratch_log() -> Iterator[Path]:
    """Where a process that looks at a model prints; it goes with its folder, as what matters of it was told."""
    with tempfile.TemporaryDirectory(prefix="bitledger-") as folder:
        yield Path(folder) / "describe.log"
