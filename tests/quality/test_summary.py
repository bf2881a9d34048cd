"""pass@1, what a passed task costs, and the paired tests, from records with invented figures."""

import math
from fractions import Fraction
from itertools import product as every
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.propagation import exact, product
from bench.quality.analysis.mcnemar import exact_p, mcnemar, together
from bench.quality.analysis.passing import wilson
from bench.quality.analysis.summary import agreement, removed, summarise
from tests import factories as make
from tests import quality_records as q

COUNTS = st.integers(0, 60)


def brute(b: int, c: int) -> Fraction:
    """The two-sided p by adding up every outcome that is at least as far from the middle."""
    n = b + c
    far = abs(2 * b - n)
    return sum((Fraction(math.comb(n, i), 2**n) for i in range(n + 1) if abs(2 * i - n) >= far), Fraction(0))


@given(COUNTS, COUNTS)
def test_mcnemar_is_the_two_sided_binomial_sum(b: int, c: int) -> None:
    assert exact_p(b, c) == pytest.approx(float(brute(b, c)), rel=1e-12)


@given(COUNTS, COUNTS)
def test_mcnemar_is_symmetric_and_a_probability(b: int, c: int) -> None:
    assert exact_p(b, c) == exact_p(c, b)
    assert 0 < exact_p(b, c) <= 1


@pytest.mark.parametrize(
    ("b", "c", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (1, 9, 22 / 1024), (3, 3, 1.0)]
)
def test_mcnemar_by_hand(b: int, c: int, p: float) -> None:
    assert exact_p(b, c) == pytest.approx(p)


def test_mcnemar_is_never_zero() -> None:
    assert 0 < exact_p(5000, 0) < 1e-300


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_only_discordant_tasks_count(outcomes: list[tuple[bool, bool]]) -> None:
    reference = {str(i): a for i, (a, _) in enumerate(outcomes)}
    found = mcnemar(reference, {str(i): b for i, (_, b) in enumerate(outcomes)})
    assert found is not None
    assert found.lost == outcomes.count((True, False)) and found.won == outcomes.count((False, True))
    assert (found.verdict == "differs") == (found.p < 0.05)


def test_of_several_arms_one_that_barely_differs_does_not_by_itself() -> None:
    """p is 0.031 where six tasks are lost and none won: one of eight arms without a difference is as far by chance."""
    reference = {str(task): True for task in range(40)}
    arms = [{task: int(task) >= lost for task in reference} for lost in (6, 2, 1, 0)]
    tests = [found for arm in arms if (found := mcnemar(reference, arm)) is not None]
    assert [test.verdict for test in tests] == ["differs", *["cannot tell"] * 3]
    assert {test.verdict for test in together(tests)} == {"cannot tell"} and together(tests[:1]) == tuple(tests[:1])
    far = mcnemar(reference, {task: int(task) >= 12 for task in reference})
    assert far is not None and {test.verdict for test in together([far, tests[0]])} == {"differs"}


def test_tasks_that_one_side_lacks_are_left_out() -> None:
    found = mcnemar({"a": True, "b": True}, {"b": False, "c": True})
    assert found is not None and (found.lost, found.won) == (1, 0)
    assert mcnemar({"a": True}, {"b": True}) is None


@pytest.mark.parametrize(("text", "count"), [(None, 0), ("", 0), ("4", 1), ("0,3-5", 4), ("28-29", 2)])
def test_how_many_layers_are_removed(text: str | None, count: int) -> None:
    assert removed(text) == count


def test_agreement_of_outputs() -> None:
    reference = {"a": (1, 2, 3), "b": (1, 2, 3), "c": (1, 2, 3), "d": (1, 2, 3)}
    other = {"a": (1, 2, 3), "b": (9, 2, 3), "c": (1, 2, 9), "d": (1, 2), "e": (7,)}
    assert agreement(reference, other) == (0.25, 2)
    assert agreement(reference, reference) == (1.0, None)
    assert agreement(reference, {"z": (1,)}) == (None, None)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.sampled_from([-2.0, -1.0, 0.5, 1.0]))
def test_an_exact_factor_only_scales_the_interval(value: float, factor: float, power: float) -> None:
    made = product([(Estimate(value, value / 1.5, value * 2, 3, 9, "between processes"), 1.0), (exact(factor), power)])
    assert made.value == pytest.approx(value * factor**power)
    assert made.low is not None and made.high is not None
    assert made.value / made.low == pytest.approx(1.5) and made.high / made.value == pytest.approx(2)


def test_a_product_of_powers_adds_in_quadrature_and_turns_the_sides_of_a_divisor() -> None:
    one = Estimate(4.0, 4 / 1.1, 4 * 1.2, 3, 9, "between processes")
    made = product([(one, 1.0), (one, -1.0)])
    reach = math.exp(math.hypot(math.log(1.1), math.log(1.2)))
    assert made.low is not None and made.high is not None
    assert (made.value, made.high, made.low) == pytest.approx((1.0, reach, 1 / reach))
    assert product([(one, 1.0), (Estimate(2.0, None, None, 1, 1, "one value"), 1.0)]).high is None
    with pytest.raises(ValueError, match="positive"):
        product([(exact(0.0), 1.0)])


