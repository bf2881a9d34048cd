"""What differs between architectures, asked in one place: where a config keeps its text model, its positions, layers
and head."""

from __future__ import annotations

from typing import Any

from bench.record.errors import UsageError

# How class names of language models end, in every spelling that checkpoints have.
_LANGUAGE = ("forcausallm", "lmheadmodel", "forconditionalgeneration", "forvision2seq", "lmheadcustommodel")


def text_config(config: Any) -> Any:
    """The part of a configuration that describes the text model: itself, or its ``text_config``."""
    return config.get_text_config(decoder=True)


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


def layer_list(model: Any) -> tuple[str, Any] | None:
    """(name, ModuleList) of the decoder layers, found by their number: the largest list of so many; None: there is
    none. Blocks are called "layers", "h" or "blocks", and their classes anything."""
    import torch

    count = layers(model.config)
    lists = [
        (sum(p.numel() for p in module.parameters()), name, module)
        for name, module in model.named_modules()
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
