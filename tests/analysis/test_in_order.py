"""Arms that were measured one after the other: a drift is no difference, and a large difference is still one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis import generation
from bench.analysis.comparison import Comparison, compare
from bench.record.schema import Record
from bench.report.words import what_tells
from tests import factories as make
from tests.long_tables import some_of

DRAWS = 30


def process(rng: np.random.Generator, level: float, repeat: int, scheme: str = "fp16") -> Record:
    step = 0.01 * level * float(np.exp(0.01 * rng.standard_normal())) / make.SPEEDS[scheme]
    return make.generation(scheme, repeat, step=step, calls=1)


def compared(seed: int, order: str, drift: float, times: float) -> Comparison:
    """Runs of A and B in this order, a day apart, each slower than the one before by the drift."""
    rng, sides = np.random.default_rng(seed), {"A": [], "B": []}
    for day, side in enumerate(order):
        level = float(np.exp(drift * day + 0.003 * rng.standard_normal())) * (times if side == "B" else 1.0)
        made = [process(rng, level, repeat) for repeat in range(3)]
        sides[side] += [replace(record, run_id=f"2025010{day + 1}-120000-{side}") for record in made]
    return compare(sides["A"], sides["B"])


def verdicts(order: str, drift: float, times: float) -> Counter[str]:
    found = (compared(seed, order, drift, times).rows for seed in range(DRAWS))
    return Counter(next(row.verdict for row in rows if row.quantity.startswith("decode")) for rows in found)


DRIFTS = [("AAABBB", 0.01), ("AAABBB", -0.03), ("BBBAAA", 0.03), ("ABABAB", 0.03)]


@pytest.mark.parametrize(("order", "drift"), some_of(DRIFTS, DRIFTS[1:2]))
def test_a_machine_that_drifts_makes_no_difference_of_runs(order: str, drift: float) -> None:
    """Three runs before a change and three after it, 3 % apart by the drift alone, were SLOWER in half of the draws."""
    found = verdicts(order, drift, 1.0)
    assert found["SLOWER"] + found["FASTER"] <= 4, found


def test_a_difference_that_is_far_more_than_the_drift_is_found_either_way() -> None:
    assert verdicts("AAABBB", 0.01, 1.3)["SLOWER"] == verdicts("ABABAB", 0.01, 1.3)["SLOWER"] == DRAWS


def test_that_one_side_came_first_is_told_and_that_they_took_turns_is_not() -> None:
    told = [[finding.code for finding in compared(1, order, 0.0, 1.0).findings] for order in ("AAABBB", "ABABAB", "AB")]
    assert ["one-after-the-other" in codes for codes in told] == [True, False, False]


@pytest.mark.parametrize("in_turns", [True, False])
def test_an_arm_that_was_measured_later_in_a_run_that_warms_up_is_not_slower(in_turns: bool) -> None:
    """Four processes of each; the machine is slower by 2 % with every process that it runs."""
    found: Counter[str] = Counter()
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        made = []
        for place in range(8):
            second, repeat = (place % 2, place // 2) if in_turns else (place // 4, place % 4)
            record = process(rng, float(np.exp(0.02 * place)), repeat, "nf4" if second else "fp16")
            made.append(replace(record, started_at=f"2025-01-01T12:{place:02d}:00.000+00:00"))
        (group,) = generation.summarise(made)
        found[str(next(row.verdict for row in group.rows if row.scheme == "nf4"))] += 1
    assert found["SLOWER"] + found["FASTER"] <= 4, found


def test_what_would_tell_is_said_of_what_was_counted() -> None:
    ratios = {order: next(iter(compared(1, order, 0.0, 1.02).rows)).ratio for order in ("AB", "ABABAB")}
    assert what_tells(ratios["AB"]).startswith("Three runs of each show how runs differ")
    assert ratios["ABABAB"].basis == "between runs" and "quieter machine" in what_tells(ratios["ABABAB"])
    assert what_tells(None).startswith("Three processes of each")
