"""The files carried with the package: figures of the study with their source, never its files or their text."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def read(name: str) -> dict[str, Any]:
    """The parsed data/``name``.json. Raises FileNotFoundError for a name that is none."""
    room = resources.files(__package__).joinpath("data", f"{name}.json")
    return dict(json.loads(room.read_text(encoding="utf-8")))
