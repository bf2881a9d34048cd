"""The Pareto front, the weighted score, and who wins for which weights."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality.tradeoff.pareto import CriterionCost, crossings, front, shares
from bench.quality.tradeoff.tradeoff import Tradeoff, parse_weights, tradeoffs
from bench.record.errors import UsageError
from tests import factories as make
from tests import quality_records as q

LOG = st.floats(-3, 3)
EIGHTHS = st.integers(-24, 24).map(lambda number: number / 8)  # lines that are equal or clearly not
NAMES = "abcdef"


def cost(value: float, reach: float = 0.1) -> CriterionCost:
    return CriterionCost(value, value - reach, value + reach)


def test_dominated_front_and_cannot_tell() -> None:
    found = front({
        "good": (cost(1), cost(1)),
        "bad": (cost(2), cost(1.3)),
        "tied": (cost(2), cost(1)),
        "other": (cost(0.5), cost(3)),
        "near": (cost(1.05), cost(1.02)),
    })  # fmt: skip
    assert found["bad"] == ("dominated", ("good", "near"))
    assert found["tied"] == ("cannot tell", ("good",))  # it may be the better one of the two on the second
    assert found["other"] == ("front", ())
    assert found["good"][0] == found["near"][0] == "cannot tell"


def test_an_unknown_interval_shows_nothing() -> None:
    vague = CriterionCost(1.0, -math.inf, math.inf)
    assert {place for place, _ in front({"a": (vague,), "b": (replace(vague, value=2.0),)}).values()} == {"cannot tell"}


ARMS = st.dictionaries(st.sampled_from(NAMES), st.tuples(LOG, LOG, LOG), min_size=1, max_size=6)


@given(ARMS)
def test_what_is_dominated_has_a_better_arm_that_is_not(arms: dict[str, tuple[float, ...]]) -> None:
    found = front({name: tuple(cost(v) for v in values) for name, values in arms.items()})
    assert any(place != "dominated" for place, _ in found.values())
    for name, (_, by) in found.items():
        for other in by:
            assert all(theirs <= own for theirs, own in zip(arms[other], arms[name], strict=True))


@given(ARMS)
def test_shares_add_up_and_a_dominated_arm_wins_nowhere(arms: dict[str, tuple[float, ...]]) -> None:
    won = shares(arms)
    assert math.fsum(won.values()) == pytest.approx(1.0)
    for name, values in arms.items():
        if any(all(b < a - 1e-9 for a, b in zip(values, other, strict=True)) for other in arms.values()):
            assert won[name] == 0.0


@given(st.dictionaries(st.sampled_from(NAMES), st.tuples(LOG, LOG), min_size=1, max_size=6), st.floats(0.001, 0.999))
def test_crossings_name_the_lowest_line_everywhere(arms: dict[str, tuple[float, float]], weight: float) -> None:
    reaches = crossings(arms)
    assert reaches[0].low == 0.0 and reaches[-1].high == 1.0
    assert all(a.high == pytest.approx(b.low, abs=1e-9) for a, b in pairwise(reaches))
    here = next(reach for reach in reaches if reach.low <= weight <= reach.high + 1e-9)
    scores = {name: (1 - weight) * a + weight * b for name, (a, b) in arms.items()}
    assert scores[here.arms[0]] == pytest.approx(min(scores.values()), abs=1e-6)


@given(st.dictionaries(st.sampled_from(NAMES), st.tuples(EIGHTHS, EIGHTHS), min_size=2, max_size=5))
def test_the_grid_agrees_with_the_closed_form(arms: dict[str, tuple[float, float]]) -> None:
    reaches = [reach for reach in crossings(arms) if len(reach.arms) == 1]
    if len(reaches) != len(crossings(arms)):
        return  # ties are shared by the grid
    won = shares(arms)
    for name in arms:
        exact = sum(reach.high - reach.low for reach in reaches if reach.arms == (name,))
        assert won[name] == pytest.approx(exact, abs=0.002)


def test_a_crossing_by_hand() -> None:
    reaches = crossings({"ref": (0.0, 0.0), "small": (math.log(2), -math.log(4))})
    assert [(reach.arms, reach.low) for reach in reaches] == [(("ref",), 0.0), (("small",), pytest.approx(1 / 3))]
    assert [reach.arms for reach in crossings({"x": (0.0, 1.0), "y": (0.0, 1.0)})] == [("x", "y")]


@pytest.mark.parametrize("criteria", [1, 2, 3, 4])
def test_two_mirrored_arms_share_the_weights(criteria: int) -> None:
    ups = (0.0,) * criteria if criteria == 1 else (1.0, -1.0, *(0.0,) * (criteria - 2))
    won = shares({"a": ups, "b": tuple(-value for value in ups)})
    assert won["a"] == pytest.approx(0.5)


def test_weights_are_read() -> None:
    assert parse_weights(None) == dict.fromkeys(("quality", "time", "energy", "memory"), 1.0)
    assert parse_weights("quality=2,time=0.5") == {"quality": 2.0, "time": 0.5, "energy": 0.0, "memory": 0.0}


@pytest.mark.parametrize("text", ["speed=1", "time", "time=fast", "time=-1", "time=nan", "time=inf", "time=0", ","])
def test_bad_weights_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--weights"):
        parse_weights(text)


def run(**weights: float) -> Tradeoff:
    """The group in which all four were measured, at batch 1."""
    found = tradeoffs(q.run(pruned=False), **({"weights": weights} if weights else {}))  # type: ignore[arg-type]
    return next(item for item in found if dict(item.setting)["batch_size"] == 1)


def test_the_score_is_the_weighted_geometric_mean() -> None:
    item = run(quality=2, time=1, energy=1)
    assert item.weights == {"quality": 0.5, "time": 0.25, "energy": 0.25}
    rows = {row.arm.label: row for row in item.rows}
    base, nf4 = rows["fp16"].arm.values, rows["nf4"].arm.values
    expected = (
        (base["quality"].value / nf4["quality"].value) ** 0.5
        * (nf4["time"].value / base["time"].value) ** 0.25
        * (nf4["energy"].value / base["energy"].value) ** 0.25
    )
    score = rows["nf4"].score
    assert score is not None and score.value == pytest.approx(expected)
    assert score.low is not None and score.high is not None and score.low < score.value < score.high
    assert rows["fp16"].score is not None and rows["fp16"].score.value == 1.0
    assert math.fsum(row.wins or 0 for row in item.rows) == pytest.approx(1.0)
    scored = [row.score.value for row in item.rows if row.score]
    assert scored == sorted(scored)


def test_only_the_weighted_criteria_decide_the_front() -> None:
    memory = run(memory=1)
    assert [row.arm.label for row in memory.rows] == ["nf4", "int8", "fp16"]
    assert [row.front for row in memory.rows] == ["front", "dominated", "dominated"]
    assert memory.rows[-1].dominated_by == ("int8", "nf4")
    assert memory.pairs == ()


def test_arms_that_pass_nothing_have_no_score() -> None:
    found = tradeoffs(q.run())
    pruned = next(item for item in found if any("less" in row.arm.label for row in item.rows))
    rows = {row.arm.label: row for row in pruned.rows}
    assert rows["fp16 less 27-29"].score is None and rows["fp16 less 27-29"].missing == "it passes no task"
    assert rows["fp16 less 29"].score is not None


def test_perplexity_where_the_reference_passes_nothing() -> None:
    records = [*q.arm("fp16", passed=0), *q.arm("nf4", passed=0, nats=1.5)]
    (item,) = tradeoffs(records)
    assert item.quality == "perplexity" and item.criteria == ("quality", "time")
    assert item.rows[0].arm.label == "fp16"
    assert any("energy, memory" in note for note in item.notes)


def test_an_arm_that_lacks_a_criterion_is_told() -> None:
    records = [
        r for r in make.run(gpu=True) if not (r.instrument in ("energy", "codecarbon") and r.case.scheme == "nf4")
    ]
    item = next(item for item in tradeoffs(records) if dict(item.setting)["batch_size"] == 1)
    rows = {row.arm.label: row for row in item.rows}
    assert rows["nf4"].missing == "not measured: energy" and rows["nf4"].front == "cannot tell"
    assert rows["int8"].score is not None and item.rows[-1].arm.label == "nf4"


def test_machines_are_never_mixed() -> None:
    one = [make.generation(s, r, device="cuda") for s in ("fp16", "nf4") for r in range(2)]
    other = [replace(record, environment=q.gpu("NVIDIA Other")) for record in one]
    assert [item.machine for item in tradeoffs([*one, *other])] == ["NVIDIA Example 80GB", "NVIDIA Other"]


def test_models_stand_together_only_where_all_were_judged() -> None:
    timed = [make.generation(s, r, model=m) for m in ("big", "small") for s in ("fp16", "nf4") for r in range(2)]
    assert [len(item.rows) for item in tradeoffs(timed)] == [2, 2]
    judged = [r for m in ("big", "small") for s in ("fp16", "nf4") for r in q.arm(s, model=m)]
    item = tradeoffs([*timed, *judged])[0]
    assert item.reference == "big fp16"
    assert {row.arm.label for row in item.rows} == {"big fp16", "big nf4", "small fp16", "small nf4"}


def test_programs_judged_elsewhere_count_where_they_were_written() -> None:
    records = [make.generation(s, r) for s in ("fp16", "nf4") for r in range(2)]
    for scheme in ("fp16", "nf4"):
        program, verdict = q.arm(scheme)
        records += [program, replace(verdict, environment=make.GPU)]
    assert [item.quality for item in tradeoffs(records)] == ["pass@1"]


def test_quality_is_that_of_as_many_tokens() -> None:
    records = [make.generation(s, r, new_tokens=n) for s in ("fp16", "nf4") for r in range(2) for n in (64, 128)]
    records += [
        r for s in ("fp16", "nf4") for n, passed in ((64, 10), (128, 20)) for r in q.arm(s, passed=passed, new_tokens=n)
    ]
    found = {dict(item.setting)["new_tokens"]: item.rows[0].arm.values["quality"].value for item in tradeoffs(records)}
    assert found == {64: 0.25, 128: 0.5}
