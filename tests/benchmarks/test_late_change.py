"""The traces with a late change hold what is planted, and the page says what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.replay.sample import MOST_WORK
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from benchmarks import late_change
from benchmarks.timeline_scale import RESULTS
from benchmarks.traces import make, write_nsys
from profiling.summarize import read_timeline


def test_the_change_is_in_the_gemm_of_the_late_steps_alone(tmp_path):
    plain = make(4_800)
    late = late_change.late(plain)
    found = []
    for trace in (plain, late):
        write_nsys(tmp_path / "t.sqlite", trace)
        found.append(step_costs(Analysis(read_timeline(tmp_path / "t.sqlite"))))
    gemm = found[1].causes[c.GEMM] - found[0].causes[c.GEMM]
    assert (gemm[:7] == 0).all() and (gemm[7:] > 0).all()
    assert (gemm % late_change.LONGER_NS == 0).all()
    assert gemm.mean() * 1e-6 == pytest.approx(late_change.gemm_ms(late) - late_change.gemm_ms(plain))
    for cause in (c.DEQUANTISE, c.ATTENTION, c.NORM):
        assert found[1].causes[cause].tolist() == found[0].causes[cause].tolist()
    assert found[1].wall.mean() * 1e-6 == pytest.approx(late_change.step_ms(late))
    assert (np.diff(late.kernel_start) > 0).all()


def test_the_page_says_what_was_measured():
    result = json.loads((RESULTS / "late_change.json").read_text())
    assert late_change.PAGE.read_text() == late_change.page(result)


def test_every_size_finds_the_change():
    """As far as it is the machine's own, and not hidden behind the host."""
    sizes = json.loads((RESULTS / "late_change.json").read_text())["sizes"]
    assert sizes[-1]["kernels"] > 3 * MOST_WORK
    for row in sizes:
        for name in ("recorded_ms", "ledger_ms", "cause_ms"):
            assert row[name] == pytest.approx(row["planted_ms"], rel=0.05)
        assert 0.7 * row["planted_ms"] < row["whatif_ms"] < 1.05 * row["planted_ms"]
        assert 0.7 * row["planted_ms"] < row["saving_ms"] < 1.05 * row["planted_ms"]
