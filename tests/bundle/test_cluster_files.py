"""The files for clusters: their shell is valid, and what they call is what this version understands."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench import cli

ROOT = Path(__file__).parents[2]
SBATCH = ROOT / "deploy/slurm.sbatch"
DEFINITION = ROOT / "deploy/bitledger.def"
# Slurm's manual of sbatch(1); one that it does not know ends the submission.
SBATCH_OPTIONS = {
    *("job-name", "nodes", "ntasks", "cpus-per-task", "gpus-per-node", "mem", "time", "signal", "output", "open-mode"),
}


@pytest.mark.parametrize("script", [SBATCH, ROOT / "scripts/check-offline.sh"], ids=lambda path: path.name)
def test_the_shell_is_valid(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_slurms_options_are_real_and_come_before_any_command():
    lines = SBATCH.read_text().splitlines()
    options = [line for line in lines if line.startswith("#SBATCH")]
    first_command = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert options and all(lines.index(line) < first_command for line in options)
    assert {re.fullmatch(r"#SBATCH --([a-z-]+)=\S+", line)[1] for line in options} == SBATCH_OPTIONS


@pytest.fixture
def submitted(tmp_path):
    """Runs the batch script in a folder with stand-ins for its programs; returns what each was called with."""
    calls = tmp_path / "calls"
    stand_in = (
        "#!/usr/bin/env python3\nimport json, os, sys\nname = os.path.basename(sys.argv[0])\n"
        f'open({str(calls)!r}, "a").write(json.dumps([name, *sys.argv[1:]]) + "\\n")\n'
        'if name in ("srun", "apptainer"):\n'
        '    rest = [word for word in sys.argv[1:] if word not in ("exec", "--nv") and not word.endswith(".sif")]\n'
        '    rest = [word for word in rest if not word.startswith(("--ntasks", "--cpus-per-task"))]\n'
        "    os.execvp(rest[0], rest)\n"
    )
    programs = tmp_path / "programs"
    for path in (*(programs / name for name in ("srun", "apptainer", "make", "python")), tmp_path / ".venv/bin/python"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(stand_in)
        path.chmod(0o755)
    (tmp_path / ".venv/.ready").touch()
    (tmp_path / "SLURM").mkdir()

    def run(**variables):
        calls.unlink(missing_ok=True)
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "17"}
        # Slurm runs a copy, from a folder of its own.
        copy = shutil.copy(SBATCH, tmp_path / "SLURM/script")
        subprocess.run(["bash", copy], env=environment | variables, check=True, cwd="/", capture_output=True)
        return [json.loads(line) for line in calls.read_text().splitlines()]

    return run


def bench_options(call):
    """What bench makes of a call; argparse ends the test where an option is not there."""
    assert call[1:3] == ["-m", "bench"]
    return cli.parser().parse_args(call[3:])


def test_the_job_runs_what_bench_understands_as_a_step_of_the_job(submitted, tmp_path):
    calls = submitted(CUDA_VISIBLE_DEVICES="0", SLURM_CPUS_PER_TASK="8")
    assert [call[0] for call in calls] == ["python", "srun", "python"]
    assert "--cpus-per-task=8" in calls[1]
    assert bench_options(calls[0]).verb == "doctor"
    run = bench_options(calls[2])
    assert (run.verb, run.preset, run.out, run.resume) == ("run", "quick", Path("reports/runs/slurm-17"), False)


def test_the_jobs_variables_reach_the_run_and_a_second_job_goes_on(submitted, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/records.jsonl").write_text("{}\n")
    calls = submitted(PRESET="smoke", MODEL="shape:phi-2", OUT="mine", ARGS="--schemes fp16,nf4 --tasks 0")
    run = bench_options(calls[-1])
    assert (run.preset, run.model, run.out, run.resume) == ("smoke", "shape:phi-2", Path("mine"), True)
    assert (run.schemes, run.tasks) == (("fp16", "nf4"), 0)


def test_without_an_environment_it_is_made_first(submitted, tmp_path):
    (tmp_path / ".venv/.ready").unlink()
    assert submitted(PYTHON="python3.12")[0] == ["make", "setup", "PYTHON=python3.12"]


def test_in_an_image_apptainer_runs_it_with_the_gpu(submitted):
    calls = submitted(SIF="bitledger.sif")
    assert calls[0][:5] == ["apptainer", "exec", "--nv", "bitledger.sif", "python"]
    assert bench_options(calls[-1]).verb == "run"


def section(name):
    text = re.sub(r"(?m)^#.*\n", "", DEFINITION.read_text())
    return re.search(rf"(?ms)^%{name}\n(.*?)(?=^%|\Z)", text)[1]


def test_the_definition_starts_from_an_archive_and_names_no_registry():
    assert DEFINITION.read_text().startswith("Bootstrap: docker-archive\nFrom: bitledger.tar\n")
    assert re.findall(r"(?m)^%(\w+)", DEFINITION.read_text()) == ["environment", "runscript", "test", "help"]


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ((), ["python", "-m", "bench", "run"]),
        (("bench", "doctor"), ["python", "-m", "bench", "doctor"]),
        (("profiling", "kineto", "--scheme", "nf4"), ["python", "-m", "profiling", "kineto", "--scheme", "nf4"]),
        (("make", "help"), ["make", "help"]),
    ],
)
def test_its_runscript_calls_what_was_asked_for(tmp_path, given, called):
    for name in ("python", "make"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "runscript").write_text(section("runscript"))
    done = subprocess.run(
        ["/bin/sh", tmp_path / "runscript", *given], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.split() == called


def test_its_environment_replaces_the_volume_of_the_docker_image(tmp_path):
    ask = section("environment") + '\necho "$HF_HOME"'
    for variables, wanted in (({"BITLEDGER_MODELS": "/models of mine"}, "/models of mine"), ({}, f"{tmp_path}/models")):
        done = subprocess.run(["/bin/sh", "-c", ask], env=variables, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == wanted
