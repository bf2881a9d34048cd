"""Which files of a checkpoint's folder hold the weights that transformers loads. No torch: planning asks it too.

Others may lie beside them: the same weights in their makers' own layout (consolidated.safetensors), or shards of an
earlier download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def loaded_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that are loaded, by name: what config.json names, else the whole file, else the shards that
    the index names. () where there are none of these. Raises UsageError for an index that names none."""
    named = _object(folder / "config.json").get("transformers_weights")
    if isinstance(named, str) and named:
        return _shards_of(folder / named) if named.endswith(".json") else (folder / named,)
    if not (folder / WHOLE).is_file() and (folder / INDEX).is_file():
        return _shards_of(folder / INDEX)
    # A folder, a pipe or a link to nothing of that name too, so that it is told to be no file.
    return (folder / WHOLE,) if (folder / WHOLE).exists() or (folder / WHOLE).is_symlink() else ()


def _shards_of(file: Path) -> tuple[Path, ...]:
    return tuple(file.parent / name for name in sorted(shards(_object(file), file)))


def shards(index: Mapping[str, Any], file: Path) -> tuple[str, ...]:
    """The names of the files that an index names, each once. Raises UsageError, with ``file``'s name, for none."""
    named = index.get("weight_map")
    if not isinstance(named, Mapping) or not named:
        raise UsageError(f"{file} names no weights: fetch it again")
    return tuple(dict.fromkeys(map(str, named.values())))


def _object(file: Path) -> Mapping[str, Any]:
    """A JSON object; {} where the file is none, which is told by those who check it."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
