from dataclasses import replace

import pytest

from bench.analysis.energy import gross_per_token, summarise
from bench.analysis.energy.joules import best_source
from tests import factories as make


def window(**metrics: object) -> make.Record:
    return make.record("energy", make.case(device="cuda"), metrics)


def test_joules_per_token_gross_and_net() -> None:
    item = window(
        window_time=[2.0, 2.0], window_tokens=[100, 50], energy_gpu=[600.0, 600.0], idle_time=[1.0, 3.0],
        idle_energy_gpu=[70.0, 250.0],
    )  # fmt: skip
    assert gross_per_token(item, "energy_gpu") == (6.0, 12.0)
    held = next(row for row in summarise([item])[0].rows if "GPU" in row.source).above("held")
    assert held is not None and held.power == pytest.approx(80.0)
    assert held.per_token.value == pytest.approx(2 * (600 - 160) / 150)


def test_without_a_baseline_there_is_no_net_figure() -> None:
    item = window(window_time=1.0, window_tokens=10, energy_gpu=5.0)
    row = next(row for row in summarise([item])[0].rows if "GPU" in row.source)
    assert row.gross is not None and row.net is None and not row.nets


def test_lower_power_does_not_make_up_for_longer_time() -> None:
    group = summarise([item for item in make.run(gpu=True) if item.case.scheme in ("fp16", "int8")])[0]
    rows = {row.scheme: row for row in group.rows if "GPU" in row.source}
    assert rows["int8"].power is not None and rows["fp16"].power is not None
    assert rows["int8"].power < rows["fp16"].power
    assert rows["int8"].verdict == "SLOWER"  # that is: more joules
    assert rows["fp16"].energy_ratio is None


def test_what_was_not_collected_says_why() -> None:
    group = summarise([make.energy("fp16", counters=False)])[0]
    reasons = {row.source: row.reason for row in group.rows}
    assert reasons["GPU (NVML counter)"] == "no GPU on this machine"
    assert "permission denied" in reasons["CPU package (RAPL counter)"]
    assert all(row.gross is None for row in group.rows)


def test_a_skipped_pass_says_why() -> None:
    skipped = make.record("energy", make.case(), status="skipped", reason="no counter here")
    assert summarise([skipped])[0].rows[0].reason == "skipped: no counter here"


def test_a_counter_that_did_not_move_is_no_measurement() -> None:
    row = summarise([window(window_time=0.01, window_tokens=1, energy_gpu=0.0)])[0].rows[0]
    assert row.gross is None and "read no increase" in row.reason


def test_codecarbon_is_labelled_estimated() -> None:
    row = summarise([make.codecarbon("fp16")])[0].rows[0]
    assert row.estimated == "CPU from its nominal power, RAM a constant"
    assert row.gross is not None and row.gross.value == pytest.approx(260 / 480)


MEMORY = "Memory (RAPL DRAM counter)"


def test_memory_is_a_row_of_its_own_and_no_arm_is_judged_by_it() -> None:
    held = {"window_time": [2.0, 2.0], "window_tokens": [100, 100]}
    records = [
        window(**held, energy_gpu=[600.0, 600.0], energy_dram=[20.0, 20.0]),
        window(**held, energy_dram=[1.0, 1.0]),
    ]
    both, memory = (summarise([record])[0].rows for record in records)
    assert [row.gross.value for row in both if row.source == MEMORY and row.gross] == [pytest.approx(0.2)]
    best = best_source(both, "fp16", "cuda")
    assert best is not None and best.source.startswith("GPU")
    assert best_source(memory, "fp16", "cuda") is None


def test_where_nothing_speaks_of_memory_nothing_is_said_of_it() -> None:
    held = {"window_time": [2.0], "window_tokens": [100], "energy_gpu": [600.0]}
    assert MEMORY not in {row.source for row in summarise([window(**held)])[0].rows}
    told = replace(window(**held), not_collected={"energy_dram": "this CPU does not count it"})
    reasons = {row.source: row.reason for row in summarise([told])[0].rows}
    assert reasons[MEMORY] == "this CPU does not count it"
