"""The generated traces are what the benchmark says they are, and both files tell the same story."""

from __future__ import annotations

import numpy as np

from bench.analysis.timeline import Analysis
from benchmarks.traces import make, write_kineto, write_nsys
from profiling.summarize import read_timeline, summarize


def test_both_files_sum_up_the_same(tmp_path):
    trace = make(2400)
    write_nsys(tmp_path / "a.sqlite", trace)
    write_kineto(tmp_path / "a.json", trace)
    of_nsys, of_kineto = summarize(tmp_path / "a.sqlite"), summarize(tmp_path / "a.json")
    assert of_nsys["kernels"] == of_kineto["kernels"]
    for key in ("busy_ns", "idle_ns", "span_ns", "sync_stall_ns", "host_gap_ns", "syncs"):
        assert of_nsys[key] == of_kineto[key]
    assert sum(row["count"] for row in of_nsys["kernels"]) == 2400
    assert sum(row["count"] for row in of_nsys["ranges"]) == 205 * 10
    steps = of_nsys["ranges"][0]
    assert (steps["name"], steps["count"], steps["kernels"]) == ("decode_step", 10, 2400)


def test_steps_and_nesting(tmp_path):
    write_nsys(tmp_path / "a.sqlite", make(480))
    analysis = Analysis(read_timeline(tmp_path / "a.sqlite"))
    steps = analysis.steps()
    assert steps.launches.tolist() == steps.kernels.tolist() == [240, 240]
    assert steps.syncs.tolist() == [1, 1]
    assert (analysis.range >= 0).all()
    assert np.unique(analysis.nesting.depth).tolist() == [0, 1, 2, 3]
