from dataclasses import replace

import pytest

from bench.analysis.ceilings import bound, ceilings
from bench.analysis.matmul import summarise
from bench.analysis.traffic import flop, traffic
from bench.record.schema import Record, metric
from bench.report.sections.matmul import matmul_table as table_of
from tests import factories as make


def test_the_machine_copies_both_ways() -> None:
    found = ceilings([make.ceiling("cpu")], "cpu")
    assert found.copy_bandwidth == pytest.approx(24e9)
    assert found.gemm_rates == {"float16": pytest.approx(80e9)}


def test_ceilings_of_another_device_do_not_count() -> None:
    assert ceilings([make.ceiling("cpu")], "cuda").copy_bandwidth is None


def test_the_bound_is_bytes_over_bandwidth() -> None:
    machine, arm = ceilings([make.ceiling("cuda")]), make.arm("nf4")
    moved = traffic(arm, 64, 3072, 3072)
    found = bound(moved, flop(64, 3072, 3072), arm, machine)
    assert moved is not None and found is not None
    assert found.low == pytest.approx(moved.low / 24e9) and found.high == pytest.approx(moved.high / 24e9)
    assert found.arithmetic == pytest.approx(2 * 64 * 3072**2 / 80e9)


def test_int8_is_not_held_against_a_float_rate() -> None:
    machine, arm = ceilings([make.ceiling("cuda")]), make.arm("int8")
    found = bound(traffic(arm, 1, 64, 64), flop(1, 64, 64), arm, machine)
    assert found is not None and found.arithmetic is None


def test_rows_hold_rates_errors_and_ratios() -> None:
    records = [make.ceiling("cpu"), make.matmul("fp16", 4), make.matmul("nf4", 4)]
    reference, row = summarise(records)
    assert reference.scheme == "fp16" and reference.time_ratio is None
    assert row.time_ratio is not None and row.time_ratio.basis == "in turns"
    assert row.relative_error == 0.09
    assert row.achieved_rate == pytest.approx(flop(4, 512, 128) / row.time.value)
    assert row.traffic is not None and row.achieved_bandwidth is not None
    assert row.achieved_bandwidth[0] == pytest.approx(row.traffic.low / row.time.value)
    assert row.bound is not None and row.stops == ("noise",)


def biased(record: Record) -> Record:
    return replace(record, setup={**record.setup, "bias": True})


def test_the_bias_that_was_added_is_in_the_traffic_and_an_older_record_has_none() -> None:
    (old,), (new,) = summarise([make.matmul("fp16")]), summarise([biased(make.matmul("fp16"))])
    assert (old.bias, new.bias) == (False, True)
    assert old.traffic is not None and new.traffic is not None and new.traffic.low - old.traffic.low == 2 * 512


def test_products_with_a_bias_and_without_are_never_mixed() -> None:
    records = [make.matmul("fp16"), biased(make.matmul("fp16", repeat=1)), biased(make.matmul("nf4", repeat=1))]
    rows = {(row.scheme, row.layer): row for row in summarise(records)}
    assert set(rows) == {("fp16", "mlp.c_fc"), ("nf4", "mlp.c_fc"), ("fp16", "mlp.c_fc, without bias")}
    assert rows["nf4", "mlp.c_fc"].time_ratio is not None
    assert rows["fp16", "mlp.c_fc, without bias"].time.samples == 60
    note = table_of(summarise(records)).note
    assert "With the bias that the model's Linears have (mlp.c_fc), the others without." in note
    assert "Measured without bias." in table_of(summarise(records[:1])).note
    assert "With the bias that the model's Linears have." in table_of(summarise(records[1:])).note


def test_hot_and_cold_are_never_mixed() -> None:
    rows = summarise([make.matmul("fp16", residency="hot"), make.matmul("nf4", residency="cold")])
    assert [row.time_ratio for row in rows] == [None, None]


def test_without_ceilings_there_is_no_bound() -> None:
    assert summarise([make.matmul("fp16")])[0].bound is None


def test_steps_alone_have_no_flop() -> None:
    row = summarise([make.matmul("nf4", op="dequantise")])[0]
    assert row.achieved_rate is None and row.achieved_bandwidth is not None


def test_a_short_call_has_its_mean_beside_its_median() -> None:
    """One call of three that is interrupted: the mean tells it, the median does not."""

    def rows(times: tuple[float, ...]):
        return summarise([replace(make.matmul("fp16"), metrics=(metric("forward_time", times),))])

    (short,) = rows((4e-6, 4e-6, 10e-6))
    assert (short.time.value, short.mean_time) == (4e-6, pytest.approx(6e-6))
    shown = table_of([short])
    assert any("mean 6.00 µs" in str(cell) for row in shown.rows for cell in row)
    assert "of medians; below 10" in shown.note
    (long,) = rows((4e-5, 4e-5, 1e-4))
    assert long.mean_time is None
    assert "medians" not in table_of([long]).note
