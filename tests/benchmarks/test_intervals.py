"""Coverage of every printed interval of two traces: the committed result, its page, and a small one made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.statistics.spread import ASSUMED, FREEDOM
from bench.analysis.traces.pair import explain_traces
from benchmarks.intervals.coverage import Count, Told, counted
from benchmarks.intervals.jobs import SEED, SPREADS
from benchmarks.intervals.page import KINDS, TIMES, filled, holding, pooled, sure
from benchmarks.intervals.runs import counted as counted_runs
from benchmarks.intervals.times import time_scenes
from benchmarks.intervals.times import told as told_of_times
from benchmarks.intervals.world import Spread, recording, scenes

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "benchmarks" / "results" / "intervals.json").read_text(encoding="utf-8"))
ASSUMED_ROWS = [row for row in (*RESULT["traces"], *RESULT["times"]) if row["spread"] == "as assumed"]


def of_kind(kind, rows=ASSUMED_ROWS):
    return [row for row in rows if row["kind"] == kind]


def slack(share, pairs):
    """Two standard deviations of a share over so many pairs: intervals of one pair are no separate trials."""
    return 2 * (share * (1 - share) / pairs) ** 0.5


def pairs_of(rows):
    return sum({(row["regime"], row["planted"]): row["pairs"] for row in rows}.values())


def test_the_result_is_of_the_assumption_that_the_program_makes():
    assert RESULT["assumed"] == {"name": "as assumed", "host": ASSUMED.host, "gpu": ASSUMED.gpu, "freedom": FREEDOM}
    assert RESULT["seed"] == SEED
    assert pairs_of([row for row in ASSUMED_ROWS if not row["planted"]]) >= 100
    assert pairs_of([row for row in ASSUMED_ROWS if row["planted"]]) >= 200


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_the_truth(kind):
    """93 to 97 %, but for what a sample of so many pairs may stray."""
    rows = of_kind(kind)
    found, pairs = holding(rows), pairs_of(rows)
    share = found.part / found.whole
    assert 0.93 - slack(0.93, pairs) <= share <= 0.97 + slack(0.97, pairs)


@pytest.mark.parametrize("regime", ["host-bound", "GPU-bound", "balanced", "CPU"])
@pytest.mark.parametrize("kind", TIMES)
def test_times_hold_the_truth_whatever_sets_the_pace(kind, regime):
    rows = [row for row in of_kind(kind) if row["regime"] == regime]
    found, pairs = holding(rows), pairs_of(rows)
    assert pairs >= 200
    assert 0.93 - slack(0.93, pairs) <= found.part / found.whole <= 0.97 + slack(0.97, pairs)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("ratio", "prediction")])
def test_what_is_absent_is_seldom_sure(kind):
    found = sure(of_kind(kind))
    assert found.part / found.whole <= 0.05 + slack(0.05, pairs_of(of_kind(kind)))


def test_the_page_says_what_the_result_says():
    text = (ROOT / "docs" / "intervals.md").read_text(encoding="utf-8")
    assert filled(text, RESULT) == text
    with pytest.raises(ValueError, match="no mark"):
        filled("", RESULT)


@pytest.mark.slow
def test_a_small_one(tmp_path):
    """A few pairs of each kind, made here: most hold, and little that is absent is sure."""
    counts = [counted(scene, SPREADS[0], 4, 7, tmp_path) for scene in scenes() if scene.cause != "sync_stall"]
    rows = [vars(count) for each in counts for kind, count in each.items() if kind in KINDS]
    total = pooled(rows)
    assert total.intervals > 300
    assert total.holding >= 0.85 * total.intervals
    assert total.absent_sure <= 0.15 * total.absent


def test_the_times_alone_are_those_of_the_whole_answer(tmp_path):
    """Their own simulation takes a shorter way to the same interval."""
    for scene in time_scenes()[::4]:
        rng = np.random.default_rng(5)
        one, other = (
            recording(each, rng, (0.1, 0.02), tmp_path / "t.json") for each in (scene.reference, scene.candidate)
        )
        delta, ratio = told_of_times(one, other, (1.0, 1.0))
        answer = explain_traces(one, other).timed
        assert (delta.low, delta.high) == pytest.approx((answer.closed.delta.low, answer.closed.delta.high))
        assert (ratio.low, ratio.high) == pytest.approx((answer.ratio.low, answer.ratio.high))


def test_the_same_pairs_for_the_same_seed(tmp_path):
    scene = scenes()[0]
    assert counted(scene, SPREADS[0], 2, 3, tmp_path) == counted(scene, SPREADS[0], 2, 3, tmp_path)


@pytest.mark.slow
def test_the_intervals_of_one_process_assume_what_repeats_show(tmp_path):
    """Four repeats show how processes differ; of one it is assumed, so that its intervals hold the truth too."""
    alike = Spread("fixed", 0.12, 0.02)
    held = {}
    for repeats in (1, 4):
        counts = counted_runs(scenes()[0], alike, 8, repeats, 5, tmp_path)
        total = pooled([vars(count) for count in counts.values()])
        held[repeats] = total.holding / total.intervals
    assert held[4] > 0.7
    assert held[1] > 0.9


def test_the_count_counts():
    count = Count()
    count.add(Told("line, work", "gemm", 0.0, -1.0, 1.0), 1e-6)
    count.add(Told("line, work", "gemm", 0.0, 0.5, 1.0), 1e-6)
    count.add(Told("line, work", "gemm", 2.0, 0.5, 1.0), 1e-6)
    assert vars(count) == {"intervals": 3, "holding": 1, "absent": 2, "absent_sure": 1}
