"""A small file replaced as a whole: a reader sees the old text or the new one, whatever stops meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .store import sync_folder


def replace_text(file: Path, text: str | Iterable[str]) -> None:
    """Write ``text``, or its pieces, in the place of what the file held. Raises OSError where it cannot be written."""
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.writelines((text,) if isinstance(text, str) else text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    sync_folder(file.parent)
