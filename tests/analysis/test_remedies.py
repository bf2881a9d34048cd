"""What to change: the price of another scheme says what it does to the programs, where they were judged."""

import pytest

from bench.analysis import generation
from bench.analysis.generation import call_times
from bench.analysis.remedies import remedies
from bench.analysis.statistics import difference
from tests import factories as make
from tests import quality_records as quality
from tests.sweep_records import sweep


def prices(*judged):
    timed = [make.generation(scheme, repeat) for scheme in ("fp16", "int8", "nf4") for repeat in range(3)]
    found = remedies((), generation.summarise(timed), [*timed, *judged])
    return {(remedy.scheme, remedy.title): remedy.price for remedy in found}


def test_the_price_of_a_scheme_is_the_tasks_that_it_passes():
    judged = [quality.judged("int8", plus=(0, 1)), quality.judged("nf4", plus=(0,)), quality.judged(plus=(0, 1, 2))]
    found = prices(*judged)
    assert found["int8", "use nf4 instead"] == "passes 1 of 40 tasks where it passed 2"
    assert found["nf4", "use fp16 instead"] == "passes 3 of 40 tasks where it passed 1"


def test_without_programs_of_both_it_is_not_known():
    assert set(prices().values()) == {"quality was not measured here"}
    assert prices(quality.judged("int8", plus=(0, 1)))["int8", "use nf4 instead"] == "quality was not measured here"


def test_a_pruned_model_is_not_the_scheme():
    judged = [quality.judged("int8", plus=(0, 1)), quality.judged("nf4", "5", plus=(0, 1))]
    assert prices(*judged)["int8", "use nf4 instead"] == "quality was not measured here"


def test_in_a_sweep_the_gain_is_that_of_the_pairs_whatever_the_nodes_do():
    """Nodes apart by a fifth make the arms' own intervals overlap; the pairs know the gain all the same."""
    records = sweep({"n1": 1.0, "n2": 1.2, "n3": 0.8, "n4": 1.1}, blocks=2, schemes=("fp16", "nf4"))
    (group,) = generation.summarise(records)
    (remedy,) = remedies((), (group,), records)
    slow, other = group.rows[1].time_per_token, group.rows[0].time_per_token
    assert remedy.title == "use fp16 instead" and remedy.sure
    assert slow.low < other.high
    assert remedy.low < remedy.gain < remedy.high
    assert remedy.gain == pytest.approx(slow.value - other.value, rel=0.05)


def test_an_ordinary_runs_gain_has_the_interval_of_the_two_arms_difference():
    records = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(3)]
    (group,) = generation.summarise(records)
    (remedy,) = remedies((), (group,), records)
    times = [[call_times(r) for r in records if r.case.scheme == scheme] for scheme in ("nf4", "fp16")]
    between = difference(*times)
    assert (remedy.low, remedy.high, remedy.assumed) == (between.low, between.high, "")
