"""Another judge's verdicts on the same samples: which tasks differ, and which verdicts are of other programs.

EvalPlus takes up a result file that lies beside the samples, whatever made it: verdicts of an earlier generation then
stand beside later programs. Its result file holds the program of each verdict, so that this can be seen. Here nothing
is taken up: every sample is judged anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record.errors import UsageError

from .evaluate import Judgement, Sample

_NEEDED = "give EvalPlus's *_eval_results.json, or JSON of task_id to [base, plus], each pass or fail"


@dataclass(frozen=True)
class Verdict:
    """Whether a task's base and plus inputs passed; ``program`` is what was judged, None where the file holds none.
    ``base`` is None where the file says that the verdict is of another program."""

    base: bool | None
    plus: bool
    program: str | None = None


@dataclass(frozen=True)
class VerdictsCompared:
    """Task ids: ``agree`` and ``differ`` of the same program; ``other_program``: its verdict is of another program;
    ``unknown``: the file has no verdict."""

    agree: tuple[str, ...]
    differ: tuple[str, ...]
    other_program: tuple[str, ...]
    unknown: tuple[str, ...]


def read_verdicts(file: Path, samples: str) -> Mapping[str, Verdict]:
    """Task → verdict on its first sample. ``samples``: the samples file's name, which chooses among several sets.

    Raises UsageError for a file that is missing or holds no verdicts.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON ({error}): {_NEEDED}") from error
    try:
        return {task: _verdict(told) for task, told in _tasks(document, samples).items()}
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"{file} holds no verdicts ({error}): {_NEEDED}") from error


def _tasks(document: Any, samples: str) -> Mapping[str, Any]:
    if "eval" in document:
        return dict(document["eval"])
    name = samples.split(".")[0].removesuffix("-sanitized")
    return dict(document.get(name, document))


def _verdict(entry: Any) -> Verdict:
    if entry is None:
        return Verdict(None, False)
    if isinstance(entry, Mapping):  # EvalPlus up to 0.2: {"base": [["pass", …]], "plus": [["pass", …]]}
        return Verdict(_passed(entry["base"][0][0]), _passed(entry["plus"][0][0]))
    if isinstance(entry[0], Mapping):
        first = entry[0]
        return Verdict(_passed(first["base_status"]), _passed(first["plus_status"]), first.get("solution"))
    return Verdict(_passed(entry[0]), _passed(entry[1]))


def _passed(word: Any) -> bool:
    """EvalPlus writes pass, fail or timeout, older versions success and failed, and null where plus was not run."""
    if word not in ("pass", "success", "fail", "failed", "timeout", "timed out", None):
        raise ValueError(f"{word!r} is no verdict")
    return word in ("pass", "success")


def compare(found: Sequence[Judgement], samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> VerdictsCompared:
    """The first sample of each task, as judged here and there."""
    programs = {sample.task_id: sample.program for sample in samples if sample.number == 0}
    ends: dict[str, list[str]] = {"agree": [], "differ": [], "other": [], "unknown": []}
    for one in found:
        if one.number == 0:
            ends[_end(one, programs[one.task_id], verdicts.get(one.task_id))].append(one.task_id)
    return VerdictsCompared(*(tuple(ends[name]) for name in ("agree", "differ", "other", "unknown")))


def _end(one: Judgement, program: str, verdict: Verdict | None) -> str:
    if verdict is None:
        return "unknown"
    if verdict.base is None or verdict.program not in (None, program):
        return "other"
    same = (one.base == "pass", one.passed) == (verdict.base, verdict.base and verdict.plus)
    return "agree" if same else "differ"
