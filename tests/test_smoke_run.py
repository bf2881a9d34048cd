"""The main job as a user runs it: measure, report, be killed, resume. Real children, few calls."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.record.store import RECORDS, load
from bench.run.planfile import read_plan

ONE_CALL = ("--preset", "smoke", "--device", "cpu", "--schemes", "fp16,nf4", "--calls", "1", "--new-tokens", "6",
            "--repeats", "1", "--energy-seconds", "0.1", "--tasks", "0")  # fmt: skip
SMALL = (*ONE_CALL, "--matmul-seconds", "0.01")
# For what is killed: one scheme, and no report.
SMALLER = (*ONE_CALL, "--schemes", "nf4", "--matmul-m", "", "--no-report")


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=280
    )


def planned(folder):
    return [request.key(block.repeat) for block in read_plan(folder).blocks for request in block.requests]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke") / "run"
    done = bench("run", *SMALL, "--no-tries", "--matmul-m", "1", "--out", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done


def test_every_planned_record_is_there_once(run):
    folder, _ = run
    keys = [record.key for record in load(folder).records]
    assert sorted(keys) == sorted(planned(folder))


def test_it_ends_in_a_screen_that_fits(run):
    """After the steps, which a terminal shows as one bar."""
    lines = run[1].stdout.splitlines()
    last = max(place for place, line in enumerate(lines) if line.startswith("["))
    ends = lines[last + 1 :]
    assert 3 < len(ends) <= 25
    assert [line for line in ends if len(line) > 80 and len(line.removesuffix(" \\").split()) > 1] == []
    assert any(line.startswith("written:") for line in ends) and any(line.startswith("All of it:") for line in ends)


def test_nothing_failed_and_what_is_skipped_says_why(run):
    records = load(run[0]).records
    assert {record.status for record in records} <= {"ok", "skipped"}
    assert {record.instrument for record in records if record.status == "ok"} >= {"generation", "matmul", "ceiling"}
    assert all(len(record.reason) > 20 for record in records if record.status == "skipped")


def test_every_record_knows_its_machine_and_its_arm(run):
    for record in load(run[0]).records:
        assert record.environment.cpu["model"]
        assert record.environment.packages["torch"]
        assert record.environment.before
        assert record.environment.after
        assert record.status == "skipped" or record.case.workload == "machine" or record.setup["arm"]["disable_compile"]


def test_report_and_progress_are_shown(run):
    folder, done = run
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert (folder / "report.md").exists()
    assert list((folder / "figures").glob("*.svg"))
    assert "[1/" in done.stdout
    assert "report.html" in done.stdout


def test_no_log_of_a_good_child_is_left_and_one_timeline_per_scheme(run):
    left = list((run[0] / "artifacts").iterdir())
    assert {path.name.split("-")[0] for path in left} == {"kineto"}
    assert len(left) == len({path.name.rsplit("-", 2)[0] for path in left})
    assert all(sorted(path.name for path in item.iterdir()) == ["summary.json", "trace.json.gz"] for item in left)


def test_a_finished_run_has_nothing_to_resume(run):
    before = (run[0] / RECORDS).read_bytes()
    done = bench("run", "--resume", "--no-report", "--out", run[0])
    assert done.returncode == 0
    assert " 0 of " in done.stdout
    assert (run[0] / RECORDS).read_bytes() == before


@pytest.mark.slow
def test_a_killed_run_loses_the_running_case_alone_and_resume_repeats_nothing(tmp_path):
    folder = tmp_path / "run"
    parent = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *SMALLER, "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    for _ in range(1200):
        time.sleep(0.05)
        if (folder / RECORDS).exists() and b'"generation"' in (folder / RECORDS).read_bytes():
            break
    children = children_of(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    kept = load(folder).records
    assert any(record.instrument == "generation" for record in kept)
    for child in children:
        assert gone(child), "a child outlived its parent"

    done = bench("run", "--resume", "--no-report", "--out", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    records = load(folder).records
    assert records[: len(kept)] == kept
    assert sorted(record.key for record in records) == sorted(planned(folder))


@pytest.mark.slow
def test_sigterm_ends_a_run_in_order(tmp_path):
    folder = tmp_path / "run"
    parent = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *SMALLER, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(1200):
        time.sleep(0.05)
        if (folder / RECORDS).exists() and (folder / RECORDS).stat().st_size:
            break
    parent.send_signal(signal.SIGTERM)
    _, error = parent.communicate(timeout=60)
    assert parent.returncode == 143
    assert "what was measured is kept" in error
    assert load(folder).records


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid):
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
