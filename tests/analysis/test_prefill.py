"""Prefill has a ledger of its own: it closes on the time to first token, and no step of decoding is in it."""

from dataclasses import replace

import pytest

from bench.analysis.explain import explain, narrowed
from bench.record import causes as c
from bench.record.schema import metric
from bench.report.sections import prefill as section
from bench.report.sections.order import explanation_document
from tests import factories as make

LINES = {"fp16": {c.GEMM: 0.030, c.HOST_GAP: 0.010}, "int8": {c.GEMM: 0.030, c.HOST_GAP: 0.010, c.OUTLIERS: 0.060}}


def scheme(name, repeat, batch=1, first=None, observed=True):
    """One process: decode steps of 10 ms in either scheme, and a prefill that takes what LINES say."""
    total = sum(LINES[name].values()) * batch if first is None else first
    timed = make.generation(name, repeat, batch_size=batch)
    kept = [one for one in timed.metrics if one.name != "time_to_first_token"]
    rates = (1.0, 1.01, 0.99, 1.0)
    timed = replace(timed, metrics=(*kept, metric("time_to_first_token", [total * rate for rate in rates])))
    grown = {cause: seconds * batch for cause, seconds in LINES[name].items()}
    passes = make.kineto(name, repeat, lines=grown, plain=total, batch_size=batch)
    found = [timed, make.kineto(name, repeat, batch_size=batch)]
    return [*found, replace(passes, instrument="kineto-prefill")] if observed else found


def run(repeats=3, **told):
    return [record for repeat in range(repeats) for name in LINES for record in scheme(name, repeat, **told)]


@pytest.mark.parametrize("batch", [1, 4])
def test_it_closes_on_the_time_to_first_token_per_prompt(batch):
    (pair,) = explain(run(batch=batch)).prefill.pairs
    closed = pair.closed
    assert closed.reference_ms == pytest.approx(40, rel=0.01)
    assert closed.scheme_ms == pytest.approx(100, rel=0.01)
    assert sum(line.reference_ms for line in closed.lines) == closed.reference_ms
    assert sum(line.delta_ms for line in closed.lines) == closed.delta.delta_ms
    assert closed.line(c.OUTLIERS).delta_ms == pytest.approx(60, rel=0.02)
    assert sum(cause.delta_ms for cause in pair.causes) == closed.delta.delta_ms


def test_decoding_is_explained_as_if_nobody_had_observed_prefill():
    with_, without = explain(run()), explain([r for r in run() if r.instrument != "kineto-prefill"])
    assert with_.pairs == without.pairs
    assert c.OUTLIERS not in {line.cause for pair in with_.pairs for line in pair.closed.lines}
    assert with_.prefill.pairs[0].closed.line(c.OUTLIERS) and not with_.prefill.energy


def test_the_verdict_is_that_of_the_times_to_first_token():
    told = explain(run())
    place = (told.settings[0], "int8")
    assert told.prefill.generation_rows[place].verdict == "SLOWER"
    assert told.prefill.generation_rows[place].time_ratio.value == pytest.approx(2.5, rel=0.02)
    assert told.prefill.generation_rows[place].time_ratio != told.generation_rows[place].time_ratio
    alike = explain([record for repeat in range(5) for name in LINES for record in scheme(name, repeat, first=0.05)])
    assert alike.prefill.generation_rows[alike.settings[0], "int8"].verdict == "SAME"


def test_where_prefill_was_not_observed_times_are_told_and_no_causes():
    told = explain(run(observed=False))
    (pair,) = told.prefill.pairs
    assert not pair.instrument
    assert "no passes over prompts of fp16 and int8 were observed" in pair.missing
    assert [line.cause for line in pair.closed.lines] == [c.UNEXPLAINED]
    assert section.section(told) is None
    assert explanation_document(told)["prefill"][0]["verdict"] == "SLOWER"


def test_records_without_a_time_to_first_token_have_no_prefill():
    bare = [make.without(r, "time_to_first_token") if r.instrument == "generation" else r for r in run()]
    assert explain(bare).prefill is None
    assert explanation_document(explain(bare))["prefill"] == []


def test_a_choice_of_scheme_is_of_prefill_too():
    three = [*run(), *(replace(r, case=replace(r.case, scheme="nf4")) for r in run() if r.case.scheme == "int8")]
    assert [pair.scheme for pair in explain(three).prefill.pairs] == ["int8", "nf4"]
    assert [pair.scheme for pair in narrowed(explain(three), {"scheme": "nf4"}).prefill.pairs] == ["nf4"]


def test_the_section_tells_verdict_and_ledger_per_prompt():
    made = section.section(explain(run()))
    assert made.folded
    verdicts, differences, *_ = made.tables
    assert verdicts.rows[0][0].text == "int8"
    assert "SLOWER" in [cell.text for cell in verdicts.rows[0]]
    assert differences.rows[-1][0].text == "time per prompt"
    assert "time per prompt" in made.figures[0].caption and "passes over prompts" in made.figures[0].caption
