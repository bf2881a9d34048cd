"""Variance components of made-up sweeps whose components are known."""

import numpy as np
import pytest

from bench.cluster.analysis.node_variance import Variation, variation

NODE, BLOCK, REST = 0.02, 0.01, 0.005
Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def sweep(seed: int, nodes: int = 8, most_blocks: int = 4, kept: float = 0.85) -> Columns:
    """Unbalanced: one to four blocks on a node, some arms missing."""
    rng = np.random.default_rng(seed)
    rows, block = [], 0
    for node in range(nodes):
        of_node = NODE * rng.standard_normal()
        for _ in range(rng.integers(1, most_blocks + 1)):
            of_block = BLOCK * rng.standard_normal()
            for arm in range(6):
                if rng.random() < kept or arm == 0:
                    rows.append((node, block, arm, of_node + of_block + REST * rng.standard_normal() + 3.0 * arm))
            block += 1
    table = np.array(rows)
    node_column, block_column, arm_column = table[:, :3].astype(np.int64).T
    return node_column, block_column, arm_column, table[:, 3]


def found(seed: int, **how: float) -> Variation:
    made = variation(*sweep(seed, **how))  # type: ignore[arg-type]
    assert made is not None
    return made


@pytest.fixture(scope="module")
def many() -> list[Variation]:
    return [found(seed) for seed in range(250)]


def test_the_components_are_right_on_average(many: list[Variation]) -> None:
    for name, true in (("node", NODE), ("block", BLOCK), ("rest", REST)):
        mean = np.mean([getattr(one, name) ** 2 for one in many])
        assert mean == pytest.approx(true**2, rel=0.12), name


def test_the_interval_covers_the_nodes_deviation(many: list[Variation]) -> None:
    covered = np.mean([(one.low or 0) <= NODE <= (one.high or 0) for one in many])
    assert 0.90 <= covered <= 0.99


def test_one_block_per_node_cannot_tell_nodes_from_blocks() -> None:
    made = [found(seed, most_blocks=1) for seed in range(150)]
    assert all(one.block is None for one in made)
    assert np.mean([one.node**2 for one in made]) == pytest.approx(NODE**2 + BLOCK**2, rel=0.2)


def test_the_unit_of_time_does_not_matter() -> None:
    node, block, arm, y = sweep(1)
    one, other = variation(node, block, arm, y), variation(node, block, arm, y + np.log(1000))
    assert one is not None and other is not None
    assert (one.node, one.block, one.rest) == pytest.approx((other.node, other.block, other.rest), rel=1e-6)


def test_what_cannot_be_compared_has_no_variation() -> None:
    zero, one = np.array([0, 0]), np.array([0, 1])
    assert variation(zero, zero, one, np.array([1.0, 2.0])) is None
    assert variation(one, one, one, np.array([1.0, 2.0])) is None


def test_equal_nodes_differ_by_nothing() -> None:
    node, block, arm, _ = sweep(2, kept=1.0)
    made = variation(node, block, arm, arm.astype(float))
    assert made is not None and made.node == pytest.approx(0, abs=1e-6) and made.rest == pytest.approx(0, abs=1e-6)


def test_a_single_arm_per_block_leaves_nothing_for_the_rest() -> None:
    node = np.array([0, 0, 1, 1])
    made = variation(node, np.arange(4), np.zeros(4, np.int64), np.array([0.0, 0.01, 0.1, 0.12]))
    assert made is not None and made.rest is None and made.block is not None and made.node > 0.05
