"""The judgements of an evaluation that has not ended yet, so that an interruption costs only what was running.

One file in the user's folder for each evaluation; it goes when that ends. A line that is damaged or cut says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .answers import is_ours
from .samples import Judgement, Sample
from .sandbox import HERE, Sandbox
from .tasks import PlusTask

Key = tuple[str, str]


class Journal:
    """Where finished judgements are written as they come. ``found``: those of the evaluation that was interrupted, by
    task and program."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.found: Mapping[Key, Judgement] = _read(file) if file else {}

    def add(self, sample: Sample, judgement: Judgement) -> None:
        """What cannot be written is not kept."""
        if self._file is None:
            return
        text = json.dumps([_digest(sample.program), asdict(judgement)], separators=(",", ":"))
        line = f"{_digest(text)} {text}\n".encode("ascii")
        with self._lock, contextlib.suppress(OSError), self._file.open("ab") as out:
            out.write(line)

    def get(self, sample: Sample) -> Judgement | None:
        """An earlier judgement of this program."""
        return self.found.get((sample.task_id, _digest(sample.program)))

    def end(self) -> None:
        """All is judged: the next evaluation judges anew."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def journal(folder: Path, tasks: Sequence[PlusTask], samples: Iterable[Sample], sandbox: Sandbox) -> Journal:
    """The one of this evaluation: the same samples, tasks, limits, interpreter and judge. One that keeps nothing where
    the folder is not ours alone or cannot be made."""
    facts = [
        sorted((sample.task_id, _digest(sample.program)) for sample in samples),
        [(task.task_id, _digest(repr(task))) for task in tasks],
        [_digest(file.read_text(encoding="utf-8")) for file in sorted(HERE.glob("*.py"))],
        (sys.version, np.__version__, platform.node(), sandbox.bubblewrap, sandbox.limits, sorted(sandbox.without)),
    ]
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Journal(folder / f"{_digest(repr(facts))}.jsonl" if is_ours(folder) else None)


def _digest(text: str) -> str:
    # A program may hold a lone surrogate.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(file: Path) -> dict[Key, Judgement]:
    found: dict[Key, Judgement] = {}
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        digest, _, text = line.partition(" ")
        if digest == _digest(text):
            program, document = json.loads(text)
            found[document["task_id"], program] = Judgement(**document)
    return found
