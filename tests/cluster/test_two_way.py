"""The additive model of unbalanced data gives back what the data were made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cluster.analysis.two_way import TwoWay, fit


def made(seed: int, rows: int, columns: int, kept: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Some entries of a table without noise: row, column, y, and the rows' effects. The first row and column are whole,
    so that all is connected."""
    rng = np.random.default_rng(seed)
    of_row, of_column = rng.normal(size=rows), rng.normal(size=columns)
    there = rng.random((rows, columns)) < kept
    there[0] = there[:, 0] = True
    row, column = np.nonzero(there)
    return row, column, of_row[row] + of_column[column], of_row


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 8), st.floats(0.0, 1.0))
def test_known_effects_are_found_whatever_is_missing(seed: int, rows: int, columns: int, kept: float) -> None:
    row, column, y, effects = made(seed, rows, columns, kept)
    found = fit(row, column, y)
    assert np.allclose(found.rows - found.rows[0], effects - effects[0], atol=1e-8)
    assert set(found.part) == {0} and found.residual == pytest.approx(0, abs=1e-12)
    assert found.freedom == len(y) - (rows + columns - 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5))
def test_another_unit_moves_no_row_against_another(seed: int, shift: float) -> None:
    row, column, y, _ = made(seed, 6, 4, 0.6)
    y = y + 0.1 * np.random.default_rng(seed).normal(size=len(y))
    one, other = fit(row, column, y), fit(row, column, y + shift)
    assert np.allclose(one.rows - one.rows[0], other.rows - other.rows[0], atol=1e-8)
    assert one.residual == pytest.approx(other.residual, rel=1e-6, abs=1e-12)


def test_it_is_the_least_squares_solution() -> None:
    row, column, y, _ = made(3, 7, 5, 0.5)
    y = y + np.random.default_rng(5).normal(size=len(y))
    design = np.zeros((len(y), 12))
    design[np.arange(len(y)), row] = design[np.arange(len(y)), 7 + column] = 1
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    assert fit(row, column, y).residual == pytest.approx(float(((y - design @ best) ** 2).sum()))


def test_rows_without_a_common_column_are_parts_of_their_own() -> None:
    found: TwoWay = fit(np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 5.0, 7.0]))
    assert found.part.tolist() == [0, 0, 1, 1]
    assert found.rows[1] - found.rows[0] == pytest.approx(1) and found.rows[3] - found.rows[2] == pytest.approx(2)
    assert found.freedom == 0
