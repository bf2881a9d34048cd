"""ΔE = P_ref·Δt + t·ΔP, exactly, from any windows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.energy.ledger import energy_pairs
from bench.record.schema import metric
from tests import factories as make

# (seconds, tokens, joules) at powers that a GPU may draw
windows = st.lists(
    st.tuples(st.floats(0.5, 10), st.integers(1, 1000), st.floats(60, 600)).map(lambda w: (w[0], w[1], w[0] * w[2])),
    min_size=1, max_size=4,
)  # fmt: skip


def record(scheme, found, idle=None, repeat=0):
    times, tokens, joules = (list(column) for column in zip(*found, strict=True))
    metrics = {"window_time": times, "window_tokens": tokens, "energy_gpu": joules}
    if idle is not None:
        metrics |= {"idle_time": [1.0], "idle_energy_gpu": [idle]}
    return make.record("energy", make.case(scheme, device="cuda"), metrics, repeat=repeat)


@given(windows, windows, st.floats(0, 50), st.floats(0, 50))
def test_the_parts_add_up(one, other, idle_one, idle_other):
    (pair,) = energy_pairs([record("fp16", one, idle_one), record("nf4", other, idle_other)])
    for split in (pair.gross, pair.net):
        assert split is not None
        assert split.longer + split.power == split.delta.value
        assert split.reference + split.longer + split.power == pytest.approx(split.scheme, rel=1e-12, abs=1e-12)
    assert pair.gross is not None
    joules, tokens = sum(item[2] for item in other), sum(item[1] for item in other)
    assert pair.gross.scheme == pytest.approx(joules / tokens)


def test_longer_at_lower_power():
    (pair,) = energy_pairs([record("fp16", [(1.0, 100, 300.0)]), record("int8", [(2.0, 100, 400.0)])])
    assert pair.gross is not None
    assert pair.gross.longer == pytest.approx(3.0)
    assert pair.gross.power == pytest.approx(-2.0)
    assert pair.net is None
    assert "idle" in pair.missing


def test_why_there_is_no_net_is_said_of_the_side_that_lacks_it():
    """Also where another baseline is known, that of the unused card."""
    fp16, nf4 = record("fp16", [(1.0, 100, 300.0)], 70.0), record("nf4", [(2.0, 100, 400.0)])
    (pair,) = energy_pairs([fp16, nf4])
    assert pair.net is None and pair.missing == "no idle baseline was measured of nf4"
    unused = (metric("unused_time", [1.0]), metric("unused_energy_gpu", [60.0]))
    (pair,) = energy_pairs([replace(one, metrics=(*one.metrics, *unused)) for one in (fp16, nf4)])
    assert set(pair.nets) == {"unused"} and pair.missing == "no idle baseline was measured of nf4"
    timeless = tuple(item for item in nf4.metrics if item.name != "window_time")
    (pair,) = energy_pairs([fp16, replace(nf4, metrics=timeless)])
    assert pair.nets == {} and pair.missing == "no time was recorded"


def test_estimates_are_labelled():
    records = [make.codecarbon("fp16"), make.codecarbon("nf4")]
    (pair,) = energy_pairs(records)
    assert pair.estimated
    assert pair.net is None


def test_nothing_measured_no_pair():
    assert energy_pairs([make.energy("fp16", counters=False), make.energy("nf4", counters=False)]) == ()
