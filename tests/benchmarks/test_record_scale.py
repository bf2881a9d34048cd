"""Very many Records: the invented runs are such as verify believes, and the committed figures are within the goals."""

from __future__ import annotations

import json

import pytest

from bench.verbs.verify import verify
from benchmarks import many_cases, record_scale
from benchmarks.many_records import write


def test_an_invented_run_is_one_that_verify_believes(tmp_path):
    write(tmp_path / "a", 400)
    assert [check.name for check in verify(tmp_path / "a") if check.result == "problem"] == []


def test_another_run_has_other_figures_of_the_same_cases(tmp_path):
    sizes = [write(tmp_path / name, 100, later=later) for name, later in (("a", 0), ("b", 200_000))]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    lines = [json.loads((tmp_path / name / "records.jsonl").read_text().splitlines()[0]) for name in ("a", "b")]
    assert lines[0]["case"] == lines[1]["case"]
    assert lines[0]["metrics"] != lines[1]["metrics"]


def test_the_committed_figures_are_within_their_goals():
    of = {one["records"]: one for one in json.loads(record_scale.RESULT.read_text())["sizes"]}[100_000]
    assert of["file_bytes"] >= 295e6
    assert set(of["verbs"]) == set(record_scale.GOALS)
    for verb, (seconds, most) in record_scale.GOALS.items():
        assert of["verbs"][verb]["cpu_s"] <= seconds, verb
        assert not most or of["verbs"][verb]["peak_bytes"] <= most, verb


def test_a_run_of_thousands_of_cases_did_not_grow():
    told = json.loads(many_cases.RESULT.read_text())
    assert told["records"] >= 5000
    for process in ("parent", "fork_server"):
        assert many_cases.grown(told["seen"], process) == told["grown"][process]
        assert told["grown"][process]["resident_bytes"] <= many_cases.MOST_BYTES
        assert told["grown"][process]["files"] <= many_cases.MOST_FILES