def test_a_family_of_arms() -> None:
    (group,) = summarise(q.run())
    assert group.reference == "fp16"
    assert [(row.case.scheme, row.removed) for row in group.rows] == [
        ("fp16", 0), ("int8", 0), ("nf4", 0), ("fp16", 1), ("fp16", 2), ("fp16", 3),
    ]  # fmt: skip
    first, int8, nf4, *pruned = group.rows
    assert first.against is None and first.plus is not None and first.base is not None
    assert (first.plus.value, first.plus.low, first.plus.high) == (0.5, *wilson(20, 40))
    assert first.base.value == 21 / 40
    assert int8.against and int8.against.test and nf4.against and nf4.against.test
    assert (int8.against.test.lost, int8.against.test.won, int8.against.test.verdict) == (1, 0, "cannot tell")
    assert (nf4.against.test.lost, nf4.against.test.verdict) == (8, "differs")
    assert (int8.against.identical, int8.against.divergence) == (1 - 6 / 40, 5)
    assert [row.passed.value for row in pruned if row.passed] == [15 / 40, 6 / 40, 0]
    assert pruned[-1].energy_per_passed is None and pruned[-1].time_per_passed is None


def test_what_a_passed_task_costs() -> None:
    program, verdict = q.arm("fp16", passed=10, device="cuda")
    (group,) = summarise([program, verdict, *(q.joules(per_token=3.0, repeat=r, spread=0.0) for r in range(3))])
    (row,) = group.rows
    seconds = sum(program.values("generate_time"))
    assert row.time_per_passed and row.energy_per_passed and row.joules
    assert row.time_per_passed.value == pytest.approx(seconds / 10)
    assert row.energy_per_passed.value == pytest.approx(3.0 * 12 * 40 / 10)
    assert row.joules.source.startswith("GPU") and not row.joules.estimated
    low, high = wilson(10, 40)
    assert row.energy_per_passed.low == pytest.approx(36 / high) and row.energy_per_passed.high == pytest.approx(
        36 / low
    )
    assert row.repetition == 0.25 and row.tokens == 12
    assert row.perplexity and row.perplexity.value == pytest.approx(
        math.exp(fmean(program.values("negative_log_likelihood")))
    )


def test_joules_of_another_arm_are_not_taken() -> None:
    others = [
        q.joules("nf4"), q.joules("fp16", "29"), q.joules(batch_size=8), q.joules(model="other"),
        q.joules(intervention="bare-op"),
    ]  # fmt: skip
    (group,) = summarise([*q.arm(device="cuda"), *others])
    assert group.rows[0].joules is None and group.rows[0].energy_per_passed is None


def test_a_counter_goes_before_an_estimate_and_an_estimate_is_labelled() -> None:
    guess = make.codecarbon(device="cuda", new_tokens=64, stop="eos")
    (only,) = summarise([*q.arm(device="cuda"), guess])
    assert only.rows[0].joules and "nominal power" in only.rows[0].joules.estimated
    (both,) = summarise([*q.arm(device="cuda"), guess, q.joules()])
    assert both.rows[0].joules and not both.rows[0].joules.estimated


def test_the_setting_most_like_the_programs_is_taken() -> None:
    energies = [q.joules(per_token=9.0), q.joules(per_token=2.0, new_tokens=64, stop="eos")]
    (group,) = summarise([*q.arm(device="cuda"), *energies])
    assert group.rows[0].joules and group.rows[0].joules.per_token.value == pytest.approx(2.0, rel=0.1)


def test_programs_that_were_not_judged_say_why() -> None:
    skipped = make.record("quality", q.of("nf4"), status="skipped", reason="no sandbox on this machine")
    (group,) = summarise([*q.arm("fp16"), q.samples("nf4"), skipped, q.samples("int8")])
    reasons = {row.case.scheme: (row.reason, row.passed) for row in group.rows}
    assert reasons["nf4"] == ("skipped: no sandbox on this machine", None)
    assert reasons["int8"] == ("its programs were not judged", None)
    assert all(row.perplexity and row.time_per_task for row in group.rows)
    assert all(row.against and row.against.identical == 1.0 and row.against.test is None for row in group.rows[1:])


def test_without_an_unquantised_arm_there_is_no_test() -> None:
    (group,) = summarise([*q.arm("int8"), *q.arm("nf4")])
    assert group.reference is None and all(row.against is None for row in group.rows)


def test_settings_are_not_mixed() -> None:
    records = [record for tokens in (64, 128) for record in q.arm(new_tokens=tokens)]
    assert [dict(group.setting)["new_tokens"] for group in summarise(records)] == [64, 128]
    assert summarise(make.run(schemes=("fp16",), repeats=1)) == ()


def test_base_alone_stands_in_for_plus() -> None:
    passes = [make.without(record, "passed_plus") for s in ("fp16", "nf4") for record in q.arm(s)]
    (group,) = summarise(passes)
    assert all(row.plus is None and row.passed is row.base and row.passed for row in group.rows)
    assert group.rows[1].against and group.rows[1].against.test


@pytest.mark.parametrize(("b", "c"), list(every(range(4), range(4))))
def test_few_discordant_tasks_are_never_a_difference(b: int, c: int) -> None:
    assert exact_p(b, c) > 0.05
