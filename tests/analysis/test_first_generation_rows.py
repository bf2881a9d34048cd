"""What someone who generates once waits for: its row, its column, and that seen lengths are not mixed with it."""

from dataclasses import replace

import pytest

from bench.analysis.first_generation import whole_calls
from bench.analysis.generation import call_rates, summarise
from bench.record.schema import from_json, metric, to_json
from bench.report.analysed import analyse
from bench.report.build import build
from bench.studies.starcoder2.replication.confounds import _first_and_later
from tests import factories as make


def run(**told):
    return [
        record
        for repeat in range(3)
        for scheme, new in (("fp16", 0.045), ("nf4", 0.048))
        for record in make.first_visits(scheme, repeat, new=new, **told)
    ]


def rows(records):
    (group,) = summarise(records)
    return {row.scheme: row for row in group.rows}


def test_both_users_have_a_ratio_of_their_own():
    found = rows(run())
    assert found["nf4"].first.ratio.value == pytest.approx(48 / 45)
    assert found["nf4"].time_ratio.value == pytest.approx(1.31, rel=0.05)
    assert found["fp16"].first.own.value == pytest.approx(4.5, rel=0.05)
    assert found["fp16"].first.ratio is None
    assert found["nf4"].first.steps == 3 * 31


def test_older_records_have_none():
    assert rows([make.generation()])["fp16"].first is None


def test_one_interruption_does_not_decide_it():
    records = run()
    broken = [
        replace(record, metrics=tuple(
            replace(m, values=(9.0, *m.values[1:])) if m.name == "first_visit_latency" else m for m in record.metrics))
        for record in records
    ]  # fmt: skip
    assert rows(broken)["nf4"].first.ratio.value == rows(records)["nf4"].first.ratio.value


def test_a_batch_is_told_per_token():
    assert rows(run(batch_size=8))["fp16"].first.time_per_token.value == pytest.approx(0.045 / 8)


def test_the_end_to_end_rate_leaves_calls_with_new_lengths_out():
    record = make.generation(calls=2)
    mixed = replace(record, metrics=(*record.metrics, metric("first_visit_steps", [3.0, 0.0])))
    assert call_rates(mixed) == call_rates(record)[1:]


def test_the_first_screen_has_a_column_only_where_there_is_something_to_tell():
    def columns(records):
        return [column.name for column in build(analyse(records)).summary[0].columns]

    assert "First generation ÷ fp16" in columns(run())
    assert "First generation ÷ fp16" not in columns(make.run())


def test_a_full_first_generation_stands_for_a_cold_call_whatever_the_plan_asked_for():
    (record, *_) = make.first_visits()
    first, later = _first_and_later(replace(record, setup={**record.setup, "options": {"warmup_tokens": 16}}))
    assert first == record.values("first_generation_time")[0]
    assert later == record.values("generate_time")


def test_a_metric_that_was_renamed_is_read_under_its_new_name():
    document = to_json(make.record("nsys", make.case(), {"host_busy_per_step": [0.001]}))
    document["metrics"][0]["name"] = "host_gap_per_step"
    assert from_json(document).values("host_busy_per_step") == (0.001,)


def test_a_call_that_is_partly_of_new_lengths_is_no_users_call():
    record = make.generation(calls=3)
    mixed = replace(record, metrics=(*record.metrics, metric("first_visit_steps", [3.0, 0.0, 0.0])))
    assert len(whole_calls(record)) == 3
    assert [time for time, _ in whole_calls(mixed)] == list(record.values("generate_time")[1:])
    # Without a warm-up a user's first calls are such calls.
    assert len(whole_calls(make.without(mixed, "warmup_time"))) == 3
