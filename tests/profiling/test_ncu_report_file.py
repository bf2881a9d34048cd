from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ncu_files import block, container

from bench.record.errors import BitledgerError, MachineError, RecordError
from profiling.ncu import looks_like_counters, read_counters
from profiling.ncu_container import count_results


class FakeMetric:
    def __init__(self, value: Any, unit: str = "", has_value: bool = True) -> None:
        self.value, self.unit, self.has_value = lambda: value, lambda: unit, lambda: has_value


class FakeAction:
    NameBase_DEMANGLED = 0

    def __init__(self, **metrics: FakeMetric) -> None:
        self.metrics = metrics

    def name(self, _base: int) -> str:
        return "gemm<float>(int)"

    def nvtx_state(self) -> Any:
        domain = SimpleNamespace(name=lambda: "bitledger", push_pop_ranges=lambda: ("decode_step", "q_proj"))
        return SimpleNamespace(domains=lambda: (3,), domain_by_id=lambda _: domain)

    def metric_names(self) -> list[str]:
        return list(self.metrics)

    def metric_by_name(self, name: str) -> FakeMetric | None:
        return self.metrics.get(name)


def report(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "report.ncu-rep"
    path.write_bytes(content)
    return path


def pretend(monkeypatch: pytest.MonkeyPatch, *actions: FakeAction) -> None:
    monkeypatch.setitem(sys.modules, "ncu_report", SimpleNamespace(load_report=lambda _path: [list(actions)]))


def test_actions_become_launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    action = FakeAction(
        gpu__time_duration_sum=FakeMetric(5.0, "ns"),
        device_name=FakeMetric("H100"),
        never_collected=FakeMetric(0.0, "%", has_value=False),
        not_a_number=FakeMetric(float("nan"), "%"),
        launch__grid_dim_x=FakeMetric(4.0),
        launch__grid_dim_y=FakeMetric(2.0),
    )
    pretend(monkeypatch, action)
    counters = read_counters(report(tmp_path, container(block(1, b"x"))))
    assert counters.kernels == ("gemm<float>(int)",)
    assert counters.nvtx == ("bitledger:decode_step/q_proj",)
    assert counters.values("gpu__time_duration_sum").tolist() == [5e-9]
    assert counters.grid.tolist() == [[4, 2, -1]]
    assert set(counters.metrics) == {"gpu__time_duration_sum", "launch__grid_dim_x", "launch__grid_dim_y"}


def test_results_that_cannot_be_read_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, FakeAction())
    with pytest.raises(RecordError, match="1 of 2 results can be read"):
        read_counters(report(tmp_path, container(block(2, b"x"))))


def test_a_broken_string_table_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    action = FakeAction()
    action.metric_names = lambda: ["unknown"]  # type: ignore[method-assign]
    pretend(monkeypatch, action)
    with pytest.raises(RecordError, match="damaged"):
        read_counters(report(tmp_path, container(block(1, b"x"))))


def test_no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(RecordError, match=r"holds no kernel.*filters"):
        read_counters(report(tmp_path, container(block(0, b""))))


def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncu_report", None)
    path = report(tmp_path, container(block(1, b"x")))
    assert looks_like_counters(path)
    with pytest.raises(MachineError, match="pip install ncu-report") as caught:
        read_counters(path)
    assert "\n" not in str(caught.value)


def test_the_container_counts_its_results() -> None:
    assert count_results(container(block(1, b"abc"), block(0, b""), block(3, b"y" * 300))) == 4


@given(st.data())
def test_a_report_cut_inside_a_block_is_refused(data: st.DataObject) -> None:
    first, second = block(1, b"a" * 200), block(1, b"b" * 200)
    content = container(first, second)
    start = len(container(first))
    length = data.draw(st.integers(start + 1, len(content) - 1))
    with pytest.raises(RecordError, match="truncated"):
        count_results(content[:length])


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_or_refused(noise: bytes) -> None:
    try:
        assert count_results(b"NVR\x00" + noise) >= 0
    except RecordError as error:
        assert "\n" not in str(error)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BitledgerError, match="cannot read"):
        read_counters(tmp_path / "absent.csv")
