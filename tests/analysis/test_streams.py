"""Shared random numbers are those of numpy's own generator, and are drawn once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import difference, estimate, ratio, streams
from bench.analysis.statistics.streams import Stream

ASKED = st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=6)


def generator(seed: int, child: int | None) -> np.random.Generator:
    rng = np.random.default_rng(seed)
    return rng if child is None else rng.spawn(2)[child]


def by_numpy(rng: np.random.Generator, integers: bool, size: int) -> list[list[int]]:
    if integers:
        return [rng.integers(0, size, size=(30, size)).ravel().tolist()]
    half = (size + 1) // 2
    first = rng.beta(half, size - half + 1, size=30)
    lower = np.minimum((first * size).astype(np.int64), size - 1)
    if size % 2:
        return [lower.tolist()] * 2
    second = first + (1.0 - first) * rng.beta(1, size - half, size=30)
    return [lower.tolist(), np.minimum((second * size).astype(np.int64), size - 1).tolist()]


@given(seed=st.integers(0, 3), child=st.sampled_from([None, 0, 1]), orders=st.lists(ASKED, min_size=2, max_size=3))
def test_numbers_are_the_generators_own_in_any_order(seed, child, orders):
    for asked in orders:
        rng, stream = generator(seed, child), Stream(seed, child)
        for integers, size in asked:
            found = [stream.integers(size, (30, size))] if integers else stream.middles(size, 30)
            assert [column.ravel().tolist() for column in found] == by_numpy(rng, integers, size)


def test_arms_of_one_layout_share_their_draws(monkeypatch):
    monkeypatch.setattr(streams, "_KEPT", streams._KeptStreams())
    drawn = []
    middles = streams._middles
    monkeypatch.setattr(streams, "_middles", lambda rng, m, count: drawn.append(m) or middles(rng, m, count))
    arms = [[[1.0 + 0.01 * arm * call * part for call in range(4)] for part in range(3)] for arm in range(1, 9)]
    for arm in arms:
        estimate(arm)
        ratio(arm, arms[0])
        difference(arm, arms[0])
    assert drawn == [4] * 9  # three parts, by a seed's own numbers and by those of its two children


def test_what_is_kept_has_a_bound(monkeypatch):
    monkeypatch.setattr(streams, "_KEPT", streams._KeptStreams())
    monkeypatch.setattr(streams, "_KEPT_BYTES", 20_000)
    for seed in range(30):
        Stream(seed).integers(5, (40, 10))
        assert streams._KEPT.bytes <= 20_000
    held = [numbers for root in streams._KEPT.roots.values() for numbers, _ in root.drawn.values()]
    assert sum(column.nbytes for numbers in held for column in numbers) == streams._KEPT.bytes


def test_what_is_shared_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        Stream(0).integers(5, (3, 2))[0, 0] = 1
