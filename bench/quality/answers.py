"""The right answers of a task, and a folder of the user's that keeps them, because making them takes half of the time.

The folder is no part of any sandbox. An entry is one task's; its name is a hash of all that the answers and their
seconds depend on: the task, Python and NumPy, this package's way of writing answers, the limits, the machine. It says
its own hash too; what is damaged, or could have been written by somebody else, is not used, and the answers are made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .judge import Hashed, Right
from .sandbox import HERE, Limits
from .tasks import PlusTask

# Longer lines are kept as a hash: 255 MB of answers become 6 MB.
LONG = 512
_ASK = ("inside.py", "values.py", "judge.py", "answers.py")


@dataclass(frozen=True)
class Answers:
    """Right answers to one set of inputs, and the seconds that they took."""

    lines: tuple[Right, ...]
    seconds: tuple[float, ...]


Both = tuple[Answers, Answers]


@dataclass
class Kept:
    """Answers that were made before, in ``folder``. ``found``, ``made``: how many were there, and how many not."""

    folder: Path
    limits: Limits
    found: int = 0
    made: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def get(self, task: PlusTask) -> Both | None:
        """A task's, or None where they are to be made."""
        both = _read(self._file(task), (len(task.base), len(task.plus))) if is_ours(self.folder) else None
        with self._lock:
            self.found += both is not None
            self.made += both is None
        return both

    def put(self, task: PlusTask, both: Both) -> None:
        """Keep a task's for the next time. What cannot be written is not kept."""
        text = json.dumps([_short(answers) for answers in both], separators=(",", ":")).encode()
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_ours(self.folder):
                _replace(self._file(task), _hash(text).encode() + b"\n" + text)

    def _file(self, task: PlusTask) -> Path:
        facts = [task, _sources(), sys.version, np.__version__, self.limits, platform.node()]
        # repr, because MBPP+ has tuples and sets; a set's order may differ from run to run: then it is made again.
        return self.folder / f"{_hash(repr(facts).encode())}.json"


def folder() -> Path:
    """Where the answers are kept: XDG's place for what may be lost."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "bitledger" / "answers"


def _sources() -> list[str]:
    return [_hash((HERE / name).read_bytes()) for name in _ASK]


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def is_ours(folder: Path) -> bool:
    """Whether the folder is there and nobody else may write there: a stranger's answers would let wrong ones pass."""
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _short(answers: Answers) -> Mapping[str, Any]:
    lines: list[Any] = []
    for line in answers.lines:
        # What holds a NaN does not equal itself, so a hash would not tell.
        kept = Hashed.of(line) if isinstance(line, bytes) and len(line) > LONG and b"NaN" not in line else line
        lines.append([kept.digest, kept.floats, kept.length] if isinstance(kept, Hashed) else kept.decode("ascii"))
    return {"lines": lines, "seconds": answers.seconds}


def _read(file: Path, lengths: tuple[int, int]) -> Both | None:
    try:
        digest, _, text = file.read_bytes().partition(b"\n")
        if digest != _hash(text).encode():
            return None
        base, plus = (_long(each) for each in json.loads(text))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return (base, plus) if (len(base.lines), len(plus.lines)) == lengths else None


def _long(document: Mapping[str, Any]) -> Answers:
    lines = (Hashed(*line) if isinstance(line, list) else line.encode("ascii") for line in document["lines"])
    return Answers(tuple(lines), tuple(document["seconds"]))


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all, also where two evaluations write it."""
    handle, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
