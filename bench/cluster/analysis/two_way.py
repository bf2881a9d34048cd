"""The additive two-way model of unbalanced data, y = row + column + rest, by least squares.

Rows are nodes (or the blocks on them), columns what was measured there (a setting and a scheme); any entry may be
missing or be there more than once. Rows are eliminated from the normal equations, because there are few columns and
many rows. Effects of two rows can be compared only where a chain of common columns connects them; ``part`` says which
are. (Searle 1987, "Linear models for unbalanced data", on connected data and models without interaction.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TwoWay:
    """``rows``, ``columns``: effects; a row's plus a column's is a fitted value, so a constant may be moved from the
    ones to the others within a part. ``part``: of each row. ``residual``: sum of squares, on ``freedom`` degrees."""

    rows: Floats
    columns: Floats
    part: Ints
    residual: float
    freedom: int


def counts_of(row: Ints, column: Ints) -> Floats:
    """[rows, columns] how often each pair occurs. Rows and columns are numbered from 0 without gaps."""
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    flat = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)


def fit(row: Ints, column: Ints, y: Floats) -> TwoWay:
    """Fit the model. ``row``, ``column`` and ``y`` are of one length, at least 1; numbered as for ``counts_of``."""
    counts = counts_of(row, column)
    per_row, per_column = counts.sum(axis=1), counts.sum(axis=0)
    row_mean = np.bincount(row, weights=y) / per_row
    normal = np.diag(per_column) - counts.T @ (counts / per_row[:, None])
    right = np.bincount(column, weights=y) - counts.T @ row_mean
    # The least-norm solution: one constant per part is free.
    columns = np.linalg.lstsq(normal, right, rcond=None)[0]
    rows = row_mean - counts @ columns / per_row
    part = _parts(counts)
    rank = counts.shape[0] + counts.shape[1] - int(part.max()) - 1
    rest = y - rows[row] - columns[column]
    return TwoWay(rows, columns, part, float(rest @ rest), len(y) - rank)


def _parts(counts: Floats) -> Ints:
    """Which connected part each row is in, numbered from 0 in order of the rows."""
    linked = counts.T @ counts > 0
    of_column = np.full(counts.shape[1], -1, np.int64)
    for start in range(counts.shape[1]):
        if of_column[start] < 0:
            _spread(linked, of_column, start)
    found = of_column[np.argmax(counts > 0, axis=1)]
    numbers = {old: new for new, old in enumerate(dict.fromkeys(found.tolist()))}
    return np.array([numbers[old] for old in found.tolist()], np.int64)


def _spread(linked: NDArray[np.bool_], of_column: Ints, start: int) -> None:
    """Mark all columns that can be reached from ``start``."""
    reached = np.zeros(len(of_column), bool)
    reached[start] = True
    while True:
        grown = reached | linked[reached].any(axis=0)
        if (grown == reached).all():
            break
        reached = grown
    of_column[reached] = start
