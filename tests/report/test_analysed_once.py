"""A report resamples nothing twice, and its sections draw what was analysed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.statistics import resampling
from bench.verbs.report import build_run

ROOT = Path(__file__).parents[2]
RUN = ROOT / "reports/runs/h100-starcoder2-3b-20261126"


@pytest.fixture
def drawn(monkeypatch):
    """How often each set of samples was resampled in the same way."""
    monkeypatch.setattr(resampling, "_KEPT", resampling._KeptDraws())
    counts, really = Counter(), resampling._drawn

    def counted(parts, statistic, seed, clusters):
        of = (tuple(clusters.names), clusters.basis) if clusters else None
        counts[tuple(part.tobytes() for part in parts), statistic, seed, of] += 1
        return really(parts, statistic, seed, clusters)

    monkeypatch.setattr(resampling, "_drawn", counted)
    return counts


def test_the_report_of_the_gpu_run_makes_no_bootstrap_twice(drawn):
    """895 of its 2,814 were the same again: a reference beside each scheme, joules in two tables, a line and its
    cause."""
    build_run(RUN, "fp16")
    assert len(drawn) > 1000
    assert set(drawn.values()) == {1}


def test_what_was_drawn_once_cannot_be_changed():
    kept = resampling.draw([np.array([1.0, 2.0, 3.0])], "mean", (0, None))
    with pytest.raises(ValueError, match="read-only"):
        kept.values[0] = 0.0


def test_draws_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(resampling, "_KEPT", resampling._KeptDraws())
    monkeypatch.setattr(resampling, "_KEPT_BYTES", 100_000)
    for value in range(20):
        resampling.draw([np.array([1.0, 2.0, 3.0 + value])], "mean", (0, None))
    assert 0 < resampling._KEPT.bytes <= 100_000
    assert len(resampling._KEPT.draws) < 4
