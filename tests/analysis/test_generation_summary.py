import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.generation import call_rates, call_times, summarise
from tests import factories as make


def timed(steps: list[float], counts: list[int], **coordinates: object) -> make.Record:
    return make.record("generation", make.case(**coordinates), {"inter_token_latency": steps, "decode_steps": counts})


def test_latencies_belong_to_the_call_that_made_them() -> None:
    assert call_times(timed([1, 3, 10], [2, 1])) == (2.0, 10.0)


def test_a_batch_makes_several_tokens_a_step() -> None:
    assert call_times(timed([4, 4], [2], batch_size=8)) == (0.5,)


def test_counts_that_do_not_add_up_leave_one_call() -> None:
    assert call_times(timed([1, 2, 3], [2, 2])) == (2.0,)


def test_a_call_without_decode_steps_has_no_time() -> None:
    assert call_times(timed([1, 3], [2, 0])) == (2.0,)
    assert call_times(make.record("generation", make.case())) == ()


@given(st.lists(st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=5), min_size=1, max_size=5))
def test_no_latency_is_lost_when_calls_are_told_apart(calls: list[list[float]]) -> None:
    found = call_times(timed([step for call in calls for step in call], [len(call) for call in calls]))
    total = sum(mean * len(call) for mean, call in zip(found, calls, strict=True))
    assert total == pytest.approx(sum(map(sum, calls)))


def test_end_to_end_rate_counts_the_whole_call() -> None:
    item = make.record("generation", make.case(), {"tokens_generated": [32, 64], "generate_time": [2.0, 2.0]})
    assert call_rates(item) == (16.0, 32.0)


def test_a_run_finds_the_planted_slowdown_and_puts_the_reference_first() -> None:
    group = summarise(make.run())[0]
    rows = {row.scheme: row for row in group.rows}
    assert group.reference == "fp16" and group.rows[0].scheme == "fp16"
    assert rows["fp16"].time_ratio is None and rows["fp16"].verdict is None
    for scheme in ("int8", "nf4"):
        found = rows[scheme].time_ratio
        assert found is not None and found.low is not None and found.high is not None
        assert found.low < make.SPEEDS[scheme] < found.high
        assert rows[scheme].verdict == "SLOWER"


def test_batch_sizes_are_never_mixed() -> None:
    sizes = [dict(group.setting)["batch_size"] for group in summarise(make.run())]
    assert sizes == [1, 8]


@pytest.mark.parametrize("coordinates", [{"model": "other"}, {"prompt_tokens": 64}, {"cache": "static"}, {"seed": 1}])
def test_whatever_differs_besides_the_scheme_is_kept_apart(coordinates: dict[str, object]) -> None:
    records = [make.generation("fp16"), make.generation("nf4", **coordinates)]
    groups = summarise(records)
    assert len(groups) == 2
    assert groups[1].reference is None and groups[1].rows[0].time_ratio is None


def test_the_reference_falls_back_to_another_unquantised_scheme() -> None:
    group = summarise([make.generation("bf16"), make.generation("nf4")])[0]
    assert group.reference == "bf16"
    assert summarise([make.generation("fp16"), make.generation("nf4")], reference="nf4")[0].reference == "nf4"


def test_missing_tokens_are_noticed() -> None:
    item = make.record("generation", make.case(new_tokens=32), {"tokens_generated": [32, 20]})
    row = summarise([item])[0].rows[0]
    assert (row.tokens_produced, row.tokens_requested, row.short) == (52, 64, True)


def test_failed_records_give_no_figures() -> None:
    assert summarise(make.troubles()) == ()


def test_memory_is_the_peak_over_repeats_and_absent_where_not_measured() -> None:
    row = summarise([make.generation("fp16", repeat) for repeat in range(2)])[0].rows[0]
    assert row.memory["model_footprint"] == pytest.approx(2.44e6)
    assert "memory_allocated_peak" not in row.memory
    assert row.not_collected["memory_allocated_peak"] == "no GPU on this machine"


def test_the_harness_is_told_as_a_share_of_a_step() -> None:
    item = make.record(
        "generation",
        make.case(),
        {"inter_token_latency": [0.01] * 4, "decode_steps": 4, "harness_overhead": [1e-6, 2e-6, 3e-6]},
    )
    assert summarise([item])[0].rows[0].overhead_share == pytest.approx(2e-4)
