from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ncu_files import block, container

from bench.record.errors import BitledgerError, MachineError, RecordError
from fuzz import ncu_report_maker
from fuzz.ncu_report_maker import result, usual
from profiling.counters_summary import summarise
from profiling.readers.counters import Counters
from profiling.readers.ncu import looks_like_counters, read_counters
from profiling.readers.ncu_container import count_results
from profiling.readers.ncu_report_file import read_ncu_report
from profiling.readers.ncu_report_worker import results


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


def read(path: Path, *actions: FakeAction) -> Counters:
    """Read a report with a library that finds these actions in it."""
    package = SimpleNamespace(load_report=lambda _path: [list(actions)])
    return read_ncu_report(path, lambda file: json.loads(json.dumps(list(results(package, str(file))))))


def test_actions_become_launches(tmp_path: Path) -> None:
    action = FakeAction(
        gpu__time_duration_sum=FakeMetric(5.0, "ns"),
        device_name=FakeMetric("H100"),
        never_collected=FakeMetric(0.0, "%", has_value=False),
        not_a_number=FakeMetric(float("nan"), "%"),
        launch__grid_dim_x=FakeMetric(4.0),
        launch__grid_dim_y=FakeMetric(2.0),
    )
    counters = read(report(tmp_path, container(block(1, b"x"))), action)
    assert counters.kernels == ("gemm<float>(int)",)
    assert counters.nvtx == ("bitledger:decode_step/q_proj",)
    assert counters.values("gpu__time_duration_sum").tolist() == [5e-9]
    assert counters.grid.tolist() == [[4, 2, -1]]
    assert set(counters.metrics) == {"gpu__time_duration_sum", "launch__grid_dim_x", "launch__grid_dim_y"}


def test_results_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="1 of 2 results can be read"):
        read(report(tmp_path, container(block(2, b"x"))), FakeAction())


def test_a_broken_string_table_is_an_error() -> None:
    action = FakeAction()
    action.metric_names = lambda: ["unknown"]  # type: ignore[method-assign]
    with pytest.raises(AttributeError):
        list(results(SimpleNamespace(load_report=lambda _path: [[action]]), "report"))


def test_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no kernel.*filters"):
        read(report(tmp_path, container(block(0, b""))))


@pytest.mark.parametrize("size", [float("nan"), float("inf"), 2.0**32, -2.0])
def test_a_block_of_an_impossible_size_is_damage(tmp_path: Path, size: float) -> None:
    """Found by fuzzing: these ended as OverflowError."""
    with pytest.raises(RecordError, match="impossible size"):
        read(report(tmp_path, container(block(1, b"x"))), FakeAction(launch__block_dim_x=FakeMetric(size)))


def test_names_that_are_not_utf8_can_be_printed(tmp_path: Path) -> None:
    """Found by fuzzing: the library gives such bytes as lone surrogates."""
    action = FakeAction(gpu__time_duration_sum=FakeMetric(5.0, "n\udcffs"))
    action.name = lambda _base: "gemm\udcb6"  # type: ignore[method-assign]
    counters = read(report(tmp_path, container(block(1, b"x"))), action)
    assert counters.kernels == ("gemm\ufffd",)
    json.dumps(summarise(counters), ensure_ascii=False).encode()


def test_values_larger_than_any_counter_are_left_out(tmp_path: Path) -> None:
    """Found by fuzzing: their sums are infinite, which JSON cannot say."""
    actions = [FakeAction(big__sum=FakeMetric(1e308), ok__sum=FakeMetric(2.0)) for _ in range(3)]
    counters = read(report(tmp_path, container(block(3, b"x"))), *actions)
    json.dumps(summarise(counters), allow_nan=False)
    assert set(counters.metrics) == {"ok__sum"}


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put another package in ncu_report's place, for the process that reads."""
    (tmp_path / "ncu_report.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, monkeypatch, "raise ImportError('no library for this machine')\n")
    path = report(tmp_path, container(block(1, b"x")))
    assert looks_like_counters(path)
    with pytest.raises(MachineError, match=r"no library for this machine.*pip install ncu-report"):
        read_counters(path)


@pytest.mark.parametrize(
    ("load_report", "says"),
    [("os.abort()", "broke down"), ("raise ValueError('two\\nlines')", "lines"), ("bytearray(1 << 40)", "damaged")],
)
def test_a_library_that_breaks_down_is_a_damaged_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_report: str, says: str
) -> None:
    """Found by fuzzing: NVIDIA's library aborts on a negative length, and ended this program with itself."""
    module(tmp_path, monkeypatch, f"import os\ndef load_report(path):\n    {load_report}\n")
    with pytest.raises(RecordError, match=says):
        read_counters(report(tmp_path, container(block(1, b"x"))))


def test_nvidias_library_reads_a_report_and_survives_a_damaged_one(tmp_path: Path) -> None:
    pytest.importorskip("ncu_report")
    counters = read_counters(report(tmp_path, usual()))
    assert counters.kernels == ("gemm(float *)", "cast")
    assert counters.values("dram__bytes_read.sum").tolist() == [9.0, 9.0]
    # The length of the demangled name as a varint of ten bytes: a negative number.
    damaged = result("gemm", []).replace(b"\x3a\x04gemm", b"\x3a\xe4\xff\xff\xff\xff\xff\xff\xff\xff\x01")
    with pytest.raises(RecordError, match="damaged"):
        read_counters(report(tmp_path, ncu_report_maker.report([damaged], [])))


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
