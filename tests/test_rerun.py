"""rerun repeats a run from its folder alone. One real run and its real repeat, with secrets in the environment."""

import gzip
import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench import cli
from bench.analysis.repeated import differences, other_commands, outputs
from bench.instruments import environment
from bench.presets import preset
from bench.record.chain import PLAN
from bench.record.errors import MachineError, UsageError
from bench.record.store import RECORDS, load, open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, read_plan, read_planned, write_plan
from bench.run.processes import ForkServer
from bench.verbs import rerun, run
from bench.workloads.sources import data_folder, resolve
from profiling.summarize import read_timeline
from tests import factories as make

# fmt: off
TINY = ("--preset", "smoke", "--device", "cpu", "--schemes", "nf4", "--calls", "1", "--new-tokens", "6",
        "--repeats", "1", "--matmul-m", "1", "--matmul-seconds", "0.005", "--tasks", "0")
# fmt: on
CANARIES = {
    "HF_TOKEN": "canary-of-the-hub-1234",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-cloud-5678",
    "WANDB_API_KEY": "canary-of-the-tracker",
    "ANYTHING_AT_ALL": "canary-of-a-name-that-says-nothing",
}


def options(*arguments):
    made = cli.parser().parse_args([str(argument) for argument in arguments])
    made.argv = ("python", "-m", "bench", *map(str, arguments))
    made.debug = True
    made.read_timeline = read_timeline
    return made


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(run folder, folder of its repeat, what the repeat printed)."""
    folder = tmp_path_factory.mktemp("rerun")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CANARIES.items():
            patch.setenv(name, value)
        machine = environment.capture()
        with ForkServer(gpu=bool(machine.gpus)) as fork_server:
            asked = options("run", *TINY, "--no-report", "--out", folder / "old")
            patch.setattr(run, "make_plan", lambda *planned: small(make_plan(*planned)))
            assert run._main(asked, machine, fork_server) == 0
            # So wide that a line stays one.
            printed = io.StringIO()
            patch.setattr(rerun, "make_console", lambda: Console(file=printed, width=1000))
            asked = options("rerun", folder / "old", "--no-report", "-v", "--out", folder / "new")
            assert rerun.repeat(asked, machine, fork_server) == 0
    return folder / "old", folder / "new", printed.getvalue().splitlines()


def small(blocks):
    """The Case that is generated, with its timeline: the other passes take seconds each."""
    generation = next(block for block in blocks if block.kind == "generation")
    wanted = tuple(request for request in generation.requests if request.instrument in ("generation", "kineto"))
    return (replace(generation, requests=wanted),)


@pytest.mark.slow
def test_the_repeat_measures_the_same_cases_in_the_same_order(both):
    old, new, told = both
    assert read_planned(new).keys == read_planned(old).keys
    assert {record.key for record in load(new).records} == set(read_planned(old).keys)
    assert [block.options for block in read_plan(new).blocks] == [block.options for block in read_plan(old).blocks]
    count = len(read_planned(old).keys)
    assert f"{count} of {count} records repeated, of the same Cases" in told


@pytest.mark.slow
def test_greedy_decoding_gave_the_same_tokens(both):
    old, new, told = both
    found = outputs(load(old).records, load(new).records)
    assert (found.same, found.other, found.untold) == (1, (), 0)
    assert "tokens: 1 of 1 records gave the same" in told


@pytest.mark.slow
def test_the_repeat_says_which_run_it_repeats_and_how_to_compare(both, capsys):
    old, new, told = both
    plan = read_plan(new)
    assert plan.repeats == read_plan(old).run_id == load(old).records[0].run_id
    assert plan.run_id != plan.repeats
    assert load(new).records[0].argv[3:5] == ("rerun", str(old))
    assert told[-1] == f"next: python -m bench compare {old} {new}"
    # Another test's process may have worked beside one of the two.
    assert cli.main(["compare", str(old), str(new), "--allow", "other processes"]) == 0
    assert "decode time per token" in capsys.readouterr().out


@pytest.mark.slow
def test_both_are_whole(both):
    assert [cli.main(["verify", str(folder)]) for folder in both[:2]] == [0, 0]


@pytest.mark.slow
def test_a_repeat_can_be_resumed(both, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(both[1], folder)
    lines = (folder / RECORDS).read_bytes().splitlines(keepends=True)
    (folder / RECORDS).write_bytes(b"".join(lines[:-1]))
    plan = read_plan(folder)
    left = [block for block in plan.blocks if block.without(frozenset(r.key for r in load(folder).records))]
    assert len(left) == 1 and plan.repeats


@pytest.mark.slow
def test_no_secret_of_the_environment_is_in_the_run_folder(both):
    checked = 0
    for folder in both[:2]:
        for path in (path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            content += gzip.decompress(content) if path.suffix == ".gz" else b""
            assert b"canary" not in content, path.name
            checked += 1
    assert checked >= 2 * len(("plan.json", "records.jsonl", "trace.json.gz", "summary.json"))
    assert os.environ.get("ANYTHING_AT_ALL") is None


def planned(folder, **changes):
    """A run folder with a plan and one record, of no blocks."""
    source = resolve("smoke")
    plan = replace(Run("earlier", preset("smoke"), source, "cpu", 0, ()), **changes)
    with open_run(folder) as writer:
        write_plan(folder, plan)
        writer.append(make.generation())
    return folder


def test_a_dry_run_measures_nothing_and_tells_what_differs(tmp_path, capsys):
    old = planned(tmp_path / "old")
    assert cli.main(["rerun", str(old), "--dry-run", "--out", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert "repeats earlier" in out and "differs: CPU: Example CPU" in out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ("./gone/model", "models/mine", "/gone"))
def test_a_model_whose_folder_is_gone_is_one_clear_line(tmp_path, name, capsys):
    old = planned(tmp_path / "old")
    document = json.loads((old / PLAN).read_text())
    document["model"] = {"name": name, "revision": "files-sha256:0123", "label": "as published"}
    (old / PLAN).write_text(json.dumps(document))
    assert cli.main(["rerun", str(old)]) == 2
    assert f"the model's folder {name} is gone: put it back as it was" in capsys.readouterr().err


def test_a_model_that_has_changed_is_refused(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(data_folder() / "smoke-model", model)
    old = planned(tmp_path / "old", source=resolve(str(model)))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    with pytest.raises(UsageError, match="has changed since this run began"):
        read_plan(old)


def test_a_run_of_a_gpu_is_not_repeated_without_one(tmp_path):
    old = planned(tmp_path / "old", device="cuda")
    with pytest.raises(MachineError, match="ran on a GPU, and here is none"):
        rerun.repeat(options("rerun", old, "--out", tmp_path / "new"), make.CPU, None)
    assert not (tmp_path / "new").exists()


def test_bad_input(tmp_path, capsys):
    old, used = planned(tmp_path / "old"), planned(tmp_path / "used")
    (tmp_path / "empty").mkdir()
    for arguments, told in (
        ([tmp_path / "gone"], "is not a run folder"),
        ([tmp_path / "empty"], "holds no planned run"),
        ([old, "--out", old], "a folder of its own"),
        ([old, "--out", used], "already holds a run"),
    ):
        assert cli.main(["rerun", *map(str, arguments)]) == 2
        assert told in capsys.readouterr().err


def test_differences_of_machine_and_software():
    now = replace(
        make.GPU,
        packages=make.GPU.packages | {"torch": "2.14.0"},
        source={"commit": "fedcba9876543210", "dirty": True},
        variables={"OMP_NUM_THREADS": "4"},
        gpus=({"name": "NVIDIA Example 80GB", "driver": "590.2", "power_limit_w": 400.0},),
    )
    assert differences(make.GPU, now) == (
        "GPU power limit (W): 700 → 400",
        "driver 580.1 → 590.2",
        "torch 2.13.0 → 2.14.0",
        "commit 0123456789ab → fedcba987654 with changes",
        "OMP_NUM_THREADS none → 4",
    )
    assert differences(make.GPU, make.GPU) == ()


def test_other_tokens_are_told_and_unknown_ones_counted():
    def made(scheme, repeat, *tokens):
        setup = {"tokens_sha256": list(tokens)} if tokens else {}
        return make.record("generation", make.case(scheme), repeat=repeat, setup=setup)

    then = [made("fp16", 0, "a", "b"), made("nf4", 0, "a"), made("nf4", 1), made("int8", 0, "a")]
    now = [made("fp16", 0, "a", "b"), made("nf4", 0, "x"), made("nf4", 1, "a"), made("bf16", 0, "a")]
    found = outputs(then, now)
    assert (found.same, found.untold) == (1, 1)
    assert found.other == ("generation of smoke nf4, batch 1, repeat 1",)


def test_what_other_verbs_added_is_told_with_its_command():
    asked = ("python", "-m", "bench", "intervene", "--out", "reports/runs/mine", "--schemes", "nf4")
    measured = make.generation()
    added = replace(make.intervention(), argv=asked)
    assert other_commands([measured, added, added], [measured.key]) == (asked,)
    assert rerun._into(asked, Path("reports/runs/mine"), Path("new dir"))[5] == "new dir"
