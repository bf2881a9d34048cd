"""Pass@1 as a user gets it: a run whose arms write programs, judged in the sandbox, and again by evaluate RUN_DIR."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace

import pytest

from bench import hooks
from bench.cli import main
from bench.presets import PRESETS
from bench.quality import of_run
from bench.quality.sandbox import find
from bench.quality.verbs import evaluate_run
from bench.record.errors import MachineError, UsageError
from bench.record.store import RECORDS, load
from bench.run.planfile import read_plan

pytestmark = pytest.mark.slow
OPTIONS = ("--preset", "smoke", "--device", "cpu", "--schemes", "fp16", "--calls", "1", "--new-tokens", "6",
           "--repeats", "1", "--matmul-m", "", "--tasks", "3", "--energy-seconds", "0.1", "--no-report")  # fmt: skip
PRUNED = ("last:1", "last:5")  # fewer than the preset's, to be done sooner


def fewer_layers_dropped(preset):
    pruned = (
        replace(sweep, dropped_layers=PRUNED) if len(sweep.dropped_layers) > 1 else sweep for sweep in preset.sweeps
    )
    return replace(preset, sweeps=tuple(pruned))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    try:
        find(unprotected=False)
    except MachineError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("quality") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "smoke", fewer_layers_dropped(PRESETS["smoke"]))
        assert main(["run", *OPTIONS, "--out", str(folder)]) == 0
    return folder


def quality(folder):
    found = [record for record in load(folder).records if record.instrument == "quality"]
    return {(record.case.scheme, record.case.dropped_layers): record for record in found}


def test_the_whole_model_passes_what_it_knows_by_heart_and_one_layer_nothing(run):
    judged = quality(run)
    assert set(judged) == {("fp16", text) for text in (None, "5", "1-5")}
    assert judged["fp16", None].values("passed_base") == (1.0, 1.0, 1.0)
    assert judged["fp16", "1-5"].values("passed_base") == (0.0, 0.0, 0.0)
    assert judged["fp16", None].setup["tasks"] == ["HumanEval/0", "HumanEval/1", "HumanEval/2"]


def test_a_verdict_is_of_the_samples_case_and_says_what_failed(run):
    samples = {r.case_id: r for r in load(run).records if r.instrument == "samples"}
    for record in quality(run).values():
        assert record.case_id in samples
        outcomes = record.setup["outcomes"]
        assert [base == "pass" for base, _, _ in outcomes] == [value == 1 for value in record.values("passed_base")]


def test_evaluate_judges_a_run_that_was_measured_elsewhere(run, tmp_path, capsys):
    folder = tmp_path / "elsewhere"
    shutil.copytree(run, folder)
    lines = (folder / RECORDS).read_text().splitlines(keepends=True)
    (folder / RECORDS).write_text("".join(line for line in lines if '"instrument": "quality"' not in line))
    assert quality(folder) == {}
    options = argparse.Namespace(
        samples=folder,
        no_sandbox=False,
        sandbox_without=(),
        workers=2,
        argv=("python",),
        verbose=False,
        read_timeline=None,
    )
    assert evaluate_run.main(options) == 0
    assert {key: r.metrics for key, r in quality(folder).items()} == {key: r.metrics for key, r in quality(run).items()}
    assert "judging the programs of 3 arms on 3 tasks" in capsys.readouterr().out
    assert evaluate_run.main(options) == 0  # nothing is judged twice
    assert "judging" not in capsys.readouterr().out


def test_a_program_that_several_arms_wrote_is_run_once(run):
    records = [record for record in load(run).records if record.instrument == "samples"]
    whole = next(record for record in records if record.case.dropped_layers is None)
    assert len(of_run.distinct([whole, whole])) == 3
    assert {sample.number for sample in of_run.distinct([whole])} == {0}


def test_without_a_sandbox_the_run_goes_on_and_says_how_to_judge(run, tmp_path, monkeypatch):
    from bench.record.store import open_run

    folder = tmp_path / "unjudged"
    shutil.copytree(run, folder)
    lines = (folder / RECORDS).read_text().splitlines(keepends=True)
    (folder / RECORDS).write_text("".join(line for line in lines if '"instrument": "quality"' not in line))

    def none(**_):
        raise MachineError("no sandbox here")

    monkeypatch.setattr(evaluate_run, "find", none)
    with open_run(folder) as writer:
        evaluate_run.after_run(writer, load(folder).records[0].environment, ("python",), 2)
    records = [record for record in load(folder).records if record.instrument == "quality"]
    assert {record.status for record in records} == {"skipped"}
    assert records[0].reason == "no sandbox here; then: python -m bench evaluate RUN_FOLDER"
    assert len(of_run.waiting(load(folder).records)) == 3


def test_a_missing_sandbox_is_said_before_anything_is_measured(run, monkeypatch):
    def none(**_):
        raise MachineError("no sandbox here")

    instruments = {request.instrument for block in read_plan(run).blocks for request in block.requests}
    assert hooks.before_run(instruments) == ()
    monkeypatch.setattr(evaluate_run, "find", none)
    (finding,) = hooks.before_run(instruments)
    assert finding.message == (
        "programs will be written and not judged: no sandbox here. Judge them later: "
        "python -m bench evaluate RUN_FOLDER"
    )
    assert hooks.before_run(instruments - {"samples"}) == ()


def test_a_run_without_samples_is_one_clear_error(tmp_path, run):
    folder = tmp_path / "none"
    shutil.copytree(run, folder)
    lines = (folder / RECORDS).read_text().splitlines(keepends=True)
    (folder / RECORDS).write_text("".join(line for line in lines if '"instrument": "generation"' in line))
    with pytest.raises(UsageError, match="holds no samples"):
        evaluate_run.main(argparse.Namespace(samples=folder, no_sandbox=False, sandbox_without=(), workers=2, argv=()))
