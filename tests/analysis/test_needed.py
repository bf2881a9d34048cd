"""How many processes would tell: an estimate as docs/verdicts.md has it, and none where no spread was seen."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.student import t_quantile
from bench.analysis.statistics.verdict import MOST, processes_needed

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs/verdicts.md").read_text(encoding="utf-8").split())


def seen(times: float, spread: float, processes: int = 3) -> Estimate:
    """A ratio as so many processes of each arm give it that differ by ``spread``, as standard deviation."""
    half = t_quantile(0.975, 2.0 * (processes - 1)) * spread * math.sqrt(2.0 / processes)
    bounds = times * math.exp(-half), times * math.exp(half)
    return Estimate(times, *bounds, processes, 9, "between processes", freedom=2.0 * (processes - 1))


@pytest.mark.parametrize(("times", "spread", "needed"), [(1.05, 0.03, 8), (1.1, 0.03, 4), (1.25, 0.15, 9)])
def test_the_estimate_is_that_of_the_page(times: float, spread: float, needed: int) -> None:
    assert processes_needed(seen(times, spread)) == needed
    assert f"×{times:g} needs {needed} of each where they differ by {spread:.0%}".replace("%", " %") in " ".join(
        PAGE.split()
    )


def test_nothing_is_estimated_where_the_spread_was_not_seen_and_never_fewer_than_there_were() -> None:
    assert processes_needed(replace(seen(1.05, 0.03), assumed="between processes")) is None
    assert processes_needed(replace(seen(1.05, 0.03), basis="between runs")) is None
    assert processes_needed(seen(1.05, 0.5)) == MOST + 1
    assert processes_needed(seen(1.5, 0.01, processes=6)) == 7
    assert (processes_needed(seen(1.0, 0.005)) or 0) > 3  # to be called the same
