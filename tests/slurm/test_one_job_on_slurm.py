"""deploy/slurm.sbatch, the script for one run in one job, on a real Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.record.origin import node_of
from bench.record.store import load
from tests.slurm.cluster import Cluster, NoClusterError, cluster, missing

ROOT = Path(__file__).resolve().parents[2]
READY = ROOT / ".venv" / ".ready"
WHY = missing() or ("" if READY.exists() else "no .venv here: make setup")
pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(WHY), reason=WHY or "a cluster can be made")]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with cluster(tmp_path_factory.mktemp("slurm"), ("n1",)) as made:
            yield made
    except NoClusterError as error:
        pytest.skip(str(error))


def test_one_run_in_one_job_and_the_same_submitted_again(slurm: Cluster, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    small = "--schemes fp16 --tasks 0 --matmul-m= --calls 1 --new-tokens 4 --repeats 1 --energy-seconds 0.2 --no-report"
    command = (
        "sbatch", "--wait", "--gpus-per-node=0", "--cpus-per-task=1", "--mem=0", f"--output={log}",
        f"--export=ALL,PRESET=smoke,OUT={out},ARGS={small}", "deploy/slurm.sbatch",
    )  # fmt: skip
    done = slurm.run(*command, cwd=ROOT, seconds=300)
    assert done.returncode == 0, done.stdout + done.stderr + log.read_text() + slurm.logs()
    records = load(out).records
    assert {node_of(record.environment) for record in records} == {"n1"}
    again = slurm.run(*command, cwd=ROOT, seconds=300)
    assert again.returncode == 0, again.stdout + again.stderr + log.read_text()
    assert load(out).records == records
    assert f"resuming {out}" in log.read_text()
