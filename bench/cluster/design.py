"""In which order a block's arms run: balanced over blocks, so that a place in the order favours no arm.

A node warms up while a block runs, and an arm may leave the machine in another state for the next one. Williams's
squares (1949, "Experimental designs balanced for the estimation of residual effects of treatments", Australian Journal
of Scientific Research A 2) are Latin squares, every arm once at every place over as many blocks as there are arms, in
which every arm also follows every other equally often: over one square where the number of arms is even, over a pair
of mirrored squares where it is odd.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Arm = TypeVar("Arm")


def williams(count: int) -> tuple[tuple[int, ...], ...]:
    """The rows of the design for ``count`` arms, each an order of 0 … count − 1: ``count`` rows where that is even or
    1, else twice as many."""
    first = tuple(place // 2 if place % 2 == 0 else count - 1 - place // 2 for place in range(count))
    square = tuple(tuple((arm + row) % count for arm in first) for row in range(count))
    return square if count % 2 == 0 or count == 1 else (*square, *(row[::-1] for row in square))


def order(arms: Sequence[Arm], block: int, seed: str) -> tuple[Arm, ...]:
    """``arms`` in the order of the block with this number (from 0).

    ``seed`` draws which arm takes which part in the design, and which of its rows comes first, second, …: the same for
    all blocks of one design, and another for another seed.
    """
    chance = random.Random(seed)
    parts = list(arms)
    chance.shuffle(parts)
    rows = list(williams(len(parts)))
    half = rows[: len(parts)]
    rest = rows[len(parts) :]
    chance.shuffle(half)
    chance.shuffle(rest)
    rows = half + rest
    return tuple(parts[place] for place in rows[block % len(rows)]) if parts else ()
