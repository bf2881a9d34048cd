"""Evaluates samples: each program in the sandbox, against the answers of the task's own solution, made there too."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.record.errors import MeasurementError, UsageError
from bench.record.schema import Finding
from bench.workloads import completions
from bench.workloads.prompts import lines_of

from .answers import Answers, Kept
from .judge import first_wrong
from .sandbox import Box, Sandbox
from .tasks import PlusTask

Status = Literal["pass", "wrong", "error", "time", "died", "output", "not run"]
# EvalPlus's: a call may take this often as long as the task's own solution, and at least so many seconds; a program
# altogether at most MOST_SECONDS.
TIMES, LEAST_SECONDS, MOST_SECONDS = 4.0, 1.0, 60.0
OWN_SECONDS = 300.0
START_SECONDS = 3.0
# How a program ended that was stopped for what it did.
_ENDS: Mapping[str, tuple[Status, str]] = {
    "output": ("output", "wrote too much"),
    "files": ("output", "made too many files"),
    "long": ("wrong", "longer than any right answer"),
}


@dataclass(frozen=True)
class Sample:
    """One program for one task; ``number`` counts those of the same task."""

    task_id: str
    number: int
    program: str


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


class _Line(msgspec.Struct):
    task_id: str | int
    solution: str | None = None
    completion: str | None = None


def _program(line: str, where: str, known: dict[str, PlusTask]) -> tuple[str, str]:
    try:
        # Fields beyond these are not even built, and no text gets through that could not be written for the sandbox.
        told = msgspec.json.decode(line, type=_Line)
        task = known[str(told.task_id)]
    except KeyError as error:
        raise UsageError(f"{where}: no task {error.args[0]!r}: the task_id must be one of the dataset's") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: not a sample ({error}): each line needs task_id, and the text solution or completion"
        ) from error
    if told.solution is None and told.completion is None:
        raise UsageError(f"{where}: no program: each line needs solution or completion")
    return task.task_id, told.solution if told.solution is not None else task.prompt + str(told.completion)


def stalled(tasks: Sequence[PlusTask], samples: Sequence[Sample]) -> Finding | None:
    """Where many samples add nothing to the prompt that they begin with, or the same function anew: the score is then
    about how the prompt ends, not about the model. Samples that do not begin with their prompt are not looked at, nor
    tasks whose prompt begins no function (MBPP's)."""
    known = {task.task_id: task for task in tasks}
    count = sum(_is_stalled(known[sample.task_id], sample.program) for sample in samples)
    return completions.finding(count, len(samples))


def _is_stalled(task: PlusTask, program: str) -> bool:
    begun, prompt = program.lstrip(), task.prompt.strip()
    if f"def {task.entry_point}" not in prompt or not begun.startswith(prompt):
        return False
    return completions.stalled(completions.cut(begun.removeprefix(prompt)), task.entry_point)


def evaluate(
    tasks: Sequence[PlusTask],
    samples: Sequence[Sample],
    sandbox: Sandbox,
    workers: int,
    done: Callable[[str], None] = lambda _task_id: None,
    kept: Kept | None = None,
) -> tuple[Judgement, ...]:
    """A judgement per sample, in the samples' order. ``done`` hears of each task that is finished; ``kept``: right
    answers of earlier runs.

    Raises MeasurementError where a task's own solution gives no answers: then the sandbox or the data is at fault.
    """
    by_task: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task_id].append(sample)
    work = [task for task in tasks if task.task_id in by_task]

    found: dict[tuple[str, int], Judgement] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        # Few inputs first: EvalPlus gave few to tasks whose solutions are slow, and none of those should be the last.
        ordered = sorted(work, key=lambda task: len(task.plus))
        waiting = {pool.submit(_judged, task, by_task[task.task_id], sandbox, kept): task for task in ordered}
        try:
            for future in as_completed(waiting):
                found |= {(j.task_id, j.number): j for j in future.result()}
                done(waiting[future].task_id)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(found[sample.task_id, sample.number] for sample in samples)


