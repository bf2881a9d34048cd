"""Which Cases are observed: always the ones that a run measures, so that the records join."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from bench import presets
from bench.record.errors import RecordError, UsageError
from bench.record.store import open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, write_plan
from bench.workloads.sources import resolve
from profiling import target
from profiling.availability import probe
from profiling.capture.filing import CaptureRequest
from profiling.capture.job import Job
from profiling.capture.settings import Settings
from profiling.verbs.capture import add_options
from profiling.verbs.request import request
from tests import factories as make


@pytest.fixture(autouse=True)
def cuda_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.run.runner.describe_model", lambda *_: {"cuda": True})


def asked(*arguments: str) -> CaptureRequest:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return request(parser.parse_args(arguments), make.CPU)


def planned(preset: str, model: str, device: str = "cpu") -> set[str]:
    blocks = make_plan(presets.preset(preset), resolve(model), (), device, 0)
    return {item.case.case_id for block in blocks if block.kind == "generation" for item in block.requests}


@pytest.mark.parametrize(
    ("preset", "model"), [("smoke", "smoke"), ("quick", "shape:starcoder2-3b"), ("paper", "smoke")]
)
def test_the_cases_are_those_of_the_preset(preset: str, model: str) -> None:
    found = asked("--preset", preset, "--model", model, "--device", "cpu")
    assert {case.case_id for case in found.cases} <= planned(preset, model)
    assert found.cases[0].scheme == "fp16"
    assert {case.scheme for case in found.cases} == set(presets.preset(preset).sweeps[0].schemes)


def test_a_batch_size_finds_the_sweep_that_has_it() -> None:
    found = asked("--preset", "quick", "--scheme", "nf4", "--batch", "8", "--device", "cuda")
    assert found.cases[0].case_id in planned("quick", "shape:starcoder2-3b", "cuda")


def test_without_a_gpu_it_is_the_smoke_model_on_the_cpu() -> None:
    (case,) = asked("--scheme", "nf4").cases
    assert (case.model, case.device, case.scheme) == ("smoke", "cpu", "nf4")


@pytest.mark.parametrize("preset", ["smoke", "quick"])
def test_the_target_runs_the_case_that_was_asked_for(preset: str, tmp_path: Path) -> None:
    found = asked("--preset", preset, "--scheme", "int8", "--device", "cpu", "--seed", "3")
    job = Job(found.source, found.cases[0], tmp_path, Settings(), probe())
    for program in (job.window("nvtx", 4), job.loop()):
        parsed = target._parser().parse_args(program[3:])
        assert target.case_of(parsed.case) == found.cases[0]
        assert target.source_of(found.cases[0]) == found.source


def test_a_run_folder_tells_its_own_cases(tmp_path: Path) -> None:
    chosen = presets.preset("smoke", {"new_tokens": 20, "schemes": ("fp16", "nf4")})
    source = resolve("smoke")
    write_plan(tmp_path, Run("mine", chosen, source, "cpu", 5, ()))
    found = asked("--out", str(tmp_path))
    assert found.run_id == "mine" and found.folder == tmp_path
    assert [(case.scheme, case.new_tokens, case.seed) for case in found.cases] == [("fp16", 20, 5), ("nf4", 20, 5)]
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(RecordError, match="damaged"):
        asked("--out", str(tmp_path))


def test_records_without_a_plan_keep_their_run(tmp_path: Path) -> None:
    with open_run(tmp_path) as writer:
        writer.append(make.generation())
    assert asked("--out", str(tmp_path)).run_id == make.RUN_ID


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scheme", "nf5"), "unknown scheme"),
        (("--preset", "slow"), "unknown preset"),
        (("--batch", "-1"), "at least 1"),
        (("--new-tokens", "1"), "at least 2"),
    ],
)
def test_what_cannot_be_asked(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        asked(*arguments)


CASE = make.case("nf4")


def test_a_case_is_read_from_json_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(CASE.canonical)
    for text in (CASE.canonical, str(tmp_path / "case.json")):
        assert target.case_of(text) == CASE
        assert target.case_of(text).case_id == CASE.case_id


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "--case: "),
        ("{}", "missing required field"),
        ("no-such-file.json", "cannot read no-such-file.json"),
        (CASE.canonical.replace('"nf4"', '"nf5"'), "unknown scheme 'nf5'"),
        (CASE.canonical.replace('"seed"', '"sheep"'), "--case: "),
        (CASE.canonical[:-1] + ',"wings":2}', "unknown field 'wings'"),
        (replace(CASE, intervention="bare-op").canonical, "without an intervention"),
        (replace(CASE, workload="matmul").canonical, "workload 'matmul'"),
        (replace(CASE, batch_size=0).canonical, "batch_size of a Case is 0"),
    ],
)
def test_what_is_no_case_to_observe_is_one_line(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert target.main(["--case", text]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bitledger: ") and told in line


def test_a_model_that_is_another_one_now_is_refused() -> None:
    with pytest.raises(UsageError, match="smoke is another one now"):
        target.source_of(replace(CASE, model="smoke", revision="files-sha256:0"))


def test_random_prompts_stay_random() -> None:
    asked_for = replace(CASE, model="smoke", revision=resolve("smoke").revision, prompts="random", prompt_tokens=8)
    assert not target.source_of(asked_for).has_text
