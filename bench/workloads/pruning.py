"""Remove decoder layers from a model: which ones in words ("4-5", "0,3"), and the removal itself.

A layer removed is skipped: its input goes to the next layer unchanged, and its weights and its part of the key-value
cache are gone (the second experiment of Gromov et al., The Unreasonable Ineffectiveness of the Deeper Layers, 2024,
without the healing).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from bench.models.architecture import layer_list, text_config
from bench.record.errors import NotApplicableError, UsageError

# So many layers no model has: a slip of the finger must not fill the memory with their numbers.
MOST = 9_999


def parse(text: str | None) -> tuple[int, ...]:
    """Layer numbers from 0, ascending: "0,3-5" is (0, 3, 4, 5); "" is (). Raises UsageError for anything else."""
    found: set[int] = set()
    for part in (text or "").split(","):
        if not part.strip():
            continue
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(end.isascii() and end.isdecimal() for end in ends) or int(ends[1]) < int(ends[0]):
            raise UsageError(f"{part.strip()!r} is no layer or range of layers: give them as 0,3-5")
        if int(ends[1]) > MOST:
            raise UsageError(f"{part.strip()!r}: no model has so many layers")
        found.update(range(int(ends[0]), int(ends[1]) + 1))
    return tuple(sorted(found))


def text(layers: Iterable[int]) -> str:
    """The shortest text that ``parse`` reads as these layers."""
    ordered = sorted(set(layers))
    runs = [[n for _, n in run] for _, run in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def last(count: int, layers: int) -> str:
    """The last ``count`` of ``layers`` layers. Raises UsageError where none would be left."""
    if not 0 <= count < layers:
        raise UsageError(f"{count} layers cannot be removed from a model of {layers}: at least one must stay")
    return text(range(layers - count, layers))


def check(dropped: Sequence[int], layers: int) -> None:
    """Raises UsageError where a layer does not exist or none would be left."""
    if dropped and dropped[-1] >= layers:
        raise UsageError(f"the model has no layer {dropped[-1]}: its {layers} layers are numbered from 0")
    if len(dropped) >= layers:
        raise UsageError(f"all {layers} layers would be removed: at least one must stay")


def drop(model: Any, dropped: Sequence[int]) -> None:
    """Remove these layers in place and number the others anew, so that the cache has a place for each.

    Raises UsageError for a layer that does not exist, NotApplicableError where the model's layers are not
    found.
    """
    import torch

    if not dropped:
        return
    found = layer_list(model)
    if found is None:
        raise NotApplicableError(
            f"no layers can be dropped from a {type(model).__name__}: its decoder layers are not found"
        )
    name, layers = found
    check(dropped, len(layers))
    gone = set(dropped)
    kept = [layer for number, layer in enumerate(layers) if number not in gone]
    for number, layer in enumerate(kept):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                setattr(module, "layer_idx", number)  # noqa: B010 - torch's stubs allow tensors and modules only
    model.set_submodule(name, torch.nn.ModuleList(kept))
    decoder = model.get_submodule(name.rpartition(".")[0])
    own = [text_config(model.config), getattr(decoder, "config", None)]
    for config in {id(config): config for config in own if config is not None}.values():
        if getattr(config, "layer_types", None):
            config.layer_types = [kind for number, kind in enumerate(config.layer_types) if number not in gone]
        config.num_hidden_layers = len(kept)
