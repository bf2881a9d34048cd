"""What a model is made of, without its weights: its distinct Linear shapes."""

from __future__ import annotations

from typing import Any

from bench.record.errors import UsageError
from bench.workloads.models import config_of
from bench.workloads.sources import Source


def describe(source: Source) -> dict[str, Any]:
    """{"layers": [{"name", "n", "k", "count", "converted"}], "model_type", "decoder_layers", "cuda"} of a
    model built on the meta device.

    Modules of one shape W[n, k] are named together ("q_proj+o_proj"). The output layer is not converted by
    quantisers, so it is kept apart even where another layer has its shape.
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
    shapes: dict[tuple[int, int, bool], list[str]] = {}
    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear:
            key = (module.out_features, module.in_features, module is not head)
            shapes.setdefault(key, []).append(name.rsplit(".", 1)[-1])
    layers = [
        {"name": "+".join(dict.fromkeys(names)), "n": n, "k": k, "count": len(names), "converted": converted}
        for (n, k, converted), names in shapes.items()
    ]
    return {
        "model_type": config.model_type,
        "layers": layers,
        "decoder_layers": config.num_hidden_layers,
        "cuda": torch.cuda.is_available(),
    }
