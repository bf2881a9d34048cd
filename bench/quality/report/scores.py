"""What judging samples gave, for ``python -m bench evaluate``: as JSON, and as lines for a terminal."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.quality.against import VerdictsCompared
from bench.quality.analysis.passing import pass_at_k, wilson
from bench.quality.answers import Kept
from bench.quality.evaluate import Judgement, Sample, stalled
from bench.quality.samples import fenced, out_of_memory
from bench.quality.sandbox import Sandbox
from bench.quality.sanitise import Sanitised
from bench.quality.tasks import PlusTask
from bench.report.short import Passage, line

KS = (1, 10, 100)
TITLES = {"humanevalplus": "HumanEval", "mbppplus": "MBPP"}


def scores_document(
    dataset: str,
    name: str,
    tasks: Sequence[PlusTask],
    samples: Sequence[Sample],
    found: Sequence[Judgement],
    *,
    sandbox: Sandbox,
    kept: Kept | None,
    sanitised: Sanitised | None,
) -> dict[str, Any]:
    """All of it as plain JSON types. ``name``: of the file of samples; ``kept``: right answers of earlier runs."""
    missing = _tasks_missing(tasks, samples)
    findings = [finding for finding in (stalled(tasks, samples), fenced(samples), out_of_memory(found)) if finding]
    document = {
        "dataset": dataset,
        "samples": name,
        "python": platform.python_version(),
        **sandbox.facts,
        "answers_kept": kept.found if kept else 0,
        "tasks": len(tasks),
        "tasks_missing": missing,
        "scores": {inputs: _scores(found, inputs, len(missing)) for inputs in ("base", "plus")},
        "findings": [asdict(finding) for finding in findings],
        "judgements": [asdict(judgement) for judgement in found],
    }
    return document | ({"sanitized": sanitised.facts()} if sanitised else {})


def with_against(document: Mapping[str, Any], against: VerdictsCompared) -> dict[str, Any]:
    """The same, with how the verdicts of another judge agree."""
    return {**document, "against": asdict(against)}


def _tasks_missing(tasks: Sequence[PlusTask], samples: Sequence[Sample]) -> list[str]:
    """The tasks that were asked for and have no sample that is judged."""
    there = {sample.task_id for sample in samples}
    return [task.task_id for task in tasks if task.task_id not in there]


def _scores(found: Sequence[Judgement], name: str, missing: int) -> dict[str, Any]:
    """pass@k of "base" or "plus" inputs, over the tasks with samples; how many have none stands beside it."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for judgement in found:
        counts[judgement.task_id].append(judgement.base == "pass" if name == "base" else judgement.passed)
    totals = [(len(passed), sum(passed)) for passed in counts.values()]
    least = min(n for n, _ in totals)
    scores: dict[str, Any] = {f"pass@{k}": pass_at_k(totals, k) for k in KS if k <= least}
    scores |= {"tasks_missing": missing} if missing else {}
    if all(n == 1 for n, _ in totals):
        passed = sum(c for _, c in totals)
        scores |= {"passed": passed, "tasks": len(totals), "interval": list(wilson(passed, len(totals)))}
    return scores


def passages(document: Mapping[str, Any], found: Sequence[Judgement]) -> list[Passage]:
    """The scores, what is doubtful, and each program that failed."""
    benchmark = TITLES[document["dataset"]]
    parts = []
    for name, title in (("base", benchmark), ("plus", f"{benchmark}+")):
        scores = document["scores"][name]
        text = ", ".join(f"{k} {value:.3f}" for k, value in scores.items() if k.startswith("pass@"))
        if "passed" in scores:
            low, high = scores["interval"]
            text += f" [{low:.3f}, {high:.3f}], {scores['passed']} of {scores['tasks']}"
        parts.append(line(f"{title:<11} {text}{_missing_tasks_note(document, scores)}"))
    parts += [line(f"{one['severity']}: {one['message']}; {one['remedy']}", 1) for one in document["findings"]]
    for judgement in (judgement for judgement in found if not judgement.passed):
        failed = f"  {judgement.task_id:<14} base {judgement.base}, plus {judgement.plus}: {judgement.why}"
        parts.append(line(failed, 2, "program that failed"))
    return parts


def _missing_tasks_note(document: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """What a score over some of the tasks must not be read without."""
    missing, tasks = len(document["tasks_missing"]), document["tasks"]
    if not missing:
        return ""
    as_failed = scores["pass@1"] * (tasks - missing) / tasks
    return f"; {missing} of {tasks} tasks have no sample that was judged (taken as failed: pass@1 {as_failed:.3f})"


def against_passages(against: VerdictsCompared, judge: str) -> list[Passage]:
    """How the verdicts of another judge agree."""
    parts = [line(f"{judge}: {len(against.agree)} verdicts agree, {len(against.differ)} differ")]
    for what, tasks in (
        ("differ", against.differ),
        ("are of another program than the sample here, and say nothing of it", against.other_program),
        ("have no verdict there", against.unknown),
    ):
        if tasks:
            parts.append(line(f"  {len(tasks)} {what}: {', '.join(tasks)}"))
    return parts
