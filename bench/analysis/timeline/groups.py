"""Statistics of integer values by group, from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.record.codes import starts_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """One row per group that occurs, ascending by ``key``. ``std`` is of the sample (n - 1), 0 for one value."""

    key: Ints
    count: Ints
    total: Ints
    min: Ints
    max: Ints
    median: Floats
    std: Floats

    @property
    def mean(self) -> Floats:
        """total / count."""
        return self.total / self.count

    def by_total(self) -> Ints:
        """The rows, largest total first; equal totals in order of their key."""
        return np.lexsort((self.key, -self.total))


def group(key: NDArray[np.signedinteger], value: Ints) -> Groups:
    """Statistics of ``value`` [n] by ``key`` [n]. Times may be negative: clocks of host and GPU drift apart."""
    keys, values = _sorted(key.astype(np.int64, copy=False), value)
    first = starts_of(keys)
    count = np.diff(np.append(first, len(keys)))
    last = first + count - 1
    total = np.add.reduceat(values, first) if len(first) else np.empty(0, np.int64)
    median = (values[first + (count - 1) // 2] + values[first + count // 2]) / 2
    std = _std(values, first, count, total)
    return Groups(keys[first], count, total, values[first], values[last], median, std)


def _sorted(key: Ints, value: Ints) -> tuple[Ints, Ints]:
    """Both sorted by (key, value)."""
    width = int(value.max(initial=0)) + 1
    if int(key.max(initial=0)) < 2**62 // width and min(int(key.min(initial=0)), int(value.min(initial=0))) >= 0:
        # One sort of one packed column: several times faster than a sort by two columns.
        packed = key * width
        packed += value
        packed.sort()
        keys = packed // width
        packed -= keys * width
        return keys, packed
    order = np.lexsort((value, key))
    return key[order], value[order]


def _std(values: Ints, first: Ints, count: Ints, total: Ints) -> Floats:
    if not len(first):
        return np.empty(0)
    off = values - np.repeat(total / count, count)
    off *= off
    return np.sqrt(np.add.reduceat(off, first) / np.maximum(count - 1, 1))
