"""The commit of a source tree that came in a bundle (docs/hosts.md), and whether it was changed since."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_MANIFEST = "bundle/manifest.json"
# Wheels are not the source, and runs are what it writes.
_NOT_SOURCE = ("bundle/", "reports/")


def bundled_commit(repository: Path) -> dict[str, Any]:
    """{"commit", "dirty", "commit_from"} by the bundle's manifest; nothing where there is none that names a commit."""
    try:
        manifest = json.loads((repository / _MANIFEST).read_text())
        commit, files = str(manifest["commit"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    source = {name: digest for name, digest in files.items() if not name.startswith(_NOT_SOURCE)}
    dirty = any(_sha256(repository / name) != digest for name, digest in source.items())
    return {"commit": commit, "dirty": dirty, "commit_from": "the bundle"}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
