"""Wraps put back afterwards: which n fits, whether it alone does, and when that cannot be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.energy.wraps import AMD_RANGE, INTEL_RANGE, find_wraps

WH = 3600.0


def test_a_run_of_the_study_with_six_wraps_is_found_and_alone():
    found = find_wraps(28.017 * WH, 6717.8, 240, 260)
    assert found.answer == "one fits"
    assert found.fit is not None
    assert found.fit.wraps == 6
    assert found.fit.watts == pytest.approx(249.15, abs=0.01)
    assert found.step == pytest.approx(39.0, abs=0.1)


def test_right_joules_need_no_wrap():
    found = find_wraps(71.631 * WH, 911.9, 270, 290)
    assert (found.answer, found.fit.wraps if found.fit else None) == ("as recorded", 0)


def test_a_power_known_only_widely_leaves_several():
    found = find_wraps(28.017 * WH, 6717.8, 200, 320)
    assert found.answer == "several fit"
    assert (found.fewest, found.most) == (5, 7)
    assert found.fit is None
    assert found.margin is not None and found.margin < 0


def test_a_long_run_needs_a_narrow_power():
    day = 24 * 3600.0
    true = 250.0 * day
    left = true % INTEL_RANGE
    assert find_wraps(left, day, 245, 255).answer == "several fit"  # 3 W apart
    narrow = find_wraps(left, day, 249.5, 250.5)
    assert narrow.fit is not None and narrow.fit.joules == pytest.approx(true)


def test_where_nothing_fits_it_says_so():
    found = find_wraps(74.621 * WH, 3495.9, 274, 280)
    assert found.answer == "none fits"
    assert found.fit is None and found.margin is None
    assert [round(found.with_wraps(n).watts, 1) for n in (2, 3)] == [226.8, 301.8]
    assert found.nearest(279.9).wraps == 3


def test_a_plausible_power_that_is_wrong_by_a_step_gives_a_wrong_n_alone():
    """Why the answer is told with the power that it rests on: the joules themselves cannot contradict it."""
    true = 250.0 * 1000
    found = find_wraps(true, 1000, 505, 520)
    assert found.answer == "one fits" and found.fit is not None and found.fit.wraps == 1
    assert find_wraps(true, 1000, 245, 255).answer == "as recorded"


def test_counters_of_two_packages_add_up_to_one_n():
    left = sum((power * 6857.8) % INTEL_RANGE for power in (146.0, 154.5))
    found = find_wraps(left, 6857.8, 295, 306)
    assert found.fit is not None and found.fit.joules == pytest.approx(300.5 * 6857.8)


def test_a_smaller_range_leaves_more_to_choose_from():
    assert find_wraps(28.017 * WH, 6717.8, 240, 260, AMD_RANGE).answer == "several fit"


@pytest.mark.parametrize(
    "arguments",
    [(-1, 10, 1, 2), (1, 0, 1, 2), (1, 10, 2, 1), (1, 10, -1, 2), (float("nan"), 10, 1, 2), (1, 10, 1, 2, 0)],
)
def test_what_is_no_energy_or_no_power_is_refused(arguments):
    with pytest.raises(ValueError):
        find_wraps(*arguments)


@given(
    watts=st.floats(20, 600),
    seconds=st.floats(10, 50_000),
    below=st.floats(0, 40),
    above=st.floats(0, 40),
    range_=st.sampled_from([INTEL_RANGE, AMD_RANGE]),
)
def test_the_truth_always_fits_and_not_alone_where_the_power_spans_two_steps(watts, seconds, below, above, range_):
    true = watts * seconds
    wraps = int(true // range_)
    low, high = max(0.0, watts - below - 1e-6), watts + above + 1e-6
    found = find_wraps(true - wraps * range_, seconds, low, high, range_)
    assert found.fewest <= wraps <= found.most
    if found.fit is not None:
        assert found.fit.watts == pytest.approx(watts, rel=1e-9)
        assert found.margin is not None and found.margin > 0
    if high - low >= 2 * found.step + 1e-9 and found.fewest > 0:
        assert found.most > found.fewest
