"""The order of arms over blocks: balanced by place and by neighbour."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cluster.design import order, williams


@given(st.integers(1, 14))
def test_every_arm_stands_at_every_place_once_in_a_square(count: int) -> None:
    rows = williams(count)
    for square in (rows[:count], rows[count:]):
        for place in range(count if square else 0):
            assert sorted(row[place] for row in square) == list(range(count))


@given(st.integers(2, 14))
def test_every_arm_follows_every_other_equally_often(count: int) -> None:
    follows = Counter(pair for row in williams(count) for pair in pairwise(row))
    assert len(follows) == count * (count - 1)
    assert len(set(follows.values())) == 1


@given(st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=9), st.text(max_size=4), st.integers(0, 50))
def test_as_many_blocks_as_arms_are_balanced_whatever_the_seed(arms: list[str], seed: str, cycle: int) -> None:
    count = len(arms)
    rows = [order(arms, cycle * count + number, seed) for number in range(count)]
    assert all(sorted(row) == sorted(arms) for row in rows)
    assert all(len({row[place] for row in rows}) == count for place in range(count))


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    arms = ("fp16", "int8", "nf4", "fp4")
    assert order(arms, 3, "0") == order(arms, 3, "0")
    assert len({order(arms, 0, str(seed)) for seed in range(40)}) > 10


@pytest.mark.parametrize("arms", [(), ("fp16",)])
def test_none_and_one(arms: tuple[str, ...]) -> None:
    assert order(arms, 5, "0") == arms
