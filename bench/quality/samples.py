"""Programs of a model, as EvalPlus keeps them, and what a judgement of one says."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from bench.record.errors import UsageError
from bench.record.schema import Finding
from bench.workloads import completions
from bench.workloads.prompts import lines_of

from .tasks import PlusTask

Status = Literal["pass", "wrong", "error", "time", "died", "output", "not run"]


@dataclass(frozen=True)
class Sample:
    """One program for one task; ``number`` counts those of the same task."""

    task_id: str
    number: int
    program: str


OUT_OF_MEMORY = "killed: this machine or container had no memory left"


@dataclass(frozen=True)
class Judgement:
    """``base``, ``plus``: how HumanEval's own and EvalPlus's inputs went. ``plus`` is not run where base failed."""

    task_id: str
    number: int
    base: Status
    plus: Status
    why: str = ""

    @property
    def passed(self) -> bool:
        """HumanEval+'s verdict: all inputs."""
        return self.base == self.plus == "pass"


def read_samples(file: Path, tasks: Sequence[PlusTask]) -> tuple[Sample, ...]:
    """Samples as EvalPlus keeps them: JSON lines with ``task_id`` and ``solution``, or ``completion`` of the prompt.

    Raises UsageError, naming the line, for what is none, and for tasks that are unknown.
    """
    known = {task.task_id: task for task in tasks}
    counts: dict[str, int] = defaultdict(int)
    samples = []
    for where, line in lines_of(file, "samples"):
        task_id, program = _program(line, where, known)
        samples.append(Sample(task_id, counts[task_id], program))
        counts[task_id] += 1
    if not samples:
        raise UsageError(f"{file} holds no samples: give JSON lines with task_id and solution or completion")
    return tuple(samples)


class _SampleLine(msgspec.Struct):
    task_id: str | int
    solution: str | None = None
    completion: str | None = None


def _program(line: str, where: str, known: dict[str, PlusTask]) -> tuple[str, str]:
    try:
        entry = _decoded(line)
        task = known[str(entry.task_id)]
    except KeyError as error:
        raise UsageError(f"{where}: no task {error.args[0]!r}: the task_id must be one of the dataset's") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: not a sample ({error}): each line needs task_id, and the text solution or completion"
        ) from error
    if entry.solution is None and entry.completion is None:
        raise UsageError(f"{where}: no program: each line needs solution or completion")
    return task.task_id, entry.solution if entry.solution is not None else task.prompt + str(entry.completion)


def _decoded(line: str) -> _SampleLine:
    """Raises ValueError or RecursionError for what is no sample."""
    try:
        # Fields beyond these are not even built.
        return msgspec.json.decode(line, type=_SampleLine)
    except ValueError:
        if "\\ud" not in line.lower():
            raise
        # A text with half a character (a lone surrogate) is a program that Python refuses: one sample, not the file.
        return msgspec.convert(json.loads(line), type=_SampleLine)


def stalled(tasks: Sequence[PlusTask], samples: Sequence[Sample]) -> Finding | None:
    """Where many samples add nothing to the prompt that they begin with, or the same function anew: the score is then
    about how the prompt ends, not about the model. Samples that do not begin with their prompt are not looked at, nor
    tasks whose prompt begins no function (MBPP's)."""
    known = {task.task_id: task for task in tasks}
    count = sum(_is_stalled(known[sample.task_id], sample.program) for sample in samples)
    return completions.finding(count, len(samples))


def fenced(samples: Sequence[Sample]) -> Finding | None:
    """Where many samples hold a fence of Markdown: answers of a chat model, which as they are fail as Python."""
    count = sum(bool(_FENCE.search(sample.program)) for sample in samples)
    if count <= completions.MOST_STALLED * len(samples):
        return None
    return Finding(
        "programs-fenced",
        "warning",
        f"{count} of {len(samples)} samples hold a fence of Markdown, ```: what is judged is the text around it too",
        remedy="add --sanitize, which takes the programs out with evalplus.sanitize (extra quality)",
    )


# At the beginning of a line, as Markdown has it.
_FENCE = re.compile(r"^\s*```", re.MULTILINE)


def out_of_memory(judged: Sequence[Judgement]) -> Finding | None:
    """What the kernel killed may be right: another machine would have told."""
    killed = sum(one.why.endswith(OUT_OF_MEMORY) for one in judged)
    if not killed:
        return None
    return Finding(
        "killed-for-memory",
        "warning",
        f"{killed} of {len(judged)} programs were killed because this machine or container had no memory left: the "
        "score may be too low",
        remedy="evaluate with fewer --workers, or where there is more memory",
    )


def _is_stalled(task: PlusTask, program: str) -> bool:
    begun, prompt = program.lstrip(), task.prompt.strip()
    if f"def {task.entry_point}" not in prompt or not begun.startswith(prompt):
        return False
    return completions.stalled(completions.cut(begun.removeprefix(prompt)), task.entry_point)
