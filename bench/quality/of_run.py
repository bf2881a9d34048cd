"""Judges the programs that a run's arms wrote: a "quality" Record beside each "samples" Record, of the same Case."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache

from bench.record.errors import UsageError
from bench.record.instruments import QUALITY, SAMPLES
from bench.record.schema import Case, Environment, Finding, Record, metric
from bench.workloads import completions
from bench.workloads.prompts import CHAT, humaneval, program, style_of

from .answers import Kept
from .evaluate import Judgement, Sample, evaluate
from .samples import out_of_memory
from .sandbox import Sandbox
from .sanitise import sanitise, version
from .tasks import PlusTask, humaneval_plus


@dataclass(frozen=True)
class Judging:
    """What a quality Record says of who judged: ``argv`` and ``environment`` are those of the judging machine."""

    run_id: str
    argv: tuple[str, ...]
    environment: Environment


def waiting(records: Sequence[Record]) -> tuple[Record, ...]:
    """The samples that no quality Record judges yet."""
    judged = {(r.case_id, r.repeat) for r in records if r.instrument == QUALITY and r.status == "ok"}
    found = (r for r in records if r.instrument == SAMPLES and r.status == "ok")
    return tuple(r for r in found if (r.case_id, r.repeat) not in judged)


@cache
def _prompts() -> dict[str, str]:
    return {task.task_id: task.prompt for task in humaneval()}


@dataclass(frozen=True)
class TakenOut:
    """The programs that EvalPlus's sanitiser took out of a chat model's answers: (task_id, answer) → program. ``by``:
    which sanitiser, or why there is none; "" where no chat is judged."""

    programs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    by: str = ""


def take_out(records: Iterable[Record]) -> TakenOut:
    """Of the answers of all chats in these records, where evalplus is installed."""
    chats = [record for record in records if style_of(record.case) == CHAT]
    if not chats:
        return TakenOut()
    try:
        by = version()
    except UsageError:
        return TakenOut(by="not: evalplus is not installed")
    answers = list(dict.fromkeys(pair for record in chats for pair in _answers(record)))
    made = sanitise([Sample(task_id, 0, text) for task_id, text in answers], _entry_points())
    return TakenOut(dict(zip(answers, (one.program for one in made.samples), strict=True)), by)


def _answers(record: Record) -> Iterator[tuple[str, str]]:
    return zip(record.setup["tasks"], record.setup["completions"], strict=True)


def _programs(record: Record, taken: TakenOut) -> list[tuple[str, str]]:
    """(task_id, program) for each task of a samples Record, in its order."""
    style = style_of(record.case)
    if style == CHAT:
        return [(one[0], taken.programs.get(one, completions.unfenced(one[1]))) for one in _answers(record)]
    return [(task_id, program(_prompts()[task_id], style, text)) for task_id, text in _answers(record)]


@cache
def _entry_points() -> dict[str, str]:
    return {task.task_id: task.entry_point for task in humaneval()}


def distinct(records: Iterable[Record], taken: TakenOut = TakenOut()) -> tuple[Sample, ...]:
    """Every program once: arms often write the same one."""
    seen = dict.fromkeys(pair for record in records for pair in _programs(record, taken))
    numbers: dict[str, int] = {}
    samples = []
    for task_id, text in seen:
        numbers[task_id] = numbers.get(task_id, -1) + 1
        samples.append(Sample(task_id, numbers[task_id], text))
    return tuple(samples)


def judge(
    records: Sequence[Record],
    sandbox: Sandbox,
    workers: int,
    by: Judging,
    done: Callable[[str], None],
    kept: Kept | None = None,
) -> tuple[Record, ...]:
    """A quality Record for each of ``records``. ``done`` and ``kept`` as for ``evaluate``."""
    taken = take_out(records)
    samples = distinct(records, taken)
    tasks = humaneval_plus(None, sorted({sample.task_id for sample in samples}))
    found = evaluate(tasks, samples, sandbox, workers, done, kept)
    verdicts = {(s.task_id, s.program): j for s, j in zip(samples, found, strict=True)}
    return tuple(
        _quality(record, _programs(record, taken), verdicts, tasks, sandbox, by, taken.by) for record in records
    )


def _quality(
    record: Record,
    programs: Sequence[tuple[str, str]],
    verdicts: dict[tuple[str, str], Judgement],
    tasks: Sequence[PlusTask],
    sandbox: Sandbox,
    by: Judging,
    sanitiser: str,
) -> Record:
    judged = [verdicts[pair] for pair in programs]
    setup = {
        "tasks": record.setup["tasks"],
        "outcomes": [[j.base, j.plus, j.why] for j in judged],
        "dataset": f"HumanEval+, {len(tasks)} tasks",
        "dataset_tasks": len(_prompts()),
        "python": platform.python_version(),
        "sandbox": dict(sandbox.facts),
        "model": record.setup.get("model", {}),
    }
    setup |= {"sanitised": sanitiser} if style_of(record.case) == CHAT else {}
    metrics = (
        metric("passed_base", [float(j.base == "pass") for j in judged]),
        metric("passed_plus", [float(j.passed) for j in judged]),
    )
    read = unreadable(judged, record.case) or among_words(judged, record.case, sanitiser)
    findings = tuple(finding for finding in (read, out_of_memory(judged)) if finding)
    return replace(_blank(record, by), status="ok", reason="", setup=setup, metrics=metrics, findings=findings)


_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


def unreadable(judged: Sequence[Judgement], case: Case) -> Finding | None:
    """Where no program passed and each was refused by Python's parser: the score is about the texts, not the model."""
    if not judged or not all(one.why.endswith(_SYNTAX) for one in judged):
        return None
    chat = style_of(case) == CHAT
    return Finding(
        "only-syntax-errors",
        "warning",
        f"not one of the {len(judged)} programs of {case.scheme} can be read as Python: its score of 0 is about how "
        "they were taken out of what the model wrote",
        "; ".join(dict.fromkeys(one.why for one in judged)),
        "pip install 'bitledger[quality]' has EvalPlus take programs out of a chat model's answers; look at the run's "
        "completions with evaluate --export"
        if chat
        else "a chat model answers in Markdown: give its prompts with --prompt-style chat, or another --prompt-style",
    )


def among_words(judged: Sequence[Judgement], case: Case, sanitiser: str) -> Finding | None:
    """Where EvalPlus took nothing out of a chat's answers, some that Python refuses may be right ones among words."""
    refused = sum(one.why.endswith(_SYNTAX) for one in judged)
    if not refused or not sanitiser.startswith("not:"):
        return None
    return Finding(
        "answers-not-sanitised",
        "warning",
        f"{refused} of the {len(judged)} answers of {case.scheme} cannot be read as Python, and evalplus is not "
        "installed: the score may be too low",
        remedy="pip install 'bitledger[quality]' has EvalPlus take programs out of words; then evaluate the run again",
    )


def not_judged(record: Record, reason: str, by: Judging) -> Record:
    """What stands in the place of a verdict where there is no sandbox."""
    return replace(_blank(record, by), reason=reason)


def _blank(record: Record, by: Judging) -> Record:
    """A quality Record of the same Case that says nothing yet."""
    return Record(
        run_id=by.run_id,
        instrument=QUALITY,
        case=record.case,
        repeat=record.repeat,
        status="skipped",
        reason="not judged",
        environment=by.environment,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        argv=by.argv,
    )
