"""The ledger of the first generation: what new lengths cost, and that only the attention call's part is its plans."""

from dataclasses import replace

import pytest

from bench.analysis.explain import explain
from bench.analysis.ledger.first_visits import first_visits
from bench.record import causes as c
from bench.report.sections.first_generation import CUDNN_OFF, points
from tests import factories as make

SDPA = make.source(0.033, range_="attention", operator="aten::_scaled_dot_product_cudnn_attention", work=c.ATTENTION)
CAT = make.source(0.013, range_="layer", operator="aten::cat", work=c.ATTENTION)


def run(repeats=2, schemes=("fp16", "nf4"), **told):
    return [r for repeat in range(repeats) for scheme in schemes for r in make.first_visits(scheme, repeat, **told)]


def within(records, scheme="fp16"):
    (found,) = [item for item in first_visits(records) if item.within and item.scheme == scheme]
    return found


def lines(item):
    return {line.cause: line.delta_ms for line in item.closed.lines}


def test_what_the_attention_call_takes_more_is_attention_plans():
    item = within(run(sources=(SDPA,)))
    assert item.plans_ms == pytest.approx(30.0, abs=0.01)
    assert lines(item)[c.HOST_GAP] == pytest.approx(0.0, abs=0.5)
    assert sum(lines(item).values()) == item.closed.delta.delta_ms
    # The source that leads to the call keeps what it takes at seen lengths too.
    (source,) = [part for part in item.sources if part.operator.endswith("cudnn_attention")]
    assert source.scheme_ms == pytest.approx(3.0, abs=0.1)


def test_what_is_slow_outside_the_call_stays_host_gap_and_is_named():
    item = within(run(inside=(0.001, 0.001), other=0.012, sources=(CAT,)))
    assert item.plans_ms == pytest.approx(0.0, abs=0.01)
    assert lines(item)[c.HOST_GAP] == pytest.approx(12.0, abs=0.5)
    named = max(item.sources, key=lambda part: part.delta_ms)
    assert (named.range, named.operator) == ("layer", "aten::cat")


@pytest.mark.parametrize("took", [0.002, 0.0024, 0.003])
def test_attention_that_only_works_over_more_keys_is_no_plan(took):
    """On a CPU: keys half as many again, and work as long as before, or up to half as long again."""

    def longer(record):
        new = record.instrument == "kineto-first"
        work, lengths = (took, [300] * 4) if new else (0.002, [200] * 4)
        ledger = {**record.setup["ledger"], "attention_call": {"host_gap": [0.0] * 4, "attention": [work] * 4}}
        lines = {c.GEMM: 0.006, c.HOST_GAP: 0.004, c.ATTENTION: work}
        told = make.kineto(record.case.scheme, record.repeat, lines=lines)
        setup = {**record.setup, "ledger": {**ledger, "events": told.setup["ledger"]["events"]}}
        return replace(told, instrument=record.instrument, setup={**setup, "observed": {"lengths": lengths}})

    records = [r if r.instrument == "generation" else longer(r) for r in run(new=0.0125)]
    item = within(records)
    assert item.plans_ms == pytest.approx(0.0, abs=0.01)
    assert lines(item)[c.ATTENTION] == pytest.approx((took - 0.002) * 1e3, abs=0.1)


def test_a_process_without_observed_first_visits_has_no_lines_and_says_so():
    records = [record for record in run() if record.instrument != "kineto-first"]
    item = within(records)
    assert not item.observed
    assert item.plans_ms is None
    assert set(lines(item)) == {c.UNEXPLAINED}


def test_records_without_the_attention_call_claim_no_plans():
    records = []
    for record in run():
        ledger = {name: value for name, value in record.setup.get("ledger", {}).items() if name != "attention_call"}
        records.append(replace(record, setup={**record.setup, "ledger": ledger}) if ledger else record)
    assert c.ATTENTION_PLANS not in lines(within(records))
    assert lines(within(records))[c.HOST_GAP] == pytest.approx(30.0, abs=0.5)


def test_schemes_at_new_lengths_are_set_against_each_other():
    (item,) = [item for item in first_visits(run()) if not item.within]
    assert (item.before, item.after) == ("fp16, new lengths", "nf4, new lengths")
    assert lines(item)[c.ATTENTION_PLANS] == pytest.approx(0.0, abs=0.01)


def test_a_run_without_first_generations_has_no_such_ledger():
    assert first_visits(make.run()) == ()
    assert explain(make.run()).first == ()


def told(records):
    explained = explain(records)
    return points(explained, explained.first[0].setting)


def test_the_first_screen_says_what_it_knows():
    price, against = told(run(sources=(SDPA,)))
    assert price.text.startswith("Mostly attention plans for new lengths (+30 ms)")
    assert "(inferred)" in price.text
    assert price.code == ""  # nothing says that cuDNN computed it
    assert against.title.startswith("Against fp16's first generation: nf4 ×")


def with_backend(records, backend):
    known = {"attention_backend": {"decode_step": {backend: 30.0}}}
    return [
        replace(record, setup={**record.setup, **known}) if record.instrument.startswith("kineto") else record
        for record in records
    ]


def test_cudnns_switch_is_offered_where_cudnn_computed_attention():
    assert told(with_backend(run(sources=(SDPA,)), "cudnn"))[0].code == CUDNN_OFF
    assert told(with_backend(run(sources=(SDPA,)), "flash"))[0].code == ""


def test_without_observed_steps_the_cause_is_inferred_or_not_known():
    unseen = [record for record in run() if record.instrument != "kineto-first"]
    assert told(unseen)[0].text == "No decode step at a new length was observed: what its time goes into is not known."
    price = told(with_backend(unseen, "cudnn"))[0]
    assert "Inferred: cuDNN" in price.text
    assert price.code == CUDNN_OFF


def test_where_new_lengths_cost_nothing_no_cause_is_named():
    price = told(run(new=0.0101, inside=(0.001, 0.001)))[0]
    assert price.text == "No difference to seen lengths shows."


def test_what_no_line_explains_is_blamed_on_none():
    price = told(run(new=0.090, inside=(0.001, 0.003)))[0]
    assert price.text == "Most of it is unexplained or the observer's."


def test_a_difference_that_may_be_none_is_called_so():
    price = told(run(new=0.0125, inside=(0.001, 0.0035)))[0]
    assert price.text.startswith("Not sure: the interval holds 1. ")
