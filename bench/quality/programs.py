"""One program: its box is asked for the answers to both sets of inputs, and these are judged outside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bench.record.errors import MeasurementError

from .answers import Answers, Both
from .box import Asked, Box, NotBegunError
from .error_names import error_name
from .judge import Compare, first_wrong, longest
from .samples import OUT_OF_MEMORY, Judgement, Sample, Status
from .sandbox import Sandbox
from .tasks import PlusTask

# EvalPlus's: a call may take this often as long as the task's own solution, and at least so many seconds; a program
# altogether at most MOST_SECONDS.
TIMES, LEAST_SECONDS, MOST_SECONDS = 4.0, 1.0, 60.0
OWN_SECONDS = 300.0
START_SECONDS = 3.0
# A box that does not begin is tried so often, s apart.
TRIES, REST_SECONDS = 3, 0.5
Made = TypeVar("Made")
NOT_RUN: Status = "not run"
# How a second set may end because of what the program did to its process when it was loaded for the first.
_BY_ITSELF: tuple[Status, ...] = ("error", "died", "wrong")
# How a program ended that was stopped for what it did.
_ENDS: Mapping[str, tuple[Status, str]] = {
    "output": ("output", "wrote too much"),
    "files": ("output", "made too many files"),
    "long": ("wrong", "longer than any right answer"),
    "memory": ("died", OUT_OF_MEMORY),
}


def right_answers(task: PlusTask, sandbox: Sandbox) -> Both:
    """What the task's own solution answers. Raises MeasurementError where it does not."""

    def ask(box: Box) -> Both:
        found: list[Answers] = []
        for inputs in (task.base, task.plus):
            answered = _answers_of(box, inputs, [OWN_SECONDS] * len(inputs), OWN_SECONDS)
            seconds = _seconds(answered.last)
            if len(answered.answers) < len(inputs) or len(seconds) < len(inputs):
                raise MeasurementError(
                    f"{task.task_id}: its own solution gave {len(answered.answers)} answers to {len(inputs)} inputs "
                    f"({answered.why}): the data are damaged, or the sandbox's limits are too tight"
                )
            found.append(Answers(tuple(answered.answers), tuple(seconds)))
        return found[0], found[1]

    return _in_box(task, task.solution, sandbox, ask)


def judgement(
    task: PlusTask, sample: Sample, right: Both, again: Callable[[], Both], sandbox: Sandbox, compare: Compare
) -> Judgement:
    """Both sets of inputs, the second only where the first went well. ``again`` and ``compare`` as for
    judge.first_wrong."""

    def one(box: Box, place: int) -> tuple[Status, str]:
        inputs = (task.base, task.plus)[place]
        limits = [max(LEAST_SECONDS, TIMES * seconds) for seconds in right[place].seconds]
        most = min(MOST_SECONDS, sum(limits)) + START_SECONDS
        expected = right[place].lines
        asked = _answers_of(box, inputs, limits, most, longest(task.rule, expected))
        whole = _whole_lines(again, place)
        wrong = first_wrong(task.rule, inputs, task.atol, expected, asked.answers, whole, compare)
        if wrong is None and asked.is_whole:
            return "pass", ""
        # Answers that are all right, and no end after them, are no honest program's.
        wrong = len(asked.answers) if wrong is None else wrong
        if wrong < len(asked.answers):
            return "wrong", f"input {wrong}"
        reason = error_name(asked.why, sample.program) if asked.status == "error" else asked.why
        return asked.status, f"input {wrong}: {reason}" if reason else f"input {wrong}"

    def both(box: Box) -> Judgement:
        base, why = one(box, 0)
        plus, why = one(box, 1) if base == "pass" else (NOT_RUN, why)
        return Judgement(task.task_id, sample.number, base, plus, why)

    made = _in_box(task, sample.program, sandbox, both)
    if made.base != "pass" or made.plus not in _BY_ITSELF:
        return made
    # Loaded once more into the same process, it may have met what it changed itself.
    plus, why = _in_box(task, sample.program, sandbox, lambda box: one(box, 1))
    return replace(made, plus=plus, why=why)


def _in_box(task: PlusTask, program: str, sandbox: Sandbox, ask: Callable[[Box], Made]) -> Made:
    """What ``ask`` gives of a box with the program. Raises NotBegunError where the machine makes none."""
    asked: Asked = "whether" if task.rule == "whether" else "items" if task.rule == "set" else "answer"
    left = TRIES
    while True:
        try:
            with sandbox.box(program, task.entry_point, asked) as box:
                return ask(box)
        except NotBegunError as error:
            left -= 1
            if not left:
                raise NotBegunError(
                    f"{task.task_id}: {error}, {TRIES} times, so nothing is known of its program: evaluate with fewer "
                    "--workers, or where there is more memory"
                ) from error
        time.sleep(REST_SECONDS)


def _whole_lines(again: Callable[[], Both], place: int) -> Callable[[], Sequence[bytes]]:
    return lambda: [line for line in again()[place].lines if isinstance(line, bytes)]


@dataclass(frozen=True)
class _Told:
    """Lines of answers, why there are no more, and whether the set came to its end; ``last``: what its end holds."""

    answers: Sequence[bytes]
    last: bytes
    status: Status
    why: str
    is_whole: bool = False


def _answers_of(
    box: Box, inputs: Sequence[list[Any]], limits: Sequence[float], most: float,
    longest_: Sequence[int | None] | None = None,
) -> _Told:  # fmt: skip
    """``most``: seconds of loading the program, and of wall time in all."""
    outcome = box.ask(inputs, limits, most, most, longest_)
    answers = [line[2:] for line in outcome.lines if line.startswith(b"v ")]
    kind, _, rest = (outcome.lines[-1] if outcome.lines else b"").partition(b" ")
    if outcome.end in _ENDS:
        return _Told(answers, b"", *_ENDS[outcome.end])
    if kind == b"t":
        return _Told(answers, rest, "died", "", True)
    if kind == b"s" or outcome.end == "time":
        return _Told(answers, b"", "time", "took too long")
    if kind in (b"v", b""):
        return _Told(answers, b"", "died", "the process ended")
    return _Told(answers, b"", "error", rest[:80].decode("ascii", "replace"))


def _seconds(text: bytes) -> list[float]:
    try:
        return [float(value) for value in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return []
