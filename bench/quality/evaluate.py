"""Evaluates samples: each program in the sandbox, against the answers of the task's own solution, made there too."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench.record.errors import MeasurementError, UsageError
from bench.workloads.prompts import lines_of

from .judge import first_wrong
from .sandbox import Sandbox
from .tasks import PlusTask

Status = Literal["pass", "wrong", "error", "time", "died", "output", "not run"]
# EvalPlus's: a call may take this often as long as the task's own solution, and at least so many seconds; a program
# altogether at most MOST_SECONDS.
TIMES, LEAST_SECONDS, MOST_SECONDS = 4.0, 1.0, 60.0
OWN_SECONDS = 300.0
START_SECONDS = 3.0


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


@dataclass(frozen=True)
class _Right:
    """The right answers of one set of inputs and the seconds that they took."""

    inputs: Sequence[list[Any]]
    lines: Sequence[str]
    seconds: Sequence[float]


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


def _program(line: str, where: str, known: dict[str, PlusTask]) -> tuple[str, str]:
    try:
        told = json.loads(line)
        task = known[str(told["task_id"])]
        program = told["solution"] if "solution" in told else task.prompt + told["completion"]
    except KeyError as error:
        raise UsageError(
            f"{where}: no {error.args[0]!r}: each line needs a known task_id, and solution or completion"
        ) from error
    except (ValueError, RecursionError, TypeError) as error:
        raise UsageError(f"{where}: not a sample ({error})") from error
    if not isinstance(program, str):
        raise UsageError(f"{where}: the program is not text")
    return task.task_id, program


def evaluate(
    tasks: Sequence[PlusTask],
    samples: Sequence[Sample],
    sandbox: Sandbox,
    workers: int,
    done: Callable[[str], None] = lambda _task_id: None,
) -> tuple[Judgement, ...]:
    """A judgement per sample, in the samples' order. ``done`` hears of each task that is finished.

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
        waiting = {pool.submit(_judged, task, by_task[task.task_id], sandbox): task for task in ordered}
        try:
            for future in as_completed(waiting):
                found |= {(j.task_id, j.number): j for j in future.result()}
                done(waiting[future].task_id)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(found[sample.task_id, sample.number] for sample in samples)


def _judged(task: PlusTask, samples: Sequence[Sample], sandbox: Sandbox) -> list[Judgement]:
    base, plus = _right_answers(task, sandbox)
    told: dict[str, Judgement] = {}
    for sample in samples:
        if sample.program not in told:
            first, why = _status(task, sample.program, base, sandbox)
            second: Status = "not run"
            if first == "pass":
                second, why = _status(task, sample.program, plus, sandbox)
            told[sample.program] = Judgement(task.task_id, sample.number, first, second, why)
    return [replace(told[sample.program], number=sample.number) for sample in samples]


def _right_answers(task: PlusTask, sandbox: Sandbox) -> tuple[_Right, _Right]:
    inputs = [*task.base, *task.plus]
    lines, seconds, _, why = _run(task, task.solution, inputs, [OWN_SECONDS] * len(inputs), OWN_SECONDS, sandbox)
    if len(lines) < len(inputs) or len(seconds) < len(inputs):
        raise MeasurementError(
            f"{task.task_id}: its own solution gave {len(lines)} answers to {len(inputs)} inputs ({why}): "
            "the data are damaged, or the sandbox's limits are too tight"
        )
    split = len(task.base)
    return (
        _Right(task.base, lines[:split], seconds[:split]),
        _Right(task.plus, lines[split:], seconds[split:]),
    )


def _status(task: PlusTask, program: str, right: _Right, sandbox: Sandbox) -> tuple[Status, str]:
    limits = [max(LEAST_SECONDS, TIMES * seconds) for seconds in right.seconds]
    most = min(MOST_SECONDS, sum(limits)) + START_SECONDS
    lines, _, ended, why = _run(task, program, right.inputs, limits, most, sandbox)
    wrong = first_wrong(task.entry_point, right.inputs, task.atol, right.lines, lines)
    if wrong is None:
        return "pass", ""
    if wrong < len(lines):
        return "wrong", f"input {wrong}"
    return ended, f"input {wrong}: {why}" if why else f"input {wrong}"


def _run(
    task: PlusTask,
    program: str,
    inputs: Sequence[list[Any]],
    limits: Sequence[float],
    most: float,
    sandbox: Sandbox,
) -> tuple[list[str], list[float], Status, str]:
    """Lines of answers, the seconds of each call, and why there are no more."""
    job = {
        "code": program, "entry_point": task.entry_point, "inputs": inputs, "seconds": limits,
        "load_seconds": most,
    }  # fmt: skip
    outcome = sandbox.run(job, most)
    lines: list[str] = []
    for line in outcome.output.decode("ascii", "replace").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            lines.append(rest)
        elif kind == "t":
            return lines, _seconds(rest), "died", ""
        elif kind == "s":
            return lines, [], "time", "took too long"
        else:
            return lines, [], "error", rest[:80]
    if outcome.end == "time":
        return lines, [], "time", "took too long"
    if outcome.end == "output":
        return lines, [], "output", "wrote too much"
    return lines, [], "died", "the process ended"


def _seconds(text: str) -> list[float]:
    try:
        return [float(value) for value in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return []
