"""Sweeps on a real Slurm of several nodes, slurmd processes of this host: real measurements of the tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cluster import folder as places
from bench.cluster.attempt import records_of
from bench.record.origin import block_of, node_of
from bench.record.schema import Record
from bench.record.store import load
from bench.run.plan import Key
from bench.run.planfile import read_planned
from tests.slurm.cluster import Cluster, NoClusterError, cluster, missing, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(missing()), reason=missing() or "a cluster can be made")]
SMALL = (
    "--preset", "smoke", "--schemes", "fp16,nf4", "--tasks", "0", "--matmul-m", "", "--calls", "1",
    "--new-tokens", "6", "--energy-seconds", "0.2",
)  # fmt: skip
# A block of more than a minute: Slurm needs half of one to believe that a node is lost.
LONG = (
    "--preset", "smoke", "--schemes", "fp32,bf16,fp16,int8,int8-thr0,fp4,nf4,nf4-dq", "--tasks", "0", "--matmul-m", "",
    "--calls", "2", "--new-tokens", "16", "--energy-seconds", "2",
)  # fmt: skip
JOB = ("--on", "slurm", "--gpus", "0", "--cpus", "1", "--time", "10")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with cluster(tmp_path_factory.mktemp("slurm"), ("n1", "n2")) as made:
            yield made
    except NoClusterError as error:
        pytest.skip(str(error))


def bench(slurm: Cluster, *arguments: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
    return slurm.run(sys.executable, "-m", "bench", *arguments, seconds=seconds)


def gathered(folder: Path) -> tuple[Record, ...]:
    return load(folder).records


def planned_keys(folder: Path) -> tuple[Key, ...]:
    planned = read_planned(folder)
    assert planned is not None
    return planned.keys


def told(slurm: Cluster, folder: Path) -> str:
    logs = sorted((folder / "slurm").glob("*.out")) + sorted((folder / "slurm").glob("*.err"))
    return slurm.logs() + "".join(f"\n== {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in logs)


@pytest.fixture(scope="module")
def three_blocks(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks over two nodes, watched to the end."""
    folder = tmp_path_factory.mktemp("sweep") / "three"
    done = bench(slurm, "run", *SMALL, *JOB, "--repeats", "3", "--watch", "1", "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr + told(slurm, folder)
    assert "block 1, smoke: all, repeat 1: done on n" in done.stdout
    assert "gathered:" in done.stdout and "on 2 nodes" in done.stdout
    return folder


def test_a_sweep_over_two_nodes_ends_gathers_and_reports(slurm: Cluster, three_blocks: Path) -> None:
    records = gathered(three_blocks)
    assert {record.key for record in records} == set(planned_keys(three_blocks))
    assert {node_of(record.environment) for record in records} == {"n1", "n2"}
    assert all("SLURM_JOB_ID" in record.environment.variables for record in records)
    verified = bench(slurm, "verify", str(three_blocks))
    assert verified.returncode == 0, verified.stdout
    page = (three_blocks / "report.html").read_text(encoding="utf-8")
    assert "n1" in page and "n2" in page


def test_a_blocks_arms_all_ran_on_one_node(three_blocks: Path) -> None:
    blocks: dict[str | None, set[str]] = {}
    for record in gathered(three_blocks):
        blocks.setdefault(block_of(record), set()).add(node_of(record.environment))
    assert len(blocks) == 3 and None not in blocks
    assert all(len(nodes) == 1 for nodes in blocks.values())


def test_the_same_plan_here_differs_in_node_and_times_only(slurm: Cluster, three_blocks: Path, tmp_path: Path) -> None:
    done = bench(
        slurm,
        "run",
        *SMALL,
        "--on",
        "local",
        "--device",
        "cpu",
        "--repeats",
        "3",
        "--no-report",
        "--out",
        str(tmp_path / "here"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = {record.key: record for record in gathered(three_blocks)}
    here = {record.key: record for record in gathered(tmp_path / "here")}
    assert here.keys() == there.keys()
    for key, record in here.items():
        assert _lasting(record) == _lasting(there[key])
        assert [item.name for item in record.metrics] == [item.name for item in there[key].metrics]
        assert record.environment.hardware() == there[key].environment.hardware()
    assert {node_of(record.environment) for record in here.values()}.isdisjoint({"n1", "n2"})


def _lasting(record: Record) -> tuple[object, ...]:
    """What does not depend on when and where a Record was made."""
    setup = {name: record.setup.get(name) for name in ("block", "arm", "model", "tokens_sha256")}
    return record.case, record.instrument, record.repeat, record.status, json.dumps(setup, sort_keys=True)


def test_a_node_lost_mid_run_costs_its_running_case_only(slurm: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "lost"
    done = bench(slurm, "run", *SMALL, *JOB, "--repeats", "3", "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr

    def on_second_process() -> int:
        """The number of a block on n2 that has Records already and measures more."""
        for number in (1, 2, 3):
            for attempt in places.attempts(folder, number):
                state = places.read_state(attempt)
                if state and state.node == "n2" and state.running and not state.ended and records_of(attempt):
                    return number
        return 0

    wait_until(on_second_process, "a block on n2 in its second process", lambda: told(slurm, folder), 120)
    number = on_second_process()
    slurm.lose_node("n2")
    try:
        state = places.read_state(places.attempts(folder, number)[-1])
        kept = {record.key for record in records_of(places.attempts(folder, number)[-1])}
        assert state is not None and kept and set(state.keys) - kept
        watched = bench(slurm, "run", "--watch", "1", "--out", str(folder))
        assert watched.returncode == 0, watched.stdout + watched.stderr + told(slurm, folder)
    finally:
        slurm.start_node("n2")
    first, second = (records_of(attempt) for attempt in places.attempts(folder, number))
    assert {record.key for record in first} == kept
    assert {node_of(record.environment) for record in second} == {"n1"}
    again = {record.key for record in second}
    whole = set(planned_keys(places.block_folder(folder, number)))
    assert again == whole - kept, "what was measured was measured again, or something is missing"
    assert set(state.keys) - kept <= again, "the process under way was not begun again"
    assert {record.key for record in gathered(folder)} == set(planned_keys(folder))
    assert all(record.status != "failed" for record in gathered(folder))


def test_of_a_node_that_was_only_believed_lost_nothing_is_lost_and_nothing_counts_twice(
    slurm: Cluster, tmp_path: Path
) -> None:
    """Its processes go on beside the new job, until they see that there is one."""
    folder = tmp_path / "believed"
    slurm.control("n1", "drain")
    done = bench(slurm, "run", *LONG, *JOB, "--repeats", "1", "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    _measuring(slurm, folder, attempt=1)
    slurm.control("n1", "resume")
    slurm.lose_daemon("n2")
    try:
        watched = bench(slurm, "run", "--watch", "1", "--no-report", "--out", str(folder))
        assert watched.returncode == 0, watched.stdout + watched.stderr + told(slurm, folder)
        wait_until(lambda: _state(folder, 1).ended, "the first attempt's end", lambda: told(slurm, folder))
    finally:
        slurm.end_steps("n2")
        slurm.start_node("n2")
    assert (_state(folder, 1).ended, _state(folder, 2).ended) == ("overtaken", "complete")
    assert (_state(folder, 1).node, _state(folder, 2).node) == ("n2", "n1")
    keys = [record.key for record in gathered(folder)]
    assert len(set(keys)) == len(keys) and set(keys) == set(planned_keys(folder))
    wait_until(lambda: slurm.states()["n2"] == "IDLE", "n2 is back", slurm.logs)


def _state(folder: Path, attempt: int) -> places.AttemptState:
    found = places.read_state(places.attempts(folder, 1)[attempt - 1])
    assert found is not None
    return found


def test_out_of_time_goes_on_in_another_job_and_cancelling_keeps_what_was_measured(
    slurm: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "time"
    done = bench(slurm, "run", *SMALL, *JOB, "--repeats", "1", "--out", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    _measuring(slurm, folder, attempt=1)
    job = json.loads((folder / "jobs.jsonl").read_text())["job"]
    assert slurm.run("scancel", "--signal=USR2", job).returncode == 0
    _measuring(slurm, folder, attempt=2)
    wait_until(lambda: records_of(places.attempts(folder, 1)[1]), "a Record", lambda: told(slurm, folder), 120)
    first = places.read_state(places.attempts(folder, 1)[0])
    assert first is not None and first.ended == "out of time"

    cancelled = bench(slurm, "run", "--cancel", "--out", str(folder))
    assert cancelled.returncode == 0 and "cancelled 1 jobs" in cancelled.stdout
    _until_gone(slurm, folder, job)
    second = places.read_state(places.attempts(folder, 1)[1])
    assert second is not None and second.ended == "cancelled"
    before = [record for attempt in places.attempts(folder, 1) for record in records_of(attempt)]
    assert len({record.key for record in before}) == len(before) > 0

    on = bench(slurm, "run", "--on", "local", "--resume", "--no-report", "--out", str(folder))
    assert on.returncode == 0, on.stdout + on.stderr
    records = gathered(folder)
    assert [record.key for record in records[: len(before)]] == [record.key for record in before]
    assert {record.key for record in records} == set(planned_keys(folder))


def test_ctrl_c_in_the_watch_cancels_all(slurm: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    command = (
        sys.executable,
        "-m",
        "bench",
        "run",
        *SMALL,
        *JOB,
        "--repeats",
        "3",
        "--watch",
        "1",
        "--out",
        str(folder),
    )
    process = subprocess.Popen(
        command,
        env=slurm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Where the tests were started in the background, it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_until(
            lambda: (folder / "jobs.jsonl").exists() and places.attempts(folder, 1), "a block begun", seconds=120
        )
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "cancelled 3 jobs" in output
    for line in (folder / "jobs.jsonl").read_text().splitlines():
        _until_gone(slurm, folder, json.loads(line)["job"])


def test_what_slurm_refuses_is_told_in_one_line(slurm: Cluster, tmp_path: Path) -> None:
    done = bench(slurm, "run", *SMALL, *JOB, "--partition", "nowhere", "--repeats", "1", "--out", str(tmp_path / "no"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "invalid partition" in done.stderr.lower()


def _measuring(slurm: Cluster, folder: Path, attempt: int) -> None:
    def now() -> bool:
        found = places.attempts(folder, 1)
        state = places.read_state(found[attempt - 1]) if len(found) >= attempt else None
        return bool(state and state.running)

    wait_until(now, f"attempt {attempt} measuring", lambda: told(slurm, folder), 120)


def _until_gone(slurm: Cluster, folder: Path, job: str) -> None:
    def gone() -> bool:
        state = slurm.run(
            "squeue", "--noheader", "--array", "--states=all", "--format=%T", f"--jobs={job}"
        ).stdout.strip()
        return state not in ("RUNNING", "PENDING", "COMPLETING")

    wait_until(gone, f"job {job} gone", lambda: told(slurm, folder))
