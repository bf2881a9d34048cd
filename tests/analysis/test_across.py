"""A checkpoint that was saved quantised gets a ratio against an unquantised one beside it, with its label."""

from __future__ import annotations

from dataclasses import replace

from bench.analysis.across import across
from bench.report.sections.throughput import across_table
from tests import factories


def measured(model, scheme, step=0.01, **more):
    records = [factories.generation(scheme, repeat, step=step, model=model, **more) for repeat in range(3)]
    told = {"name": model, "label": "saved quantised: int8 by bitsandbytes"}
    return [replace(record, setup={**record.setup, "model": told}) for record in records]


def test_a_checkpoint_without_an_unquantised_scheme_is_set_against_another_ones():
    records = measured("plain", "fp16") + measured("plain", "nf4") + measured("saved", "as-saved", step=0.02)
    (one,) = across(records)
    assert (one.model, one.scheme, one.reference_model, one.reference) == ("saved", "as-saved", "plain", "fp16")
    assert one.verdict == "SLOWER" and one.ratio.low < 2 * 1.2 < one.ratio.high
    made = across_table([one])
    assert "saved quantised: int8 by bitsandbytes" in str(made.rows) and "fp16 of plain" in str(made.rows)


def test_not_where_it_has_its_own_or_the_setting_differs():
    assert across(measured("plain", "fp16") + measured("other", "fp16") + measured("other", "nf4")) == ()
    assert across(measured("plain", "fp16") + measured("saved", "as-saved", batch_size=8)) == ()
    assert across(measured("saved", "as-saved")) == ()
    assert across_table(()) is None
