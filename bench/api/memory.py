"""A model that a program holds in memory, saved for the processes that measure it: each scheme loads it afresh.

What is measured is the checkpoint, in processes of its own (docs/adr/0002): hooks, patches and compiled code of the
object do not travel, and whatever else this process does on the GPU is in nobody's way but the clock's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.record.errors import StorageError, UsageError
from bench.record.store import remedy, why


@contextmanager
def saved(model: Any, tokenizer: Any, folder: Path | None) -> Iterator[tuple[Path, str | None]]:
    """The folder of its checkpoint, and the name that Records give the model: None for a folder that stays, whose path
    names it. Without ``folder`` the checkpoint lies in a temporary one, which goes again.

    Raises UsageError for what cannot be saved as a whole checkpoint, StorageError where there is no room.
    """
    if not hasattr(model, "save_pretrained"):
        raise UsageError(f"measure needs a model of transformers, with save_pretrained, not a {type(model).__name__}")
    if getattr(model, "peft_config", None):
        raise UsageError(
            "this model carries adapters of PEFT: measure model.merge_and_unload(), or give --model a folder"
        )
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: give another folder for the checkpoint")
        _save(model, tokenizer, folder)
        yield folder, None
        return
    with tempfile.TemporaryDirectory(prefix="bitledger-model-") as made:
        _save(model, tokenizer, Path(made))
        yield Path(made), f"memory:{type(model).__name__}"


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    try:
        model.save_pretrained(folder, safe_serialization=True)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    except OSError as error:
        raise StorageError(f"cannot save the model in {folder}: {why(error)}; {remedy(error)}") from error
