"""pass@k against its definition, and Wilson's interval against published values."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality.analysis.passing import pass_at_k, wilson


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_it_is_the_share_of_all_choices_of_k_that_hold_one_that_passed(told):
    n, c, k = told
    choices = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k([(n, c)], k) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_tasks_count_alike():
    assert pass_at_k([(1, 1), (10, 0)], 1) == 0.5


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 10"):
        pass_at_k([(10, 3), (9, 9)], 10)


def test_wilsons_interval():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(29, 29)[1] == 1.0


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(told):
    low, high = wilson(*told)
    assert 0 <= low <= told[0] / told[1] + 1e-12
    assert told[0] / told[1] - 1e-12 <= high <= 1
