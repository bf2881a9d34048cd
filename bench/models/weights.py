"""How many weights a loaded model has, how many bytes they take, and what share of them is really quantised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bench.models.architecture import text_modules
from bench.schemes import Family, holder
from bench.schemes.definition import plain_tensors


def parameter_count(model: Any) -> int:
    """Weights that the model has before packing: two per byte in a 4-bit parameter, or in our own int4 buffers."""
    total, seen = 0, set[int]()
    for module in model.modules():
        made = holder(module)
        own = dict(module.named_parameters(recurse=False))
        if made is not None:
            total += made.weights(module)
            own = {name: part for name, part in own.items() if name == "bias"}
        fresh = [part for part in own.values() if id(part) not in seen]  # a head may share the embedding's weight
        seen.update(map(id, fresh))
        total += sum(part.numel() for part in fresh)
    return total


def footprint(model: Any) -> int:
    """Bytes of all parameters and buffers, and of what quantised modules hold besides, such as scales. Shared storage
    counts once."""
    seen: dict[int, int] = {}
    for tensor in (part for whole in _tensors(model) for part in plain_tensors(whole)):
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def _tensors(model: Any) -> Iterable[Any]:
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        made = holder(module)
        yield from made.tensors(module) if made is not None else ()


def quantised_share(model: Any, family: Family) -> dict[str, Any]:
    """What a scheme quantised of a model, for the record: {"modules": how many ``family`` made, "weights":
    weights in them, "of_weights": all weights outside embedding and head, "share": their ratio, "kept": {class of the
    module that holds them: weights that stayed as they were}}.

    Weights are what has two dimensions or more: a mixture of experts holds most of them in one three-dimensional
    parameter a layer. Norms and biases are none; nor is what a model has for images, which decoding never runs.
    """
    import torch

    spared = {id(module) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    spared.add(id(model.get_output_embeddings()))
    modules, weights, kept = 0, 0, Counter[str]()
    for _, module in text_modules(model):
        name = type(module).__name__
        if id(module) in spared:
            continue
        if family.quantises and family.holds(module):
            modules, weights = modules + 1, weights + family.weights(module)
        else:
            own = sum(p.numel() for p in module.parameters(recurse=False) if p.dim() >= 2)
            kept.update({name: own} if own else {})
    total = weights + sum(kept.values())
    return {
        "modules": modules,
        "weights": weights,
        "of_weights": total,
        "share": weights / total if total else 0.0,
        "kept": dict(kept.most_common()),
    }
