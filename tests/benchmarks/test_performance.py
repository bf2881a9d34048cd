"""The page of costs says what was measured, and its figures follow from the runs."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from dataclasses import replace
from datetime import datetime

import pytest

from bench.analysis.replay.sample import MOST_WORK
from benchmarks import evaluation, first_report, growth, measured, performance, performance_page, process_tree
from tests import factories as make


@pytest.fixture(scope="module")
def result():
    return json.loads(performance.RESULT.read_text())


def test_the_page_says_what_was_measured(result):
    assert performance.PAGE.read_text() == performance_page.page(result, first_report.recorded(), evaluation.recorded())


def test_figures_follow_from_their_runs(result):
    assert result["rounds"] >= performance.LEAST_ROUNDS
    for row in result["works"]:
        ours = [run["cpu_s"] for run in row["runs"]]
        assert len(ours) == result["rounds"]
        assert row["cpu_s"] == statistics.median(ours)
        for each in row["beside"].values():
            theirs = [run["cpu_s"] for run in each["runs"]]
            assert each["ratio"] == pytest.approx(measured.ratio(theirs, ours))


def test_what_judging_takes_follows_from_its_runs():
    found = evaluation.recorded()
    assert evaluation.medians(found["runs"]).items() <= found.items()
    pairs = [(tool, state) for tool in ("ours", "evalplus") for state in evaluation.STATES]
    counts = {pair: len(evaluation.walls(found["runs"], *pair)) for pair in pairs}
    assert len(set(counts.values())) == 1
    assert min(counts.values()) >= 2


def test_every_size_finds_the_late_change(result):
    """As far as it is the machine's own, and not hidden behind the host."""
    assert result["late_change"][-1]["kernels"] > 3 * MOST_WORK
    for row in result["late_change"]:
        for name in ("recorded_ms", "ledger_ms", "cause_ms"):
            assert row[name] == pytest.approx(row["planted_ms"], rel=0.05)
        assert 0.7 * row["planted_ms"] < row["whatif_ms"] < 1.05 * row["planted_ms"]
        assert 0.7 * row["planted_ms"] < row["saving_ms"] < 1.05 * row["planted_ms"]


def test_a_ratio_and_its_interval():
    """Of logarithms 0 and 2 the mean is 1; t of one degree of freedom is 12.706, and the standard error is 1."""
    found = measured.ratio([1.0, math.e**2], [1.0, 1.0])
    assert found["times"] == pytest.approx(math.e)
    assert math.log(found["high"]) == pytest.approx(1 + 12.7062, rel=1e-5)
    assert math.log(found["low"]) == pytest.approx(1 - 12.7062, rel=1e-5)
    with pytest.raises(ValueError, match="no t quantile"):
        measured.ratio([1.0], [2.0])


def test_what_grows_in_proportion():
    rows = [{"kernels": n, "cpu_s": 0.3 if n < 1e5 else n * 1e-6} for n in (1_000, 100_000, 300_000, 1_000_000)]
    assert growth.exponent(rows, "cpu_s") == pytest.approx(1.0)


def test_a_measured_is_counted_with_its_children(tmp_path):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = [0] * 12_000_000'])"
    run = measured.measured([sys.executable, "-c", code], tmp_path)
    assert run["peak_bytes"] > 90_000_000
    assert run["cpu_s"] > 0
    with pytest.raises(SystemExit, match="failed"):
        measured.measured([sys.executable, "-c", "1 / 0"], tmp_path)


def test_a_goal_that_is_missed_is_called_so():
    row = {"cpu_s": 2.0, "goal_cpu_s": 1.0, "peak_bytes": 5e8, "goal_bytes": 1e9}
    assert performance_page._goal(row) == "≤ 1 s: missed; ≤ 1 GB: met"


def test_the_first_reports_seconds_are_all_of_its_time():
    one = make.generation()
    starts = {"generation": "2026-01-01T00:00:10+00:00", "kineto": "2026-01-01T00:00:13+00:00"}
    records = [replace(one, instrument=name, started_at=start) for name, start in starts.items()]
    began = datetime.fromisoformat("2026-01-01T00:00:06+00:00").timestamp()
    found = first_report.seconds(records, began, wall=20.0)
    assert found == {first_report.ENDING: 13.0, first_report.PLANNING: 4.0, "generation": 3.0}


def test_the_page_says_whether_the_first_report_met_its_goals(result):
    took = {"wall_s": 170.0, "cpu_s": 160.0, "peak_bytes": 2e9, "load_average": [0.1, 1.0], "seconds": {"matmul": 40.0}}
    page = performance_page.page(result, {"machine": result["machine"], **took}, None)
    assert "170 s (goal: ≤ 180 s, met)" in page
    assert "2.00 GB in all its processes together (goal: ≤ 1.5 GB, missed)" in page
    assert "| matmul | 40.0 |" in page


@pytest.mark.parametrize(("seconds", "goal"), [(14.0, "≤ 15 s: met"), (16.0, "≤ 15 s: missed")])
def test_the_page_says_whether_judging_met_its_goal_and_how_long_evalplus_took(result, seconds, goal):
    ours = {("ours", "first"): 2 * seconds, ("ours", "kept"): seconds}
    walls = {**ours, ("evalplus", "first"): 70.0, ("evalplus", "kept"): 3 * seconds}
    runs = [
        {"tool": tool, "state": state, "round": number, "wall_s": wall * (1 + number), "load_average": 0.5}
        for number in range(2)
        for (tool, state), wall in walls.items()
    ]
    machine = {"cores": 2, "python": "3.11.7"}
    told = {"machine": machine, "evalplus": "0.3.1", "workers": 2, "samples": 184, "disagree": []}
    medians = {name: value / 1.5 for name, value in evaluation.medians(runs).items()}
    page = performance_page.page(result, None, {**told, "runs": runs, **medians})
    line = next(line for line in page.splitlines() if line.startswith("| the right answers kept"))
    assert line == f"| the right answers kept | {seconds:.0f} s | {goal} | {3 * seconds:.0f} s | ×3.00 [3.00, 3.00] |"
    assert "Verdicts differ on no task" in page


def test_memory_is_that_of_all_processes_together():
    """Two processes, each with 60 MB of its own."""
    one = "x = bytearray(b'1' * 60_000_000); import time; time.sleep(1)"
    both = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {one!r}]); {one}; child.wait()"
    peak = process_tree.peak_of(subprocess.Popen([sys.executable, "-c", both]), period=0.1)
    assert 120_000_000 < peak < 220_000_000
