"""generation_config.json: what a checkpoint asks of every generate call, and what of it a Case leaves aside.

A Case says how it generates: greedy, with its own cache and number of new tokens. A penalty, a static cache or a limit
from the checkpoint's file would change that in silence, and would cost time that no scheme has to answer for.
"""

from __future__ import annotations

from typing import Any

# Which tokens begin, end and pad a text: part of the model, and kept.
_KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# How transformers writes the file, what every call says anyhow, and what changes no token.
_NO_SETTINGS = (
    "transformers_version", "_from_model_config", "use_cache", "return_dict_in_generate", "output_attentions",
    "output_hidden_states", "output_scores", "output_logits",
)  # fmt: skip


def settings_unused(model: Any) -> dict[str, Any]:
    """Have ``model`` generate by what the calls say alone; returns the settings of its own that this takes away."""
    import transformers

    own = model.generation_config
    kept = {name: getattr(own, name, None) for name in _KEPT}
    told = {k: v for k, v in own.to_diff_dict().items() if k not in (*_KEPT, *_NO_SETTINGS) and _is_setting(v)}
    model.generation_config = transformers.GenerationConfig(**kept)
    return told


def _is_setting(value: Any) -> bool:
    """What JSON can hold, and a Record with it."""
    return isinstance(value, str | int | float | bool | list)
