"""What differs between architectures, asked in one place: where a config keeps its text model, its positions, layers
and head."""

from __future__ import annotations

from typing import Any

from bench.record.errors import UsageError

LANGUAGE_MODELS = "AutoModelForCausalLM"
# How class names of language models end, in every spelling that checkpoints have.
_LANGUAGE = ("forcausallm", "lmheadmodel", "forconditionalgeneration", "forvision2seq", "lmheadcustommodel")


def text_config(config: Any) -> Any:
    """The part of a configuration that describes the text model: itself, or its ``text_config``."""
    return config.get_text_config(decoder=True)


def auto_class(config: Any) -> str:
    """The name of transformers' class that makes the model which config.json names: the one for language models or,
    where that does not make it, the one for images and text, which generates from text alone too. A model whose layers
    are skipped where there is no image is not made so: what of it runs would not be what it has."""
    from transformers.models.auto import modeling_auto

    named, kind = str(next(iter(getattr(config, "architectures", None) or ()), "")), config.model_type
    skips = bool(getattr(text_config(config), "cross_attention_layers", None))
    if named == modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind) or skips:
        return LANGUAGE_MODELS
    of_images = named == modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(kind)
    return "AutoModelForImageTextToText" if of_images else LANGUAGE_MODELS


def positions(config: Any) -> int | None:
    """The most tokens that the model has positions for; None where it sets no limit (ALiBi, state spaces)."""
    found = text_config(config)
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"):
        value = getattr(found, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def layers(config: Any) -> int:
    """How many decoder layers the text model has; 0 where its configuration does not say."""
    found = text_config(config)
    for name in ("num_hidden_layers", "n_layer", "n_layers", "num_layers"):
        value = getattr(found, name, None)
        if isinstance(value, int):
            return value
    return 0


def text_modules(model: Any) -> list[tuple[str, Any]]:
    """(name, module) of all that generating text runs: the decoder, the head and what leads to it, and nothing that a
    model has for images or sounds besides."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    if not any(p.dim() >= 2 for p in decoder.parameters()):
        decoder = model
    base = getattr(model, "base_model", model)
    within, of_base = (set(map(id, part.modules())) for part in (decoder, base))
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return [
        (name, module)
        for name, module in model.named_modules()
        if id(module) in within or module is head or id(module) not in of_base
    ]


def layer_list(model: Any) -> tuple[str, Any] | None:
    """(name, ModuleList) of the decoder layers, found by their number: the largest list of so many; None: there is
    none. Blocks are called "layers", "h" or "blocks", and their classes anything."""
    import torch

    count = layers(model.config)
    lists = [
        (sum(p.numel() for p in module.parameters()), name, module)
        for name, module in text_modules(model)
        if isinstance(module, torch.nn.ModuleList) and len(module) == count
    ]
    if not lists:
        return None
    _, name, module = max(lists, key=lambda found: found[0])
    return name, module


def decoder_layers(model: Any) -> tuple[Any, ...]:
    """The decoder layers of a transformers model; () of one whose layers are not found, or of another kind of model."""
    found = layer_list(model) if hasattr(model, "config") else None
    return tuple(found[1]) if found is not None else ()


def holds_experts(module: Any) -> bool:
    """Whether a module holds the experts of a mixture as the transformers library has them: in parameters of three
    dimensions."""
    return bool(_of_experts(module))


def expert_matrices(module: Any, hidden_size: int) -> dict[str, tuple[int, int]]:
    """Name → (out features n, in features k) of one expert's matrix, for each parameter of a module that holds experts;
    {} for any other module. Models keep them one way or the other round: "down" ends in ``hidden_size``, others begin
    with it; a "weight" is as a Linear's."""
    found = {}
    for name, (_, rows, columns) in _of_experts(module).items():
        wanted = rows if "down" in name else columns
        turned = wanted != hidden_size or (rows == columns and bool(getattr(module, "is_transposed", False)))
        turned = turned and name != "weight"
        found[name] = (columns, rows) if turned else (rows, columns)
    return found


def _of_experts(module: Any) -> dict[str, tuple[int, ...]]:
    import torch

    if isinstance(module, torch.nn.modules.conv._ConvNd):
        return {}
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters(recurse=False)}
    return {name: shape for name, shape in shapes.items() if len(shape) == 3 and min(shape[1:]) > 1}


def experts_per_token(config: Any) -> int:
    """How many experts of a layer each token goes through; 0 where the configuration does not say."""
    found = text_config(config)
    for name in ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k_experts"):
        value = getattr(found, name, None)
        if isinstance(value, int):
            return value
    return 0


def head_name(model: Any) -> str | None:
    """The name of the output layer ("lm_head" in most models); None where the model tells none."""
    head = model.get_output_embeddings()
    return next((name for name, module in model.named_modules() if module is head), None) if head is not None else None


def check_language_model(config: Any, name: str) -> None:
    """Raises UsageError where the checkpoint is no causal language model: an encoder-decoder, a base model without a
    head, a classifier. Its head, or a decoder's prompt, would be random or missing, and every token with it."""
    if getattr(config, "is_encoder_decoder", False):
        raise UsageError(
            f"{name} is an encoder-decoder model ({config.model_type}): only decoder-only language models are measured"
        )
    named = tuple(map(str, getattr(config, "architectures", None) or ()))
    if named and not any(one.lower().endswith(_LANGUAGE) for one in named):
        raise UsageError(
            f"{name} holds a {named[0]} (architectures in config.json), which has no language-model head: give the "
            "checkpoint of the causal language model"
        )


def check_reads_forwards(config: Any, name: str) -> None:
    """Raises UsageError for an encoder that is given a language model's head, such as BERT: each of its tokens reads
    those after it too, and transformers keeps no cache for it. ``config``: of the made model, which may have set it."""
    if hasattr(config, "add_cross_attention") and not getattr(config, "is_decoder", True):
        raise UsageError(
            f"{name} is an encoder ({config.model_type}, is_decoder in config.json is false): only decoder-only "
            "language models are measured"
        )
