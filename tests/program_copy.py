"""A copy of the program, for tests that change its files."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What an interpreter is writing just now: its bytecode gets its name when it is whole.
_UNFINISHED = shutil.ignore_patterns("*.pyc.*")


def copy_program(folder: Path, *packages: str) -> None:
    """These packages with their bytecode: else every interpreter that runs the copy would compile all of it."""
    for name in packages:
        shutil.copytree(ROOT / name, folder / name, ignore=_UNFINISHED)
