"""HumanEval+ and MBPP+ as EvalPlus publishes them: programs to complete, with many inputs for each. Reading only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from bench.record.errors import UsageError
from bench.workloads.prompts import lines_of
from bench.workloads.sources import data_folder

Rule = Literal["equal", "root", "whether", "set", "any", "zero", "surface", "distance"]


@dataclass(frozen=True)
class PlusTask:
    """One task. ``base`` and ``plus``: argument lists, the benchmark's own and EvalPlus's; ``atol``: how far a float
    may be off (0: the comparison says, see judge.py); ``rule``: which answers are right besides the canonical's, or
    how they are compared ("whether": only whether there is one; "set": in any order)."""

    task_id: str
    prompt: str
    canonical_solution: str
    entry_point: str
    atol: float
    base: tuple[list[Any], ...]
    plus: tuple[list[Any], ...]
    rule: Rule = "equal"

    @property
    def solution(self) -> str:
        """The whole program that is right."""
        return self.prompt + self.canonical_solution


# Of a task's id and what JSON holds.
Arguments = Callable[[str, list[Any]], list[Any]]


def _as_given(_task_id: str, given: list[Any]) -> list[Any]:
    return given


def shipped() -> Path:
    """The HumanEval+ file of the package (origin and checksum: bench/data/README.md)."""
    return data_folder() / "human-eval-plus" / "HumanEvalPlus.jsonl.gz"


def humaneval_plus(path: str | Path | None = None, only: Iterable[str] = ()) -> tuple[PlusTask, ...]:
    """The tasks of a HumanEval+ file, in file order; without a path, the shipped 164. ``only``: these, by id.

    Raises UsageError, naming the file and the line, for a file that is not HumanEval+, and for an unknown id.
    """
    file = shipped() if path is None else Path(path)
    every = _shipped_tasks(file) if path is None else _every(file, "HumanEval+", _humaneval_rule)
    return _chosen(every, file, only)


@lru_cache(maxsize=1)
def _shipped_tasks(file: Path) -> tuple[PlusTask, ...]:
    return _every(file, "HumanEval+", _humaneval_rule)


def read(
    file: Path, what: str, only: Iterable[str], rule: Callable[[str], Rule], arguments: Arguments
) -> tuple[PlusTask, ...]:
    """Tasks of a file of EvalPlus's. ``rule``: of an entry point; ``arguments``: of a task's id and what JSON holds.

    Raises UsageError as humaneval_plus does; ``what`` names what the file should hold.
    """
    return _chosen(_every(file, what, rule, arguments), file, only)


def _every(
    file: Path, what: str, rule: Callable[[str], Rule], arguments: Arguments = _as_given
) -> tuple[PlusTask, ...]:
    tasks = tuple(_task(line, where, what, rule, arguments) for where, line in lines_of(file, what))
    if not tasks:
        raise UsageError(f"{file} has no tasks: give a {what} .jsonl or .jsonl.gz file")
    return tasks


def _chosen(tasks: tuple[PlusTask, ...], file: Path, only: Iterable[str]) -> tuple[PlusTask, ...]:
    wanted = set(only)
    unknown = wanted - {task.task_id for task in tasks}
    if unknown:
        raise UsageError(f"{file} has no task {sorted(unknown)[0]!r}")
    return tuple(task for task in tasks if not wanted or task.task_id in wanted)


def _humaneval_rule(entry_point: str) -> Rule:
    return "root" if entry_point == "find_zero" else "equal"


def _task(line: str, where: str, what: str, rule: Callable[[str], Rule], arguments: Arguments) -> PlusTask:
    try:
        known = json.loads(line)
        task_id, entry_point = str(known["task_id"]), str(known["entry_point"])
        return PlusTask(
            task_id=task_id,
            prompt=str(known["prompt"]),
            canonical_solution=str(known["canonical_solution"]),
            entry_point=entry_point,
            atol=float(known["atol"]),
            base=tuple(list(arguments(task_id, given)) for given in known["base_input"]),
            plus=tuple(list(arguments(task_id, given)) for given in known["plus_input"]),
            rule=rule(entry_point),
        )
    except (ValueError, RecursionError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UsageError(f"{where}: not a {what} task ({type(error).__name__}: {error})") from error
