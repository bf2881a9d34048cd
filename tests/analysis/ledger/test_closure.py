"""The lines close exactly, whatever the numbers."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.analysis.ledger.closure import GRID, Side, close, on_grid
from bench.analysis.statistics import location
from bench.analysis.statistics.assumed import PROCESS
from bench.record import causes as c

seconds = st.floats(0, 10.0, allow_nan=False)


@st.composite
def sides(draw):
    repeats = draw(st.integers(1, 4))
    steps = draw(st.integers(1, 5))
    part = st.lists(seconds, min_size=steps, max_size=steps).map(tuple)
    samples = st.lists(part, min_size=repeats, max_size=repeats).map(tuple)
    names = draw(st.lists(st.sampled_from(c.CAUSES), unique=True, max_size=6))
    lines = {name: draw(samples) for name in names}
    plain = draw(samples) if names and draw(st.booleans()) else ()
    return Side(draw(samples), lines, plain, draw(st.sampled_from(("median", "mean"))))


# Whose interval rounding put beside the difference.
_ROUNDED = Side(((0.0, 1.0648582910044686),), {c.GEMM: ((0.0, 0.0),)}, ((0.0, 9.0),), "mean")


@given(sides(), sides(), st.integers())
@example(Side(((0.0,),), {}, (), "median"), _ROUNDED, 0)
def test_lines_add_up_to_the_last_bit_in_any_order(reference, scheme, seed):
    closed = close(reference, scheme)
    lines = list(closed.lines)
    random.Random(seed).shuffle(lines)
    assert sum(line.delta_ms for line in lines) == closed.delta.delta_ms
    assert sum(line.reference_ms for line in lines) == closed.reference_ms
    assert sum(line.scheme_ms for line in lines) == closed.scheme_ms
    assert closed.scheme_ms - closed.reference_ms == closed.delta.delta_ms
    for line in lines:
        assert line.scheme_ms - line.reference_ms == line.delta_ms
        assert (line.low is None) == (line.high is None)
        if line.low is not None and line.high is not None:
            assert line.low <= line.delta_ms <= line.high


@given(sides(), sides())
def test_the_wall_times_are_the_unprofiled_ones(reference, scheme):
    closed = close(reference, scheme)
    assert closed.reference_ms == pytest.approx(location(reference.wall, reference.statistic) * 1e3, abs=2 * GRID)
    assert closed.scheme_ms == pytest.approx(location(scheme.wall, scheme.statistic) * 1e3, abs=2 * GRID)


@given(sides(), sides())
def test_exchanging_the_sides_exchanges_the_signs(reference, scheme):
    if reference.statistic != scheme.statistic:
        return
    there, back = close(reference, scheme), close(scheme, reference)
    assert there.delta.delta_ms == -back.delta.delta_ms
    assert {line.cause: -line.delta_ms for line in there.lines} == {line.cause: line.delta_ms for line in back.lines}


@given(st.floats(0, 4e6, allow_nan=False))
def test_the_grid_is_finer_than_a_nanosecond(ms):
    assert abs(on_grid(ms) - ms) <= GRID / 2 + 1e-12 * ms
    assert math.frexp(on_grid(ms))[0] * 2**53 % 1 == 0


def test_disturbance_and_unexplained():
    # Observed: 4 + 3 ms a step where the same process takes 6 without the observer, and the timed calls take 6.5.
    scheme = Side(((0.0065,),), {c.GEMM: ((0.004,),), c.HOST_GAP: ((0.003,),)}, ((0.006,),))
    reference = Side(((0.005,),), {c.GEMM: ((0.005,),)}, ((0.005,),))
    closed = close(reference, scheme)
    values = {line.cause: round(line.scheme_ms, 6) for line in closed.lines}
    assert values == {c.GEMM: 4.0, c.HOST_GAP: 3.0, c.DISTURBANCE: -1.0, c.UNEXPLAINED: 0.5}
    assert closed.unexplained_ms == pytest.approx(0.5)


def test_without_plain_calls_there_is_no_disturbance_line():
    side = Side(((0.006,),), {c.GEMM: ((0.004,),)})
    assert [line.cause for line in close(side, side).lines] == [c.GEMM, c.UNEXPLAINED]


def test_one_process_each_has_an_assumed_interval_and_repeats_have_their_own():
    one, many = Side(((0.01,),)), Side(tuple((0.01 + i * 1e-5,) for i in range(4)))
    alone = close(one, one).delta
    assert alone.assumed == "between processes" and not alone.sure
    assert alone.high == pytest.approx(10.0 * PROCESS * 2**0.5 * 4.3027, rel=1e-3)  # of the arms' own levels, ms
    told = close(many, many).delta
    assert told.low is not None and told.low < 0 < (told.high or 0)
