"""HumanEval+ as EvalPlus publishes it: programs to complete, with many inputs for each. Reading only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError
from bench.workloads.prompts import lines_of
from bench.workloads.sources import data_folder


@dataclass(frozen=True)
class PlusTask:
    """One task. ``base`` and ``plus``: argument lists, HumanEval's own and EvalPlus's; ``atol``: how far a float may be
    off (0: the comparison says, see judge.py)."""

    task_id: str
    prompt: str
    canonical_solution: str
    entry_point: str
    atol: float
    base: tuple[list[Any], ...]
    plus: tuple[list[Any], ...]

    @property
    def solution(self) -> str:
        """The whole program that is right."""
        return self.prompt + self.canonical_solution


def shipped() -> Path:
    """The HumanEval+ file of the package (origin and checksum: bench/data/README.md)."""
    return data_folder() / "human-eval-plus" / "HumanEvalPlus.jsonl.gz"


def humaneval_plus(path: str | Path | None = None, only: Iterable[str] = ()) -> tuple[PlusTask, ...]:
    """The tasks of a HumanEval+ file, in file order; without a path, the shipped 164. ``only``: these, by id.

    Raises UsageError, naming the file and the line, for a file that is not HumanEval+, and for an unknown id.
    """
    file = shipped() if path is None else Path(path)
    tasks = tuple(_task(line, where) for where, line in lines_of(file, "HumanEval+"))
    if not tasks:
        raise UsageError(f"{file} has no tasks: give a HumanEval+ .jsonl or .jsonl.gz file")
    wanted = set(only)
    unknown = wanted - {task.task_id for task in tasks}
    if unknown:
        raise UsageError(f"{file} has no task {sorted(unknown)[0]!r}")
    return tuple(task for task in tasks if not wanted or task.task_id in wanted)


def _task(line: str, where: str) -> PlusTask:
    try:
        known = json.loads(line)
        return PlusTask(
            task_id=str(known["task_id"]),
            prompt=str(known["prompt"]),
            canonical_solution=str(known["canonical_solution"]),
            entry_point=str(known["entry_point"]),
            atol=float(known["atol"]),
            base=tuple(list(given) for given in known["base_input"]),
            plus=tuple(list(given) for given in known["plus_input"]),
        )
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise UsageError(f"{where}: not a HumanEval+ task ({type(error).__name__}: {error})") from error
