"""bundle/manifest.json: what the bundle is for, and the sha256 of every file. Standard library only: hosts read it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import BundleError

# 1: first.
FORMAT = 1
PLACE = "bundle/manifest.json"


def write_manifest(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Hash every file under ``folder`` and write the manifest into it."""
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() != PLACE
    }
    manifest = {"format": FORMAT, **facts, "files": files}
    (folder / PLACE).parent.mkdir(parents=True, exist_ok=True)
    (folder / PLACE).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises BundleError if ``folder`` is no bundle, or one that this version does not know."""
    try:
        manifest = json.loads((folder / PLACE).read_text())
    except FileNotFoundError:
        raise BundleError(f"{folder} is no bundle (no {PLACE}): OFFLINE names an archive of 'make bundle'") from None
    except ValueError as error:
        raise BundleError(f"{folder / PLACE} is damaged ({error}): copy and unpack the archive again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(f"{folder / PLACE} is not of format {FORMAT}: make the bundle with this version of bitledger")
    return manifest


def verify(folder: Path, manifest: dict[str, Any]) -> None:
    """Raises BundleError for the first file that is missing, changed, or named outside the bundle."""
    for name, expected in manifest["files"].items():
        path = folder / name
        if not inside(name):
            raise BundleError(f"the manifest names {name!r}, outside the bundle: do not use this archive")
        if not path.is_file():
            raise BundleError(f"{name} is missing from the bundle: copy and unpack the archive again")
        if sha256(path) != expected:
            raise BundleError(f"{name} is not as it was packed (sha256): copy and unpack the archive again")


def inside(name: str) -> bool:
    """Whether a name from an archive stays in the folder it is unpacked to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
