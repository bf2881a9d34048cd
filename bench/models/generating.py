"""generation_config.json: what a checkpoint asks of every generate call, and what of it a Case leaves aside.

A Case says how it generates: greedy, with its own cache and number of new tokens. A penalty, a static cache or a limit
from the checkpoint's file would change that in silence, and would cost time that no scheme has to answer for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError, first_line

FILE = "generation_config.json"
# Which tokens begin, end and pad a text: part of the model, and kept.
_KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# How transformers writes the file, what every call says anyhow, and what changes no token.
_NO_SETTINGS = (
    "transformers_version", "_from_model_config", "use_cache", "return_dict_in_generate", "output_attentions",
    "output_hidden_states", "output_scores", "output_logits",
)  # fmt: skip


def check(folder: Path, name: str) -> None:
    """Raises UsageError for a file of the checkpoint's that transformers does not take, or without usable tokens."""
    import transformers

    if not (folder / FILE).is_file():
        return
    try:
        own = transformers.GenerationConfig.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except Exception as error:  # each setting is checked in its own way
        raise UsageError(f"{name}: {FILE} cannot be used ({first_line(error)}): correct or remove it") from error
    for token in _KEPT:
        value = getattr(own, token, None)
        if not all(isinstance(one, int | None) for one in (value if isinstance(value, list) else [value])):
            raise UsageError(f"{name}: {token} in {FILE} is {value!r}, and no token's number: correct or remove it")


def settings_unused(model: Any) -> dict[str, Any]:
    """Have ``model`` generate by what the calls say alone; returns the settings of its own that this takes away."""
    import transformers

    own = model.generation_config
    kept = {name: getattr(own, name, None) for name in _KEPT}
    unused = {k: v for k, v in own.to_diff_dict().items() if k not in (*_KEPT, *_NO_SETTINGS) and _is_setting(v)}
    model.generation_config = transformers.GenerationConfig(**kept)
    return unused


def _is_setting(value: Any) -> bool:
    """What JSON can hold, and a Record with it."""
    return isinstance(value, str | int | float | bool | list)
