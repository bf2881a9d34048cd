"""The simulation of joules asks the tool itself, its page says what its result says, and the result holds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.energy.windows import judge
from bench.analysis.statistics.assumed import ENOUGH
from benchmarks.energy_model import judged, page
from benchmarks.energy_model.board import TOKENS, World, record, true_net
from benchmarks.energy_model.scenarios import ALIKE, APART, DRIFTING

ROOT = Path(__file__).resolve().parents[2]
RESULT = json.loads((ROOT / "benchmarks/results/energy_verdicts.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")


def chance(share: float, count: int) -> float:
    """What so many draws of a true share stay within in 95 % of cases (normal)."""
    return 1.96 * math.sqrt(share * (1 - share) / count)


def test_the_page_says_what_the_result_says() -> None:
    assert page.filled(PAGE, RESULT) == PAGE
    with pytest.raises(ValueError, match="no mark"):
        page.filled("", RESULT)


def test_every_scenario_was_drawn_often_enough() -> None:
    for part, scenarios in (("alike", ALIKE), ("apart", APART), ("drifting", DRIFTING)):
        assert [(row["name"], row["processes"]) for row in RESULT[part]] == [(s.name, s.processes) for s in scenarios]
        assert all(row["replicates"] >= 200 for row in RESULT[part])


def test_no_more_than_five_per_cent_of_verdicts_on_joules_are_false() -> None:
    for row in RESULT["alike"]:
        assert page.false_share(row) <= 0.05 + chance(0.05, row["replicates"]), row
        assert row["net differs"] <= 0.05 + chance(0.05, row["replicates"]), row
    assert np.mean([page.false_share(row) for row in RESULT["alike"]]) <= 0.05
    assert all(row["verdicts"].get("FASTER", 0.0) <= 0.05 for row in RESULT["apart"])


def test_a_difference_of_half_is_found_by_three_processes() -> None:
    found = {row["name"]: row["verdicts"].get("SLOWER", 0.0) for row in RESULT["apart"]}
    assert found["×1.5, 3 of each"] > 0.99 and found["×1.1, 3 of each"] > 0.8 and found["×1.5, 1 of each"] == 0.0


def test_net_holds_the_truth_in_93_to_97_per_cent_of_draws_wherever_its_spread_is_measured() -> None:
    """By three processes, and two idle windows a side; but for a board that is warmed faster than the work is long."""
    seen = [row for row in RESULT["drifting"] if row["processes"] >= ENOUGH and "one idle" not in row["name"]]
    assert {row["processes"] for row in seen} == {3, 5} and len([row for row in seen if "falls" in row["name"]]) == 8
    held = [row for row in seen if not row["name"].endswith(", in 5 s")]
    for row in held:
        assert 0.93 - chance(0.93, row["replicates"]) <= row["coverage"] <= 0.97 + chance(0.97, row["replicates"]), row
    assert 0.93 <= np.mean([row["coverage"] for row in held]) <= 0.97 and len(held) == len(seen) - 2
    assert all(row["coverage"] > 0.88 for row in seen)


def test_net_holds_the_truth_more_often_where_its_spread_is_assumed() -> None:
    for row in RESULT["drifting"]:
        if row["processes"] < ENOUGH or "one idle" in row["name"]:
            assert row["assumed"] == 1.0 and row["coverage"] >= 0.97, row


@pytest.mark.parametrize("world", [World(), World(change=6.0), World(change=9.0, drift="warmed by the work")])
def test_a_board_counts_what_it_draws(world: World) -> None:
    """Without noise, and at the ticks, the counter's joules are power × time."""
    quiet = World(**{**vars(world), "noise": 0.0, "processes": 0.0, "calls": 0.0})
    found = record(quiet, np.random.default_rng(1), "fp16", 0)
    assert not [finding for finding in judge(found) if finding.code != "energy-unchecked"]
    joules, tokens = sum(found.values("energy_gpu")), sum(found.values("window_tokens"))
    work = np.subtract(found.values("work_end"), found.values("work_begin"))
    idle = joules - (quiet.busy - quiet.idle) * work.sum()
    watts = idle / sum(found.values("window_time"))
    assert quiet.idle - 1e-9 <= watts <= quiet.idle + quiet.change + 1e-9
    assert true_net(quiet) == pytest.approx((quiet.busy - quiet.idle) * work.sum() / tokens)
    ticks = np.divide(found.values("edge_time_gpu"), quiet.tick)
    assert tokens % TOKENS == 0 and np.allclose(ticks, np.rint(ticks))


def test_draws_are_the_same_for_the_same_seed() -> None:
    one, again = (judged.both(ALIKE[1], np.random.default_rng(3)) for _ in range(2))
    assert [r.values("energy_gpu") for r in one] == [r.values("energy_gpu") for r in again]
