"""What a model is made of, without its weights: its distinct Linear shapes, and whether its files fill it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.models import adapters, generating, matching
from bench.models.architecture import expert_matrices, experts_per_token, layers, positions, text_config, text_modules
from bench.models.saved import check_loadable, saved_settings
from bench.record.errors import MachineError
from bench.schemes.saved import saved_format
from bench.workloads.configuration import config_of, native_dtype, skeleton
from bench.workloads.models import check_tokenizer
from bench.workloads.sources import Source, local_folder

# (out features n, in features k, whether quantisers convert it, whether it has a bias)
Shape = tuple[int, int, bool, bool]


def describe(source: Source) -> dict[str, Any]:
    """{"layers": [{"name", "n", "k", "count", "converted", "bias"}], "model_type", "decoder_layers", "saved", "dtype",
    "positions", "prompts", "chat_template", "cuda"} of a model built on the meta device. ``saved``: the format in which
    it was saved quantised, or None; ``dtype``: what it was saved in, "" where neither its config nor a folder's files
    say; ``positions``: how many tokens it has room for, or None; ``prompts``: the tokens of each prompt that it may be
    given, at the least; ``chat_template``: whether its tokenizer has one.

    Modules of one shape W[n, k] are named together ("q_proj+o_proj"). The output layer is not converted by
    quantisers, so it is kept apart even where another layer has its shape; so are those with a bias from those without.
    Experts of a mixture are not converted either: one expert's matrix is a product, which counts once for each expert
    that a token goes through.
    Raises UsageError where the model is no causal language model, or a folder's files are not its weights.
    """
    import torch

    config = config_of(source)
    model = skeleton(source)
    settings = saved_settings(config)
    dequantised = check_loadable(config, "cuda" if torch.cuda.is_available() else "cpu", source.name)
    if (folder := local_folder(source)) is not None:
        matching.check_folder(model, folder, settings, source.name)
    if dequantised and settings is not None:
        raise MachineError(
            f"{source.name} was saved quantised ({saved_format(settings)}), and transformers would dequantise it here: "
            "measure it on a GPU that has kernels for this format, or give its unquantised checkpoint"
        )
    if folder is not None:
        generating.check(folder, source.name)
    texts = check_tokenizer(source, config)
    if source.adapter:
        adapters.check_installed()
        adapters.check_fits(model, source.adapter)
    return {
        "model_type": config.model_type,
        "layers": _layers(model) + _experts(model),
        "decoder_layers": layers(config),
        "saved": None if settings is None else saved_format(settings),
        "dtype": native_dtype(config) or (matching.commonest_dtype(folder) if folder else ""),
        "positions": positions(config),
        **texts,
        "cuda": torch.cuda.is_available(),
    }


def _layers(model: Any) -> list[dict[str, Any]]:
    head = model.get_output_embeddings()
    shapes: dict[Shape, list[str]] = {}
    for name, module in text_modules(model):
        key = _shape(module, module is head)
        if key is not None:
            shapes.setdefault(key, []).append(name.rsplit(".", 1)[-1])
    return [
        {"name": "+".join(names), "n": n, "k": k, "count": count, "converted": converted, "bias": bias}
        for (n, k, converted, bias), names, count in _named_apart(shapes)
    ]


def _experts(model: Any) -> list[dict[str, Any]]:
    """One product for each of an expert's matrices; none where nothing says how many of them a token uses."""
    used, width = experts_per_token(model.config), text_config(model.config).hidden_size
    found: Counter[tuple[str, int, int]] = Counter()
    for module in model.modules():
        found.update({(f"experts.{name}", n, k): used for name, (n, k) in expert_matrices(module, width).items()})
    return [
        {"name": name, "n": n, "k": k, "count": count, "converted": False, "bias": False}
        for (name, n, k), count in found.items()
        if count
    ]


def _shape(module: Any, is_head: bool) -> Shape | None:
    """GPT-2's Conv1D is a Linear with its weight transposed, and is quantised as one. Subclasses of Linear are left
    alone by quantisers."""
    import torch
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, Conv1D):
        return (module.nf, module.nx, not is_head, True)
    if isinstance(module, torch.nn.Linear):
        converted = type(module) is torch.nn.Linear and not is_head
        return (module.out_features, module.in_features, converted, module.bias is not None)
    return None


def _named_apart(shapes: Mapping[Shape, Sequence[str]]) -> Iterator[tuple[Shape, list[str], int]]:
    """Every shape with its modules' names, each once, and how many modules. Where one name stands for two kinds of one
    shape, the one without a bias says so: a layer's name is part of its Cases."""
    for key, modules in shapes.items():
        n, k, converted, bias = key
        twins = shapes.get((n, k, converted, True), ()) if not bias else ()
        names = [f"{name} (no bias)" if name in twins else name for name in dict.fromkeys(modules)]
        yield key, names, len(modules)
