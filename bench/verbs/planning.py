"""What a command line asks to be measured: preset, model, its layers, and the device."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import presets
from bench.record.errors import MachineError, UsageError
from bench.record.suggested import quoted
from bench.run import runner
from bench.run.plan import Layer
from bench.run.processes import ForkServer
from bench.verbs import fitting
from bench.workloads.sources import Source, resolve

# What --prompts says for token ids drawn at random.
RANDOM = "random"


@dataclass(frozen=True)
class Asked:
    """``layers``: the distinct Linear shapes, () where the preset measures no layer products. ``beside``: checkpoints
    that are arms beside ``source``."""

    preset: presets.Preset
    source: Source
    layers: tuple[Layer, ...]
    device: str
    beside: tuple[Source, ...]


def asked(
    name: str, options: argparse.Namespace, fork_server: ForkServer, model: str | None = None, device: str | None = None
) -> Asked:
    """The preset of that name with the changes of the command line.

    ``model`` goes before --model. ``device``: where it is measured elsewhere, and what this machine has says nothing.
    Raises UsageError for what cannot be asked, MachineError for a device that is not here.
    """
    changes = {key: value for key, value in vars(options).items() if key not in ("preset", "model", "revision")}
    preset = presets.preset(name, changes)
    sources = _sources(model or options.model or preset.model, options)
    with scratch_log() as log:
        described = [runner.describe_model(asdict(one), log, fork_server.start) for one in sources]
    source, *beside = (fitting.labelled(one, told) for one, told in zip(sources, described, strict=True))
    facts = described[0]
    preset = presets.for_layers(_fitted(preset, (source, *beside), facts["dtype"], options), facts["decoder_layers"])
    if device is None:
        device = options.device or ("cuda" if facts["cuda"] else "cpu")
        if device == "cuda" and not facts["cuda"]:
            raise MachineError(f"torch finds no usable CUDA device: run {quoted('doctor')}, or use --device cpu")
    layers = tuple(Layer(**layer) for layer in facts["layers"]) if preset.matmul_m else ()
    return Asked(preset, source, layers, device, tuple(beside))


def _sources(model: str, options: argparse.Namespace) -> list[Source]:
    """The model and those beside it. Raises UsageError where one is named twice."""
    sources = [resolve(model, options.revision), *(resolve(other) for other in options.beside or ())]
    if len({one.name for one in sources}) < len(sources):
        raise UsageError("--beside names a model twice: give each once, and not the one of --model")
    return [replace(one, random_prompts=getattr(options, "prompts", None) == RANDOM) for one in sources]


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


@contextmanager
def scratch_log() -> Iterator[Path]:
    """Where a process that looks at a model prints; it goes with its folder, as what matters of it was told."""
    with tempfile.TemporaryDirectory(prefix="bitledger-") as folder:
        yield Path(folder) / "describe.log"
