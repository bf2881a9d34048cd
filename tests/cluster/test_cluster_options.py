"""What Slurm is asked for: from a TOML file and the command line, into submitit's batch script."""

import os
from pathlib import Path

import pytest

from bench.cluster import cluster as clusters
from bench.cluster.cluster import AGAIN, Cluster, options_of, parameters
from bench.record.errors import MachineError, UsageError


def toml(tmp_path, text):
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    return file


def test_the_command_line_goes_before_the_file(tmp_path):
    file = toml(
        tmp_path, 'partition = "gpu"\naccount = "me"\ntime = 30\nsetup = ["module load cuda"]\n[extra]\nlicenses = "x"'
    )
    found = options_of(file, {"partition": "big", "time": None, "preset": "smoke", "gpus": 2})
    assert found == Cluster(
        partition="big", account="me", time=30, gpus=2, setup=("module load cuda",), extra={"licenses": "x"}
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('queue = "gpu"', "unknown option 'queue'.*partition"),
        ("time = 0", "time must be at least 1"),
        ("time = 1.5", "time must be a whole number"),
        ("gpus = true", "gpus must be a whole number"),
        ("gpus = -1", "gpus must be 0 or more"),
        ("partition = 3", "partition must be a text"),
        ("setup = [1]", "setup must be a list of shell lines"),
        ("setup = 'x'", "setup must be a list"),
        ("extra = 1", "extra must be a table"),
        ("exclusive = 1", "exclusive must be true or false"),
        ("= 1", "is no TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path, text, told):
    with pytest.raises(UsageError, match=told):
        options_of(toml(tmp_path, text), {})


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        options_of(tmp_path / "none.toml", {})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is no TOML"):
        options_of(tmp_path / "bytes.toml", {})


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Programs that stand in for Slurm's; sbatch keeps the scripts that it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    counter = tmp_path / "count"
    sbatch = (
        f'n=$(cat {counter} 2>/dev/null || echo 0); n=$((n+1)); echo $n >{counter}; cp "$1" {tmp_path}/script-$n; '
        'echo "Submitted batch job $n"'
    )
    for name, body in (("sbatch", sbatch), ("srun", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def call():
    return 0


def submit(*arguments):
    return [number for array in clusters.submit(*arguments) for number in array]


def test_one_array_for_all_blocks(sbatch):
    cluster = Cluster(
        partition="gpu",
        account="me",
        qos="high",
        time=45,
        at_once=2,
        memory=64,
        exclusive=True,
        constraint="h100",
        extra={"licenses": "x:1"},
    )
    assert submit(sbatch / "slurm", cluster, [call] * 3) == ["1_0", "1_1", "1_2"]
    script = (sbatch / "script-1").read_text()
    for line in (
        "--partition=gpu", "--account=me", "--qos=high", "--time=45", "--array=0-2%2", "--mem=65536MB", "--exclusive",
        "--constraint=h100", "--licenses=x:1", "--gpus-per-node=1", "--cpus-per-task=8", "--requeue",
        "--signal=USR2@60", "--open-mode=append",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in script
    assert "export HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1}" in script
    lines = script.splitlines()
    measured = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    after = [line for line in lines[measured + 1 :] if line and not line.startswith("#")]
    assert after[0] == "code=$?" and after[-1] == 'exit "$code"'
    assert f'[ "$code" != {AGAIN} ] || scontrol requeue "$job"' in after


@pytest.mark.parametrize("jobs", [1, 3, 5])
def test_the_script_that_is_foretold_is_the_one_that_is_submitted(jobs, sbatch, monkeypatch):
    monkeypatch.setattr("bench.cluster.cluster.LARGEST_ARRAY", 4)
    cluster, before = Cluster(partition="gpu", time=45, setup=("module load python",)), os.environ["PATH"]
    monkeypatch.setenv("PATH", "/nowhere")
    told = list(clusters.scripts(sbatch / "slurm", cluster, jobs))
    assert not (sbatch / "slurm").exists()
    monkeypatch.setenv("PATH", before)
    submit(sbatch / "slurm", cluster, [call] * jobs)
    assert told == [(sbatch / f"script-{number}").read_text() for number in range(1, len(told) + 1)]
    assert len(told) == -(-jobs // 4)


def test_nobody_else_may_change_what_the_jobs_unpickle(sbatch):
    (sbatch / "slurm").mkdir(mode=0o777)
    submit(sbatch / "slurm", Cluster(), [call])
    assert (sbatch / "slurm").stat().st_mode & 0o777 == 0o700


def test_one_block_is_one_job_and_no_gpu_asks_for_none(sbatch):
    assert submit(sbatch / "slurm", Cluster(gpus=0), [call]) == ["1"]
    script = (sbatch / "script-1").read_text()
    assert "--array" not in script and "gpus" not in script and "--partition" not in script


def test_more_blocks_than_an_array_may_hold(sbatch, monkeypatch):
    monkeypatch.setattr("bench.cluster.cluster.LARGEST_ARRAY", 2)
    assert submit(sbatch / "slurm", Cluster(), [call] * 5) == ["1_0", "1_1", "2_0", "2_1", "3"]


def test_in_an_image_python_is_the_images(sbatch):
    with pytest.raises(UsageError, match="no image at"):
        submit(sbatch / "slurm", Cluster(image="none.sif"), [call])
    image = sbatch / "my image.sif"
    image.write_text("")
    submit(sbatch / "runs" / "slurm", Cluster(image=str(image)), [call])
    script = (sbatch / "script-1").read_text()
    assert (
        f"apptainer exec --nv --bind {sbatch}/runs:{sbatch}/runs '{image}' python -u -m submitit.core._submit" in script
    )
    submit(sbatch / "runs" / "slurm", Cluster(image=str(image), gpus=0), [call])
    assert "--nv" not in (sbatch / "script-2").read_text()


def test_a_refusal_is_told_in_slurms_words(sbatch):
    (sbatch / "bin" / "sbatch").write_text('#!/bin/sh\necho "sbatch: error: invalid account" >&2\nexit 1\n')
    with pytest.raises(UsageError, match=r"Slurm did not take the jobs: .*invalid account"):
        submit(sbatch / "slurm", Cluster(), [call])


def test_an_option_that_submitit_does_not_know_cannot_come_from_us():
    import submitit

    made = submitit.SlurmExecutor.__new__(submitit.SlurmExecutor)
    assert (
        set(
            parameters(
                Cluster(
                    partition="x",
                    account="x",
                    qos="x",
                    constraint="x",
                    nodelist="x",
                    exclude="x",
                    memory=1,
                    exclusive=True,
                )
            )
        )
        <= made._valid_parameters()
    )


def test_without_slurm_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"no Slurm here.*--on local"):
        submit(Path(tmp_path) / "slurm", Cluster(), [call])
