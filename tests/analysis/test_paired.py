"""Ratios and differences from pairs: the textbook's numbers, and what must hold whatever the numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.assumed import PROCESS
from bench.analysis.statistics.pairing import BlockPair, paired_difference, paired_ratio, spread

positive = st.floats(1e-3, 1e3)
blocks = st.lists(st.builds(BlockPair, positive, positive, st.sampled_from("abcd")), min_size=2, max_size=12)


def bounds(found: Estimate) -> tuple[float, float]:
    assert found.low is not None and found.high is not None
    return found.low, found.high


def test_one_block_per_node_is_the_paired_t_interval_of_the_textbook() -> None:
    """ "Student" 1908, "The probable error of a mean", section VI: hours of sleep gained with two drugs. Differences
    (1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4) have mean 1.58 and s = 1.23 (n − 1); t(0.975, 9) = 2.262."""
    one = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
    other = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
    pairs = [BlockPair(after, before, f"n{i}") for i, (after, before) in enumerate(zip(other, one, strict=True))]
    found = paired_difference(pairs)
    assert found.value == pytest.approx(1.58)
    assert bounds(found) == pytest.approx((0.700, 2.460), abs=5e-4)
    assert (found.repeats, found.basis) == (10, "paired blocks")


def test_a_ratio_by_hand() -> None:
    # Ratios 2, 4 and 8: logarithms ln 2 × (1, 2, 3), mean 2, s = 1, t(0.975, 2) = 4.3027, reach 4.3027/√3 = 2.4841.
    found = paired_ratio([BlockPair(2.0, 1.0, "a"), BlockPair(8.0, 2.0, "b"), BlockPair(4.0, 0.5, "c")])
    assert found.value == pytest.approx(4.0)
    assert bounds(found) == pytest.approx((2 ** (2 - 2.4841), 2 ** (2 + 2.4841)), rel=1e-4)


def test_blocks_of_one_node_count_as_one() -> None:
    many = [BlockPair(2.0, 1.0, "a")] * 50 + [BlockPair(4.0, 1.0, "b")]
    few = [BlockPair(2.0, 1.0, "a"), BlockPair(4.0, 1.0, "b")]
    assert bounds(paired_ratio(many)) == pytest.approx(bounds(paired_ratio(few)))
    assert paired_ratio(many).value == pytest.approx(math.sqrt(8.0))


def test_one_node_alone_says_that_other_nodes_are_not_in_it() -> None:
    found = paired_ratio([BlockPair(2.0, 1.0, "a"), BlockPair(2.2, 1.0, "a"), BlockPair(1.9, 1.0, "a")])
    assert found.basis == "paired blocks, one node"
    assert found.low is not None and found.low < found.value


def test_of_one_pair_all_spread_is_assumed() -> None:
    """As of one process of each arm anywhere else: ± t(2)·sqrt(2)·PROCESS."""
    found = paired_ratio([BlockPair(3.0, 2.0, "a", samples=4)])
    reach = math.exp(4.3027 * math.sqrt(2) * PROCESS)
    assert bounds(found) == pytest.approx((1.5 / reach, 1.5 * reach), rel=1e-4)
    assert (found.basis, found.assumed) == ("one value", "between processes")
    assert (found.repeats, found.samples, found.relative_error) == (1, 4, None)


def test_two_pairs_never_tell_more_than_their_own_t_interval() -> None:
    seen = math.log(4.0) / 2 * 12.706  # half of ln 4 is the standard error of ln 2 and ln 8
    found = paired_ratio([BlockPair(2.0, 1.0, "a"), BlockPair(8.0, 1.0, "b")])
    assert math.log(bounds(found)[1] / found.value) == pytest.approx(seen, rel=1e-3)
    agreed = paired_ratio([BlockPair(2.0, 1.0, "a"), BlockPair(2.0, 1.0, "b")])
    assert bounds(agreed)[1] / agreed.value > 1.6 and agreed.assumed


def test_no_pairs_and_values_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        spread([], [])
    with pytest.raises(ValueError, match="positive"):
        paired_ratio([BlockPair(0.0, 1.0, "a")])


@given(blocks, st.lists(positive, min_size=12, max_size=12))
def test_what_slows_a_whole_block_changes_nothing(pairs: list[BlockPair], factors: list[float]) -> None:
    slowed = [
        BlockPair(pair.value * factor, pair.reference * factor, pair.node)
        for pair, factor in zip(pairs, factors, strict=False)
    ]
    before, after = paired_ratio(pairs), paired_ratio(slowed)
    assert after.value == pytest.approx(before.value)
    assert after.relative_error == pytest.approx(before.relative_error, abs=1e-9)
    if before.low is not None and before.low > 1e-200 and before.high < 1e200:
        assert bounds(after) == pytest.approx(bounds(before), rel=1e-6)


@given(blocks)
def test_exchanging_the_arms_inverts(pairs: list[BlockPair]) -> None:
    turned = [BlockPair(pair.reference, pair.value, pair.node) for pair in pairs]
    there, back = paired_ratio(pairs), paired_ratio(turned)
    assert back.value == pytest.approx(1 / there.value)
    if there.low is not None and there.low > 1e-200 and there.high < 1e200:
        low, high = bounds(there)
        assert bounds(back) == pytest.approx((1 / high, 1 / low), rel=1e-6)
    less, more = paired_difference(pairs), paired_difference(turned)
    assert less.value == pytest.approx(-more.value)


@given(blocks, st.randoms())
def test_the_order_of_the_blocks_does_not_matter(pairs: list[BlockPair], random) -> None:
    mixed = list(pairs)
    random.shuffle(mixed)
    assert paired_ratio(mixed).value == pytest.approx(paired_ratio(pairs).value)


def test_an_interval_over_nodes_is_as_wide_as_their_means_say() -> None:
    rng = np.random.default_rng(3)
    nodes = [f"n{i}" for i in range(6) for _ in range(i + 1)]
    values = rng.normal(0, 1, len(nodes))
    means = [
        float(np.mean([v for v, n in zip(values, nodes, strict=True) if n == name])) for name in dict.fromkeys(nodes)
    ]
    found = spread(values.tolist(), nodes)
    assert found.mean == pytest.approx(np.mean(means))
    assert found.error == pytest.approx(np.std(means, ddof=1) / math.sqrt(6))
    assert found.df == 5
