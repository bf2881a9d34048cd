"""The causes of a difference: each with its work and its host part, and together exactly the difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.ledger.accounting import account
from bench.analysis.ledger.closure import Side, close
from bench.analysis.ledger.pairs import pairs
from bench.analysis.ledger.sharing import balance, shares, way
from bench.record import causes as c
from bench.record.store import load

RUNS = Path(__file__).parents[3] / "reports" / "runs"
seconds = st.floats(0, 10.0, allow_nan=False)
idle_and_work = st.tuples(st.sampled_from(c.IDLE), st.sampled_from(c.BUSY))


@st.composite
def sides(draw):
    repeats, steps = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    part = st.lists(seconds, min_size=steps, max_size=steps).map(tuple)
    samples = st.lists(part, min_size=repeats, max_size=repeats).map(tuple)
    lines = {name: draw(samples) for name in draw(st.lists(st.sampled_from(c.CAUSES), unique=True, max_size=6))}
    leading = {key: draw(samples) for key in draw(st.lists(idle_and_work, unique=True, max_size=4))} if lines else {}
    plain = draw(samples) if lines and draw(st.booleans()) else ()
    return Side(draw(samples), lines, plain, leading=leading)


def side(wall, lines, leading=None):
    """One repeat of one step, ms."""
    return Side(
        ((wall * 1e-3,),),
        {name: ((ms * 1e-3,),) for name, ms in lines.items()},
        leading={key: ((ms * 1e-3,),) for key, ms in (leading or {}).items()},
    )


def causes(reference, scheme):
    return account(reference, scheme, close(reference, scheme))


@given(sides(), sides())
def test_the_causes_are_the_difference_to_the_last_digit(reference, scheme):
    closed = close(reference, scheme)
    found = account(reference, scheme, closed)
    assert sum(cause.delta_ms for cause in found) == closed.delta.delta_ms
    for cause in found:
        parts = [part for part in (cause.work_ms, cause.host_ms) if part is not None]
        assert sum(parts) == (0 if cause.cause in c.CORRECTIONS else cause.delta_ms)
        assert cause.low is None or cause.high is None or cause.low <= cause.delta_ms <= cause.high


@given(sides(), sides())
def test_the_work_of_a_cause_is_its_line_and_all_host_time_is_idle_lines(reference, scheme):
    closed = close(reference, scheme)
    found = account(reference, scheme, closed)
    lines = {line.cause: line.delta_ms for line in closed.lines}
    for cause in found:
        if cause.cause in c.BUSY:
            assert cause.work_ms == lines.get(cause.cause, 0.0)
    idle = sum(lines.get(name, 0.0) for name in c.IDLE)
    assert sum(cause.host_ms or 0.0 for cause in found) == idle


@given(sides(), sides())
def test_exchanging_the_arms_exchanges_the_signs(reference, scheme):
    there, back = causes(reference, scheme), causes(scheme, reference)
    assert {cause.cause: cause.delta_ms for cause in there} == {cause.cause: -cause.delta_ms for cause in back}


def test_work_that_one_arm_alone_does_takes_along_the_host_time_that_leads_to_it():
    plain = side(10, {c.GEMM: 6, c.HOST_GAP: 4}, {(c.HOST_GAP, c.GEMM): 4})
    slow = side(
        16, {c.GEMM: 6, c.DEQUANTISE: 2, c.HOST_GAP: 8}, {(c.HOST_GAP, c.GEMM): 5, (c.HOST_GAP, c.DEQUANTISE): 3}
    )
    found = {cause.cause: cause for cause in causes(plain, slow)}
    assert found[c.DEQUANTISE].work_ms == pytest.approx(2)
    assert found[c.DEQUANTISE].host_ms == pytest.approx(3)
    assert found[c.HOST_GAP].work_ms == 0
    assert found[c.HOST_GAP].host_ms == pytest.approx(1)
    faster = {cause.cause: cause for cause in causes(slow, plain)}
    assert faster[c.DEQUANTISE].delta_ms == pytest.approx(-5)


def test_the_largest_that_makes_the_difference_comes_first_corrections_too():
    plain = side(10, {c.GEMM: 6, c.NORM: 4})
    slow = side(14, {c.GEMM: 1, c.NORM: 5, c.CAST: 2})
    assert [cause.cause for cause in causes(plain, slow)] == [c.UNEXPLAINED, c.CAST, c.NORM, c.GEMM]
    assert [cause.cause for cause in causes(slow, plain)] == [c.UNEXPLAINED, c.CAST, c.NORM, c.GEMM]


def test_what_is_nothing_is_no_cause():
    one = side(10, {c.GEMM: 6, c.NORM: 4})
    assert causes(one, one) == ()
    assert [cause.cause for cause in causes(Side(((0.010,),)), Side(((0.012,),)))] == [c.UNEXPLAINED]


@given(sides(), sides())
def test_shares_are_whole_and_a_hundred_on_either_side(reference, scheme):
    found = causes(reference, scheme)
    told, total = shares(found), balance(found)
    assert total.lost_ms - total.won_ms == sum(cause.delta_ms for cause in found)
    for side in ("lost", "won"):
        mine = [(cause, share) for cause, share in zip(found, told, strict=True) if way(cause) == side]
        mine = [(cause, share) for cause, share in mine if cause.delta_ms]
        assert sum(share for _, share in mine) == (100 if mine else 0)
        for cause, share in mine:
            assert share == pytest.approx(100 * abs(cause.delta_ms) / total.of(side), abs=1)


def test_shares_of_a_faster_arm_are_of_the_time_won():
    slow, plain = side(20, {c.GEMM: 6, c.CAST: 9, c.NORM: 5}), side(10, {c.GEMM: 6, c.NORM: 4})
    found = causes(slow, plain)
    assert [cause.cause for cause in found] == [c.CAST, c.NORM]
    assert shares(found) == (90, 10)
    assert (balance(found).main, balance(found).cancels) == ("won", False)


def test_causes_that_cancel_have_shares_of_their_own_side():
    """Of what is left of these, 0.1 ms, one would have 4100 % and the other -4000."""
    found = causes(side(10, {c.GEMM: 6, c.NORM: 4}), side(10.1, {c.GEMM: 2, c.NORM: 8.1}))
    assert shares(found) == (100, 100)
    assert balance(found).lost_ms == pytest.approx(4.1)
    assert balance(found).won_ms == pytest.approx(4.0)
    assert balance(found).cancels
    assert shares(()) == ()


def test_what_is_too_small_to_be_a_reason_comes_last():
    found = causes(side(10, {c.GEMM: 6, c.NORM: 4}), side(12, {c.GEMM: 10, c.NORM: 2.999, c.CAST: 0.001, c.LM_HEAD: 0}))
    assert [cause.cause for cause in found][:3] == [c.GEMM, c.NORM, c.UNEXPLAINED]
    assert abs(found[0].delta_ms) > abs(found[1].delta_ms) > abs(found[-1].delta_ms)
    assert found[-1].cause == c.CAST


@pytest.mark.parametrize("run", sorted(path.name for path in RUNS.iterdir() if path.is_dir()))
def test_the_causes_of_every_committed_run_add_up(run):
    found = pairs(load(RUNS / run).records)
    assert found
    for pair in found:
        assert sum(cause.delta_ms for cause in pair.causes) == pair.closed.delta.delta_ms
        told, total = shares(pair.causes), balance(pair.causes)
        assert sum(told) == 100 * (total.lost_ms > 0) + 100 * (total.won_ms > 0)
