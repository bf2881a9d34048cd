"""Ledgers from records: what is closed against what, and what is said where something is missing."""

from __future__ import annotations

import pytest

from bench.analysis.ledger.pairs import REST, observed_records, observer_models, pairs
from bench.analysis.observer.fitted import observer_model
from bench.record import causes as c
from tests import factories as make

FP16 = {c.GEMM: 0.006, c.HOST_GAP: 0.004}
NF4 = {c.GEMM: 0.006, c.DEQUANTISE: 0.002, c.HOST_GAP: 0.0051}
GLUE = (
    make.source(0.0040),
    make.source(0.0009, operator="bitsandbytes::gemm_4bit", work=c.DEQUANTISE),
    make.source(0.0002, range_="layer", operator="aten::add", work=c.NORM),
)


def run(repeats: int = 4, **nf4):
    records = []
    for repeat in range(repeats):
        records += [
            make.generation("fp16", repeat),
            make.kineto("fp16", repeat, lines=FP16, sources=(make.source(0.0038),)),
            make.generation("nf4", repeat),
            make.kineto("nf4", repeat, lines=NF4, sources=GLUE, **nf4),
        ]
    return records


def test_a_pair_closes_on_the_unprofiled_time():
    (pair,) = pairs(run())
    closed = pair.closed
    assert (pair.reference, pair.scheme, pair.instrument, pair.device) == ("fp16", "nf4", "kineto", "cpu")
    assert sum(line.delta_ms for line in closed.lines) == closed.delta.delta_ms
    values = {line.cause: line.delta_ms for line in closed.lines}
    assert values[c.DEQUANTISE] == pytest.approx(2.0, rel=0.05)
    assert values[c.HOST_GAP] == pytest.approx(1.1, abs=0.1)
    assert values[c.GEMM] == pytest.approx(0.0, abs=0.1)
    assert abs(values[c.DISTURBANCE]) < 0.1


def test_the_observers_cost_is_taken_off_and_its_error_is_a_line():
    plain, disturbed = run(), run(disturbance=0.003)
    (model,) = observer_models(observed_records(plain)).values()
    assert model.operator == pytest.approx(1e-6, rel=0.1)
    (pair,) = pairs(disturbed)
    # The model is fitted over both arms: a disturbance of one arm alone is not taken for the cost of its events.
    line = pair.closed.line(c.DISTURBANCE)
    assert line is not None
    assert line.delta_ms < -1.0


def test_sources_add_up_to_their_line():
    (pair,) = pairs(run())
    for cause in c.IDLE:
        parts, line = [part for part in pair.sources if part.cause == cause], pair.closed.line(cause)
        if line is not None:
            assert sum(part.reference_ms for part in parts) == line.reference_ms
            assert sum(part.scheme_ms for part in parts) == line.scheme_ms
            assert parts[-1].range == REST


def test_work_that_the_reference_does_not_do_takes_its_idle_time_along():
    (pair,) = pairs(run())
    costs = {line.cause: line.delta_ms for line in pair.causes}
    assert costs[c.DEQUANTISE] == pytest.approx(2.9, rel=0.05)
    assert costs[c.HOST_GAP] == pytest.approx(0.2, abs=0.15)
    lines = {line.cause: line.delta_ms for line in pair.closed.lines}
    moved = lines[c.DEQUANTISE] + lines[c.HOST_GAP]
    assert costs[c.DEQUANTISE] + costs[c.HOST_GAP] == pytest.approx(moved, abs=1e-6)


def test_a_batch_shares_its_step():
    records = []
    for repeat in range(2):
        for scheme, lines in (("fp16", FP16), ("nf4", NF4)):
            records += [
                make.generation(scheme, repeat, batch_size=8),
                make.kineto(scheme, repeat, lines=lines, batch_size=8),
            ]
    (pair,) = pairs(records)
    found = pair.closed.line(c.DEQUANTISE)
    assert found is not None
    assert found.delta_ms == pytest.approx(0.25, rel=0.05)


def test_without_observed_steps_the_reason_is_told():
    (pair,) = pairs([make.generation("fp16"), make.generation("nf4"), make.kineto("fp16", lines=FP16)])
    assert pair.instrument == ""
    assert "no decode steps of nf4 were observed" in pair.missing
    assert [line.cause for line in pair.closed.lines] == [c.UNEXPLAINED]


def test_an_older_record_without_a_ledger_is_not_taken_for_one():
    old = make.record("kineto", make.case("nf4"), {"observed_step_time": [0.01]})
    (pair,) = pairs([make.generation("fp16"), make.generation("nf4"), make.kineto("fp16"), old])
    assert pair.instrument == ""


def test_no_reference_no_pair():
    assert pairs([make.generation("nf4"), make.generation("int8")]) == ()


def test_a_model_needs_plain_steps():
    record = make.without(make.kineto("fp16"), "plain_step_time")
    assert observer_model([record]).operator == 0.0
