"""Another judge's verdicts: what agrees, what differs, and what is of another program."""

import json
from pathlib import Path

import pytest

from bench.quality.against import compare, read_verdicts
from bench.quality.evaluate import Judgement, Sample
from bench.record.errors import UsageError

SAMPLES = tuple(Sample(f"HumanEval/{n}", 0, f"program {n}") for n in range(4))
FOUND = (
    Judgement("HumanEval/0", 0, "pass", "pass"),
    Judgement("HumanEval/1", 0, "pass", "wrong"),
    Judgement("HumanEval/2", 0, "error", "not run"),
    Judgement("HumanEval/3", 0, "pass", "pass"),
)


def write(folder: Path, document: object) -> Path:
    file = folder / "results.json"
    file.write_text(json.dumps(document))
    return file


def evalplus(n: int, base: str, plus: str | None, solution: str | None = None) -> tuple[str, list[dict]]:
    told = {"task_id": f"HumanEval/{n}", "base_status": base, "plus_status": plus}
    return f"HumanEval/{n}", [told | {"solution": solution or f"program {n}"}]


def test_a_verdict_of_another_program_is_named_and_not_counted(tmp_path: Path):
    told = dict(
        [evalplus(0, "pass", "pass"), evalplus(1, "pass", "fail"), evalplus(2, "pass", "pass", "an earlier one")]
    )
    file = write(tmp_path, {"date": "2024-05-27", "eval": told})
    found = compare(FOUND, SAMPLES, read_verdicts(file, "samples.jsonl"))
    assert found.agree == ("HumanEval/0", "HumanEval/1")
    assert (found.differ, found.other_program, found.unknown) == ((), ("HumanEval/2",), ("HumanEval/3",))


def test_a_verdict_that_differs_is_named(tmp_path: Path):
    told = dict([evalplus(0, "pass", "fail"), evalplus(2, "timeout", None)])
    found = compare(FOUND, SAMPLES, read_verdicts(write(tmp_path, {"eval": told}), "samples.jsonl"))
    assert (found.differ, found.agree) == (("HumanEval/0",), ("HumanEval/2",))


def test_verdicts_without_programs_and_in_sets_are_read_too(tmp_path: Path):
    sets = {"mine": {"HumanEval/0": ["pass", "pass"], "HumanEval/1": None, "HumanEval/2": ["fail", "fail"]}}
    found = compare(FOUND, SAMPLES, read_verdicts(write(tmp_path, sets), "mine-sanitized.jsonl.gz"))
    assert (found.agree, found.other_program) == (("HumanEval/0", "HumanEval/2"), ("HumanEval/1",))
    old = {"eval": {"HumanEval/0": {"nfiles": 1, "base": [["success", []]], "plus": [["failed", []]]}}}
    found = compare(FOUND, SAMPLES, read_verdicts(write(tmp_path, old), "samples.jsonl"))
    assert found.differ == ("HumanEval/0",)


@pytest.mark.parametrize(
    "document", [[], {"eval": {"HumanEval/0": []}}, {"HumanEval/0": "pass"}, {"a": ["maybe", "x"]}, 3]
)
def test_what_is_no_file_of_verdicts_is_one_line(document: object, tmp_path: Path):
    with pytest.raises(UsageError, match="holds no verdicts"):
        read_verdicts(write(tmp_path, document), "samples.jsonl")


def test_a_missing_file_is_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot read"):
        read_verdicts(tmp_path / "none.json", "samples.jsonl")
