"""Whose a moment is in which several streams work: the same whichever began a microsecond earlier."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.ledger.overlap import owned
from bench.analysis.ledger.rows import Launched
from bench.analysis.timeline.intervals import Cover

GEMM, DEQUANT, NCCL, COPY = range(4)
KINDS = tuple(Launched(name, (), ()) for name in ("toy_gemm", "dequant", "ncclDevKernel_AllReduce_Sum", None))
MAIN, SIDE, THIRD = 7, 20, 21


def shares(*work: tuple[int, int, int, int]) -> dict[int, int]:
    """Kind → ns that are its own. ``work``: (kind, stream, start, end) in any order."""
    rows = sorted(work, key=lambda each: (each[2], each[3]))
    kind, stream, start, end = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    row, begin, stop = owned(start, end, stream, kind, KINDS)
    assert (begin[1:] >= stop[:-1]).all() and (begin >= start[row]).all() and (stop <= end[row]).all()
    assert int((stop - begin).sum()) == Cover.union(start, end).total
    found = dict.fromkeys(range(len(KINDS)), 0)
    for place, length in zip(kind[row].tolist(), (stop - begin).tolist(), strict=True):
        found[place] += length
    return {name: ns for name, ns in found.items() if ns}


@pytest.mark.parametrize("earlier", [-5, 0, 5])
@pytest.mark.parametrize("hidden", [NCCL, COPY])
def test_only_what_is_exposed_of_an_exchange_or_a_copy_costs_time(hidden, earlier):
    assert shares((GEMM, MAIN, 100, 1000), (hidden, SIDE, 100 + earlier, 1100))[GEMM] == 900
    assert shares((GEMM, MAIN, 100, 1000), (hidden, SIDE, 200, 900)) == {GEMM: 900}


@pytest.mark.parametrize("earlier", [-5, 5])
def test_of_two_streams_that_compute_the_one_that_works_longer_comes_first(earlier):
    other = (GEMM, MAIN, 5000, 6000)
    assert shares((GEMM, MAIN, 100, 400), (DEQUANT, SIDE, 100 + earlier, 600), other)[GEMM] == 1300


def test_in_one_stream_it_is_of_the_kernel_that_began_first():
    """As where a kernel begins before the earlier one of its stream is done, and waits for it."""
    assert shares((DEQUANT, MAIN, 0, 100), (GEMM, MAIN, 90, 500)) == {DEQUANT: 100, GEMM: 400}


def test_exchange_comes_before_copies():
    assert shares((COPY, THIRD, 0, 1000), (NCCL, SIDE, 500, 800)) == {COPY: 700, NCCL: 300}


def test_any_work_is_shared_out_without_rest_and_as_by_hand():
    rng = np.random.default_rng(5)
    for _ in range(40):
        count = int(rng.integers(1, 40))
        start = rng.integers(0, 300, count)
        work = [
            (int(kind), int(stream), int(begin), int(begin + length))
            for kind, stream, begin, length in zip(
                rng.integers(0, 4, count), rng.choice([MAIN, SIDE, THIRD], count), start, rng.integers(0, 60, count),
                strict=True,
            )
        ]  # fmt: skip
        assert shares(*work) == by_hand(work)


def by_hand(work: list[tuple[int, int, int, int]]) -> dict[int, int]:
    """Each nanosecond on its own."""
    tier = {GEMM: 0, DEQUANT: 0, NCCL: 1, COPY: 2}
    total = {s: sum(e - b for k, t, b, e in work if t == s and tier[k] == 0) for s in (MAIN, SIDE, THIRD)}
    found: dict[int, int] = {}
    for now in range(400):
        running = [each for each in work if each[2] <= now < each[3]]
        if running:
            best = min(running, key=lambda w: (tier[w[0]], -total[w[1]], w[1], w[2], w[3], work.index(w)))
            found[best[0]] = found.get(best[0], 0) + 1
    return found


def test_more_streams_than_are_told_apart_lose_no_time():
    shares(*((GEMM, stream, 10 * stream, 10 * stream + 500) for stream in range(100)))


def test_no_work():
    nothing = np.empty(0, np.int64)
    assert len(owned(nothing, nothing, nothing, nothing, ())[0]) == 0
