"""What a command line asks to be measured: preset, model, its layers, and the device."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import presets, runner
from bench.plan import Layer
from bench.processes import Nursery
from bench.record.errors import MachineError, UsageError
from bench.workloads.sources import Source, resolve


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
    name: str, options: argparse.Namespace, nursery: Nursery, model: str | None = None, device: str | None = None
) -> Asked:
    """The preset of that name with the changes of the command line.

    ``model`` goes before --model. ``device``: where it is measured elsewhere, and what this machine has says nothing.
    Raises UsageError for what cannot be asked, MachineError for a device that is not here.
    """
    changes = {key: value for key, value in vars(options).items() if key not in ("preset", "model", "revision")}
    preset = presets.preset(name, changes)
    source = resolve(model or options.model or preset.model, options.revision)
    beside = tuple(resolve(other) for other in options.beside or ())
    if len({one.name for one in (source, *beside)}) <= len(beside):
        raise UsageError("--beside names a model twice: give each once, and not the one of --model")
    facts = runner.describe_model(asdict(source), scratch_log(), nursery.start)
    preset = presets.for_layers(preset, facts["decoder_layers"])
    if device is None:
        device = options.device or ("cuda" if facts["cuda"] else "cpu")
        if device == "cuda" and not facts["cuda"]:
            raise MachineError("torch finds no usable CUDA device: run 'python -m bench doctor', or use --device cpu")
    layers = tuple(Layer(**layer) for layer in facts["layers"]) if preset.matmul_m else ()
    return Asked(preset, source, layers, device, beside)


def scratch_log() -> Path:
    """Where a process that looks at a model prints."""
    return Path(tempfile.mkdtemp(prefix="bitledger-")) / "describe.log"
