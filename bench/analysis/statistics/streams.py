"""Random numbers that many bootstraps share: each is drawn once and kept.

Bootstraps start from the same seed, so arms of equally many repeats and calls are resampled by the same numbers, and a
report has thousands of arms but tens of such layouts. A Stream gives what numpy's generator of that seed would give,
number for number, and keeps it for the next one that asks for the same in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Numbers = tuple[Rows, ...]

# What is kept in all, and the most of one kind: what is larger is drawn again.
_KEPT_BYTES, _LARGEST = 64 << 20, 4 << 20


@dataclass
class _State:
    """A generator's state, and what was drawn from there before."""

    generator: dict[str, Any]
    drawn: dict[Hashable, tuple[Numbers, _State]] = field(default_factory=dict)


class _KeptStreams:
    """All that is kept, by seed; forgotten when it grows too large."""

    def __init__(self) -> None:
        self.roots: dict[Hashable, _State] = {}
        self.bytes = 0

    def root(self, seed: int, child: int | None) -> _State:
        if (seed, child) not in self.roots:
            rng = np.random.default_rng(seed)
            rng = rng if child is None else rng.spawn(child + 1)[child]
            self.roots[seed, child] = _State(dict(rng.bit_generator.state))
        return self.roots[seed, child]

    def keep(self, state: _State, asked: Hashable, numbers: Numbers, after: _State) -> None:
        size = sum(column.nbytes for column in numbers)
        if size > _LARGEST:
            return
        if self.bytes + size > _KEPT_BYTES:
            self.roots, self.bytes = {}, 0  # and ``state`` with them
            return
        self.bytes += size
        state.drawn[asked] = numbers, after


_KEPT = _KeptStreams()


class Stream:
    """The numbers of a seed, or of its ``child``-th spawned generator, from the first on. They are read-only."""

    def __init__(self, seed: int, child: int | None = None) -> None:
        self._state = _KEPT.root(seed, child)

    def integers(self, high: int, shape: tuple[int, int]) -> Rows:
        """``shape`` whole numbers from 0 up to, not including, ``high``."""
        return self._draw(("integers", high, shape), lambda rng: (rng.integers(0, high, size=shape),))[0]

    def middles(self, size: int, count: int) -> tuple[Rows, Rows]:
        """[count] places, in ascending values of a sample of ``size``, of the two in the middle of a resample.

        Exact, and the resample itself need not be made: the j-th smallest of m uniform draws is Beta(j, m − j + 1)
        (David & Nagaraja 2003, "Order statistics", section 2.1).
        """
        lower, upper = self._draw(("middles", size, count), lambda rng: _middles(rng, size, count))
        return lower, upper

    def _draw(self, asked: Hashable, drawing: Callable[[np.random.Generator], Numbers]) -> Numbers:
        found = self._state.drawn.get(asked)
        if found is None:
            rng = np.random.Generator(np.random.PCG64(0))
            rng.bit_generator.state = self._state.generator
            numbers = drawing(rng)
            for column in numbers:
                column.flags.writeable = False
            found = numbers, _State(dict(rng.bit_generator.state))
            _KEPT.keep(self._state, asked, *found)
        self._state = found[1]
        return found[0]


def _middles(rng: np.random.Generator, m: int, count: int) -> Numbers:
    half = (m + 1) // 2
    first = rng.beta(half, m - half + 1, size=count)
    lower = np.minimum((first * m).astype(np.int64), m - 1)
    if m % 2:
        return lower, lower
    second = first + (1.0 - first) * rng.beta(1, m - half, size=count)
    return lower, np.minimum((second * m).astype(np.int64), m - 1)
