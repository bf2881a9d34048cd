"""The source of a bundle: the last commit of a git checkout, or the tree as it is where there is no git."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from .archive import extract
from .errors import BundleError

# Kept runs are 15 MB of archive: only the tests read them.
_RUNS = "reports/runs"
_NOT_SOURCE = shutil.ignore_patterns(
    *(".git", ".venv", ".whl", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "build", "dist", "bundle"),
)


def put_source(root: Path, folder: Path, with_runs: bool) -> dict[str, str]:
    """Fill ``folder``; returns {"commit": …}, or {"commit_reason": …} where there is none."""
    if _is_checkout(root):
        return _archive_head(root, folder, with_runs)
    shutil.copytree(root, folder, ignore=_NOT_SOURCE, dirs_exist_ok=True)
    if not with_runs:
        _empty_runs(folder)
    return {"commit_reason": "bundled from a tree that is no git checkout"}


def uncommitted(root: Path) -> int:
    """How many changed files do not travel, because they are not in the last commit."""
    if not _is_checkout(root):
        return 0
    return len(_git(root, "status", "--porcelain", "--untracked-files=no").splitlines())


def _archive_head(root: Path, folder: Path, with_runs: bool) -> dict[str, str]:
    what = ["."] if with_runs else [".", f":(exclude){_RUNS}/*/**"]
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "--format=tar", "HEAD", "--", *what))) as archive:
        extract(archive, folder)
    return {"commit": _git(root, "rev-parse", "HEAD").decode().strip()}


def _empty_runs(folder: Path) -> None:
    for run in (folder / _RUNS).glob("*/"):
        shutil.rmtree(run)


def _is_checkout(root: Path) -> bool:
    return (root / ".git").exists() and shutil.which("git") is not None


def _git(root: Path, *words: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise BundleError(f"git {words[0]} failed: {''.join(last)}") from error
