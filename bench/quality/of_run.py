"""Judges the programs that a run's arms wrote: a "quality" Record beside each "samples" Record, of the same Case."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from bench.record.schema import Environment, Record, metric
from bench.workloads.prompt_styles import program, style_of
from bench.workloads.prompts import humaneval

from .answers import Kept
from .evaluate import Judgement, Sample, evaluate
from .sandbox import Sandbox
from .tasks import PlusTask, humaneval_plus

SAMPLES, QUALITY = "samples", "quality"


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


def _programs(record: Record) -> list[tuple[str, str]]:
    """(task_id, program) for each task of a samples Record, in its order."""
    pairs, style = zip(record.setup["tasks"], record.setup["completions"], strict=True), style_of(record.case)
    return [(task_id, program(_prompts()[task_id], style, text)) for task_id, text in pairs]


def distinct(records: Iterable[Record]) -> tuple[Sample, ...]:
    """Every program once: arms often write the same one."""
    seen = dict.fromkeys(pair for record in records for pair in _programs(record))
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
    samples = distinct(records)
    tasks = humaneval_plus(None, sorted({sample.task_id for sample in samples}))
    found = evaluate(tasks, samples, sandbox, workers, done, kept)
    verdicts = {(s.task_id, s.program): j for s, j in zip(samples, found, strict=True)}
    return tuple(_quality(record, verdicts, tasks, sandbox, by) for record in records)


def _quality(
    record: Record,
    verdicts: dict[tuple[str, str], Judgement],
    tasks: Sequence[PlusTask],
    sandbox: Sandbox,
    by: Judging,
) -> Record:
    judged = [verdicts[pair] for pair in _programs(record)]
    setup = {
        "tasks": record.setup["tasks"],
        "outcomes": [[j.base, j.plus, j.why] for j in judged],
        "dataset": f"HumanEval+, {len(tasks)} tasks",
        "dataset_tasks": len(_prompts()),
        "python": platform.python_version(),
        "sandbox": dict(sandbox.facts),
        "model": record.setup.get("model", {}),
    }
    metrics = (
        metric("passed_base", [float(j.base == "pass") for j in judged]),
        metric("passed_plus", [float(j.passed) for j in judged]),
    )
    return replace(_blank(record, by), status="ok", reason="", setup=setup, metrics=metrics)


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