def _judged(task: PlusTask, samples: Sequence[Sample], sandbox: Sandbox, kept: Kept | None) -> list[Judgement]:
    right = kept.get(task) if kept else None
    if right is None:
        right = _right_answers(task, sandbox)
        if kept:
            kept.put(task, right)
    # A kept answer that is long is a hash; what a wrong program's is compared with is made when the first one needs it.
    again = cache(lambda: _right_answers(task, sandbox))
    told: dict[str, Judgement] = {}
    for sample in samples:
        if sample.program not in told:
            told[sample.program] = _judgement(task, sample, right, again, sandbox)
    return [replace(told[sample.program], number=sample.number) for sample in samples]


def _right_answers(task: PlusTask, sandbox: Sandbox) -> tuple[Answers, Answers]:
    found: list[Answers] = []
    with sandbox.box(task.solution, task.entry_point, task.rule == "whether") as box:
        for inputs in (task.base, task.plus):
            lines, seconds, _, why = _asked(box, inputs, [OWN_SECONDS] * len(inputs), OWN_SECONDS, OWN_SECONDS)
            if len(lines) < len(inputs) or len(seconds) < len(inputs):
                raise MeasurementError(
                    f"{task.task_id}: its own solution gave {len(lines)} answers to {len(inputs)} inputs ({why}): "
                    "the data are damaged, or the sandbox's limits are too tight"
                )
            found.append(Answers(tuple(lines), tuple(seconds)))
    return found[0], found[1]


def _judgement(
    task: PlusTask,
    sample: Sample,
    right: tuple[Answers, Answers],
    again: Callable[[], tuple[Answers, Answers]],
    sandbox: Sandbox,
) -> Judgement:
    """Both sets of inputs in one box, the second only where the first went well."""
    told: list[Status] = []
    why = ""
    with sandbox.box(sample.program, task.entry_point, task.rule == "whether") as box:
        for place, inputs in enumerate((task.base, task.plus)):
            limits = [max(LEAST_SECONDS, TIMES * seconds) for seconds in right[place].seconds]
            load = min(MOST_SECONDS, sum(limits)) + START_SECONDS
            lines, _, ended, why = _asked(box, inputs, limits, load, load)
            whole = _whole_lines(again, place)
            wrong = first_wrong(task.rule, inputs, task.atol, right[place].lines, lines, whole)
            if wrong is not None:
                told.append("wrong" if wrong < len(lines) else ended)
                why = f"input {wrong}: {why}" if why and wrong >= len(lines) else f"input {wrong}"
                break
            told.append("pass")
            why = ""
    return Judgement(task.task_id, sample.number, told[0], told[1] if len(told) > 1 else "not run", why)


def _whole_lines(again: Callable[[], tuple[Answers, Answers]], place: int) -> Callable[[], Sequence[bytes]]:
    return lambda: [line for line in again()[place].lines if isinstance(line, bytes)]


def _asked(
    box: Box, inputs: Sequence[list[Any]], limits: Sequence[float], load: float, most: float
) -> tuple[list[bytes], list[float], Status, str]:
    """Lines of answers, the seconds of each call, and why there are no more."""
    outcome = box.ask(inputs, limits, load, most)
    lines: list[bytes] = []
    for line in outcome.lines:
        kind, _, rest = line.partition(b" ")
        if kind == b"v":
            lines.append(rest)
        elif kind == b"t":
            return lines, _seconds(rest), "died", ""
        elif kind == b"s":
            return lines, [], "time", "took too long"
        else:
            return lines, [], "error", rest[:80].decode("ascii", "replace")
    if outcome.end == "time":
        return lines, [], "time", "took too long"
    if outcome.end in _ENDS:
        return lines, [], *_ENDS[outcome.end]
    return lines, [], "died", "the process ended"


def _seconds(text: bytes) -> list[float]:
    try:
        return [float(value) for value in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return []
