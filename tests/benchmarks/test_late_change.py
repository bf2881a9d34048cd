"""The traces with a late change hold what is planted."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.ledger.read import step_costs
from bench.analysis.timeline import Analysis
from bench.record import causes as c
from benchmarks import late_change
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
