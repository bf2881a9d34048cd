"""The verdicts' simulation judges the tool's own answers, its page says what its result says, and the result holds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.analysis import generation
from bench.analysis.statistics.assumed import BURST, PROCESS
from bench.record.store import load
from benchmarks.sweep.noise import H100, RUNS
from benchmarks.verdict_model import claims, coverage, draws, page, power
from benchmarks.verdict_model.spreads import spreads

ROOT = Path(__file__).resolve().parents[2]
RESULT = json.loads((ROOT / "benchmarks/results/verdicts.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/verdicts.md").read_text(encoding="utf-8")


def worst(share: float, count: int) -> float:
    """Share that so many draws stay under in 97.5 % of cases where the true one is ``share`` (normal)."""
    return share + 1.96 * math.sqrt(share * (1 - share) / count)


def test_the_page_says_what_the_result_says() -> None:
    assert page.filled(PAGE, RESULT) == PAGE
    with pytest.raises(ValueError, match="no mark"):
        page.filled("", RESULT)


def test_the_spreads_are_those_of_the_committed_records() -> None:
    assert [
        {**row, "deviation": pytest.approx(row["deviation"]), "by calls": pytest.approx(row["by calls"])}
        if row["by calls"] is not None
        else {**row, "deviation": pytest.approx(row["deviation"])}
        for row in RESULT["spreads"]
    ] == spreads()


def test_the_page_tells_the_spreads_rightly() -> None:
    known = {(row["between"], row["of"]): row["deviation"] for row in RESULT["spreads"]}
    assert all(PROCESS < value < 2 * PROCESS for (what, _), value in known.items() if what == "processes")
    assert known["bursts", H100] < BURST < min(v for (what, of), v in known.items() if what == "bursts" and of != H100)
    (runs,) = (row for row in RESULT["spreads"] if row["between"] == "runs")
    assert runs["deviation"] < 1.2 * runs["by calls"]


def test_the_table_holds_every_cell_that_was_asked_for() -> None:
    cells = {(row["spread"], row["times"], row["processes"]) for row in RESULT["power"]}
    assert cells == {(s, t, n) for s in power.SPREADS for t in power.TIMES for n in power.PROCESSES}
    assert set(power.TIMES) >= {1.1, 1.25, 1.5, 3.0} and power.PROCESSES == (1, 2, 3, 5)
    assert RESULT["replicates of power"] >= 200 and RESULT["replicates of coverage"] >= 200


def test_no_more_than_five_per_cent_of_verdicts_are_false() -> None:
    for row in RESULT["power"]:
        false = ("SLOWER", "FASTER") if row["times"] == 1.0 else ("FASTER",)
        assert sum(row["verdicts"].get(word, 0.0) for word in false) <= worst(0.05, RESULT["replicates of power"]), row


def test_no_claim_is_made_in_more_than_five_per_cent_of_runs_in_which_it_is_false() -> None:
    assert [(row["claim"], row["truth"], row["processes"]) for row in RESULT["claims"]] == [
        (claim, truth, count) for claim, truth, count, _ in claims.CLAIMS
    ]
    replicates = RESULT["replicates of claims"]
    assert replicates >= 200
    for row in RESULT["claims"]:
        assert row["false"] <= worst(0.05, replicates), row


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, id=f"{one[0]}-{one[2]}", marks=[pytest.mark.slow] * (place % 3 > 0))
        for place, one in enumerate(claims.CLAIMS)
    ],
)
def test_claims_are_counted_by_the_tools_own_words(place: int) -> None:
    """The least number of draws that shows a claim which is false in a fifth of runs."""
    assert claims.false_share(place, 7, 12) <= 3 / 12


@pytest.mark.parametrize(
    ("draw", "why"),
    [
        (claims._cliff("supported", 1.8, 3), "a jump to ×1.8"),
        (claims._head("supported", 0.2, 3), "a fifth of the step"),
        (claims._head("refuted", 0.02, 1), "a fiftieth, of one process"),
        (claims._power("supported", 1.6, 0.8, 3), "less power, much longer"),
        (claims._power("refuted", 1.3, 1.3, 3), "more power"),
        (claims._nested("supported", 1.3, 3), "×1.3 with nested scales"),
    ],
)
def test_a_claim_that_is_true_by_far_is_made(draw: claims.Draw, why: str) -> None:
    assert sum(draw(np.random.default_rng(seed)) for seed in range(4)) >= 3, why


def test_a_difference_that_is_large_is_found() -> None:
    found = {
        (row["spread"], row["times"], row["processes"]): row["verdicts"].get("SLOWER", 0) for row in RESULT["power"]
    }
    assert found[0.03, 3.0, 1] == 1.0 and found[0.03, 1.25, 3] > 0.95 and found[0.15, 3.0, 3] > 0.95


def test_intervals_that_were_seen_hold_the_truth_in_93_to_97_per_cent_and_others_in_no_less() -> None:
    """Within the binomial error; those over three values, and Wilson's for rare passes, are told of on the page."""
    for row in RESULT["coverage"]:
        error = 1.96 * max(row["error"], math.sqrt(0.05 * 0.95 / row["replicates"]))
        assert row["coverage"] >= 0.93 - error, row
        assert row["assumed"] or row["coverage"] <= 0.97 + error, row


def test_every_printed_kind_of_interval_is_there() -> None:
    kinds = {row["what"].split(":")[0] for row in RESULT["coverage"]}
    assert kinds >= {"decode time", "joules", "layer product", "ledger", "intervention", "pass@1"}


@pytest.mark.parametrize("place", range(len(coverage._DRAWS)))
def test_draws_are_the_same_for_the_same_seed_and_their_truth_is_in_them(place: int) -> None:
    _, counts, draw = coverage._DRAWS[place]
    one, again = (list(draw(np.random.default_rng(5), counts[-1])) for _ in range(2))
    assert one == again and one
    wide = [list(draw(np.random.default_rng([9, i]), counts[-1])) for i in range(20)]
    for held in zip(*wide, strict=True):
        middles = [(low + high) / 2 - truth for _, low, truth, high, _ in held]
        spans = [high - low for _, low, _, high, _ in held]
        assert abs(np.mean(middles)) < np.mean(spans) / 2  # the truth that is counted is the one that was drawn


def test_the_simulated_arms_are_read_as_records_of_a_run() -> None:
    (group,) = generation.summarise(draws.arms(np.random.default_rng(1), 1.5, 5, 0.01))
    (row,) = (row for row in group.rows if row.scheme == "nf4")
    assert row.repeats == 5 and row.time_ratio is not None and row.time_ratio.value == pytest.approx(1.5, abs=0.05)


def test_of_the_h100_int8_is_slower_and_nf4_cannot_be_told() -> None:
    """One process of each: no spread on record makes ×3.23, and ×1.22 may be the processes'."""
    rows = [row for g in generation.summarise(load(RUNS / H100).records) for row in g.rows if row.time_ratio]
    told = {row.scheme: (row.time_ratio and round(row.time_ratio.value, 2), row.verdict) for row in rows}
    assert told["int8"] == (3.23, "SLOWER") and told["nf4"] == (1.22, "AMBIGUOUS")
    assert all(row.time_ratio and row.time_ratio.assumed == "between processes" for row in rows if row.scheme != "fp16")
