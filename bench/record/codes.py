"""Distinct values of integer columns, by sorting or by a table.

numpy's own ``unique`` (2.4) hashes: ten times slower on millions of times and ids, which are nearly all different.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_TABLE = 1 << 22  # widest range of values (32 MiB of table) that is looked up instead of sorted


def distinct(values: NDArray[np.integer]) -> Ints:
    """The different values, ascending."""
    return distinct_sorted(np.sort(values.astype(np.int64, copy=False)))


def distinct_sorted(values: Ints) -> Ints:
    """The different values of an ascending column."""
    if not len(values):
        return values
    return values[np.concatenate(([True], values[1:] != values[:-1]))]


def starts_of(values: Ints) -> Ints:
    """Where each run of equal values begins in an ascending column."""
    if not len(values):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))


def occurrences(values: Ints) -> Ints:
    """How often each of the different values occurs, ascending by value."""
    if len(values) and int(values.min()) >= 0 and _dense(int(values.max()), len(values)):
        counts = np.bincount(values)
        return counts[counts > 0]
    ordered = np.sort(values)
    return np.diff(np.append(starts_of(ordered), len(ordered)))


def encode(values: NDArray[np.integer]) -> tuple[Ints, Ints]:
    """The different values, ascending, and for each row ([n]) which of them it holds."""
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if low == high:
        return np.array([low], np.int64), np.zeros(len(values), np.int64)
    if _dense(high - low, len(values)):
        return _by_table(values, low, high)
    names, code = np.unique(values, return_inverse=True)
    return names.astype(np.int64), code.reshape(-1)


def order_of(values: Ints) -> Ints:
    """The rows in order of their values, equal ones as they stand; of small numbers by counting, in O(n)."""
    small = not len(values) or (int(values.min()) >= 0 and int(values.max()) < 1 << 15)
    return np.argsort(values.astype(np.int16) if small else values, kind="stable")


def _dense(span: int, rows: int) -> bool:
    """Whether a table of all values in between costs no more than a sort of the rows."""
    return span < min(_TABLE, 16 * rows + 1024)


def _by_table(values: NDArray[np.integer], low: int, high: int) -> tuple[Ints, Ints]:
    offset = values.astype(np.int64) - low
    present = np.zeros(high - low + 1, np.int64)
    present[offset] = 1
    names = np.flatnonzero(present)
    present[names] = np.arange(len(names))
    return names + low, present[offset]
