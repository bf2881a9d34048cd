"""What a model is made of, without its weights: its distinct Linear shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.record.errors import UsageError
from bench.workloads.models import config_of
from bench.workloads.sources import Source


def describe(source: Source) -> dict[str, Any]:
    """{"layers": [{"name", "n", "k", "count", "converted", "bias"}], "model_type", "decoder_layers", "cuda"} of a
    model built on the meta device.

    Modules of one shape W[n, k] are named together ("q_proj+o_proj"). The output layer is not converted by
    quantisers, so it is kept apart even where another layer has its shape; so are those with a bias from those without.
    """
    import torch
    import transformers

    config = config_of(source)
    try:
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except ValueError as error:
        raise UsageError(f"{source.name} is not a causal language model that transformers knows: {error}") from error
    head = model.get_output_embeddings()
    shapes: dict[tuple[int, int, bool, bool], list[str]] = {}
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear:
            key = (module.out_features, module.in_features, module is not head, module.bias is not None)
            shapes.setdefault(key, []).append(name.rsplit(".", 1)[-1])
    layers = [
        {"name": "+".join(names), "n": n, "k": k, "count": count, "converted": converted, "bias": bias}
        for (n, k, converted, bias), names, count in _named_apart(shapes)
    ]
    return {
        "model_type": config.model_type,
        "layers": layers,
        "decoder_layers": config.num_hidden_layers,
        "cuda": torch.cuda.is_available(),
    }


def _named_apart(
    shapes: Mapping[tuple[int, int, bool, bool], Sequence[str]],
) -> Iterator[tuple[tuple[int, int, bool, bool], list[str], int]]:
    """Every shape with its modules' names, each once, and how many modules. Where one name stands for two kinds of one
    shape, the one without a bias says so: a layer's name is part of its Cases."""
    for key, modules in shapes.items():
        n, k, converted, bias = key
        twins = shapes.get((n, k, converted, True), ()) if not bias else ()
        names = [f"{name} (no bias)" if name in twins else name for name in dict.fromkeys(modules)]
        yield key, names, len(modules)
