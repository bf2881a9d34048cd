"""``bench run --on``: what it refuses, what it plans, and a sweep measured here from end to end."""

import json

import pytest

from bench.cli import main
from bench.cluster import folder as places
from bench.record.store import load
from bench.run import processes
from tests.cluster.sweeps import plan, starting
from tests.cluster.test_attempt import planned

SMALL = ("--preset", "smoke", "--schemes", "fp16,nf4", "--tasks", "0", "--matmul-m", "", "--repeats", "2")


@pytest.fixture
def measuring(monkeypatch):
    """Nothing is measured, but every Record comes."""
    start = starting()
    monkeypatch.setattr(processes.ForkServer, "start", lambda _self, *task: start(*task))


def test_a_sweep_here_is_planned_measured_gathered_and_goes_on(tmp_path, measuring, capsys):
    folder = tmp_path / "sweep"
    assert main(["run", *SMALL, "--on", "local", "--no-report", "--out", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "2 blocks of" in told and "gathered:" in told and "block 2 of 2 on" in told
    keys = [record.key for record in load(folder).records]
    assert keys == [key for number in (1, 2) for key in planned(folder, number)]
    assert main(["run", "--on", "local", "--resume", "--no-report", "--out", str(folder)]) == 0
    assert [len(places.attempts(folder, number)) for number in (1, 2)] == [1, 1]
    assert main(["verify", str(folder)]) == 0


def test_a_gpu_that_torch_cannot_use_is_told_and_the_smallest_preset_taken(tmp_path, measuring, monkeypatch, capsys):
    from dataclasses import replace

    from bench.cluster.verbs import sweep
    from tests.factories import CPU, GPU

    monkeypatch.setattr(sweep.environment, "capture", lambda _: replace(CPU, gpus=GPU.gpus))
    small = ("--schemes", "fp16,nf4", "--tasks", "0", "--matmul-m", "", "--repeats", "1", "--no-report")
    folder = tmp_path / "sweep"
    assert main(["run", *small, "--on", "local", "--out", str(folder)]) == 0
    assert capsys.readouterr().out.count("a GPU is here, but this torch build cannot use it") == 1
    assert {record.case.model for record in load(folder).records if record.case.workload == "generation"} == {"smoke"}


def test_more_repeats_add_blocks_and_leave_the_others(tmp_path, measuring, capsys):
    folder, go_on = (
        tmp_path / "sweep",
        ("run", "--on", "local", "--resume", "--no-report", "--out", str(tmp_path / "sweep")),
    )
    models = ("--models", "smoke,shape:phi-2", "--device", "cpu")
    assert main(["run", *SMALL, *models, "--on", "local", "--no-report", "--out", str(folder)]) == 0
    before = load(folder).records
    names = places.read(folder).blocks
    assert main([*go_on, "--repeats", "5"]) == 0
    assert "6 new blocks planned" in capsys.readouterr().out
    after = places.read(folder).blocks
    assert after[:4] == names and [name.rpartition(" ")[2] for name in after[4:]] == ["3", "4", "5"] * 2
    assert load(folder).records[: len(before)] == before
    assert main(["verify", str(folder)]) == 0
    whole = tmp_path / "at once"
    larger = [*SMALL[:-1], "5"]
    assert main(["run", *larger, *models, "--on", "local", "--no-report", "--out", str(whole)]) == 0
    assert {(r.key, str(r.setup["block"])) for r in load(whole).records} == {
        (r.key, str(r.setup["block"])) for r in load(folder).records
    }
    assert main([*go_on, "--repeats", "4"]) == 2
    assert "takes none away" in capsys.readouterr().err
    assert main([*go_on, *SMALL[:-2], *models]) == 0, "the same again is no other plan"
    for other in (("--schemes", "fp16,int8"), ("--models", "shape:phi-2,smoke"), ("--seed", "4"), ("--device", "cuda")):
        assert main([*go_on, *other]) == 2
        assert "goes on by its own plan" in capsys.readouterr().err


def test_several_models_have_blocks_of_their_own(tmp_path, measuring):
    folder = tmp_path / "sweep"
    models = ("--models", "smoke,shape:phi-2")
    assert main(["run", *SMALL, *models, "--device", "cpu", "--on", "local", "--no-report", "--out", str(folder)]) == 0
    sweep = places.read(folder)
    assert [name.partition(":")[0] for name in sweep.blocks] == ["smoke", "smoke", "shape", "shape"]
    records = load(folder).records
    assert {record.case.model for record in records if record.instrument == "generation"} == {"smoke", "shape:phi-2"}
    assert sum(record.instrument == "ceiling" for record in records) == 4  # two dtypes in each of two repeats
    assert main(["verify", str(folder)]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--watch",), "say which sweep: --out"),
        (("--cancel",), "say which sweep: --out"),
        (("--on", "local", "--resume"), "say which sweep: --out"),
        (("--on", "slurm", "--models", "smoke", "--model", "smoke"), "--models stands for --model"),
        (("--on", "local", "--models", "smoke,smoke"), "names a model twice"),
        (("--on", "slurm", "--cluster", "none.toml"), "cannot read the cluster's options"),
        (("--partition", "gpu"), "--partition is for --on slurm"),
        (("--on", "local", "--at-once", "3"), "--at-once is for --on slurm"),
        (("--models", "smoke"), "--models needs --on"),
        (("--dry-run",), "--dry-run prints the batch script of --on slurm"),
        (("--dry-run", "--on", "slurm", "--watch"), "exclude each other"),
        (("--on", "slurm", "--time", "0"), "time must be at least 1"),
    ],
)
def test_what_cannot_be_asked(arguments, told, measuring, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--preset", "smoke", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and len(error.splitlines()) == 1


def test_a_dry_run_prints_the_batch_script_and_leaves_nothing(measuring, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        main(["run", *SMALL, "--on", "slurm", "--gpus", "0", "--partition", "cpu", "--dry-run", "--out", "sweep"]) == 0
    )
    told = capsys.readouterr()
    assert told.out.startswith("#!/bin/bash") and "#SBATCH --array=0-1%2\n" in told.out
    assert f"submitit.core._submit {tmp_path / 'sweep/slurm'}" in told.out
    assert "2 jobs would be submitted for sweep; nothing was written" in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_sweep_that_goes_on_is_of_the_blocks_that_are_left(measuring, capsys, tmp_path):
    plan(tmp_path / "sweep")
    before = sorted(tmp_path.rglob("*"))
    assert main(["run", "--on", "slurm", "--resume", "--dry-run", "--out", str(tmp_path / "sweep")]) == 0
    told = capsys.readouterr()
    blocks = len(places.read(tmp_path / "sweep").blocks)
    assert f"{blocks} jobs would be submitted" in told.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweeps_folder_is_not_measured_into_as_a_run(tmp_path, capsys):
    plan(tmp_path)
    assert main(["run", "--resume", "--out", str(tmp_path)]) == 2
    assert "is a sweep: say where to go on" in capsys.readouterr().err
    assert main(["run", "--on", "local", "--preset", "smoke", "--out", str(tmp_path)]) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_a_damaged_sweep_is_told(tmp_path, capsys):
    plan(tmp_path)
    document = json.loads((tmp_path / places.SWEEP).read_text())
    for text in ("[]", json.dumps({**document, "version": 99}), "{", json.dumps({**document, "blocks": 3})):
        (tmp_path / places.SWEEP).write_text(text)
        assert main(["gather", str(tmp_path)]) == 2
        assert "is damaged" in capsys.readouterr().err
