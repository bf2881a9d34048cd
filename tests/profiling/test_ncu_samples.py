"""Output of NVIDIA's own tool on real GPUs, from ../shared/samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ncu_files import sample, samples

from bench.record.errors import RecordError
from profiling.readers.ncu import counters_summary, looks_like_counters, read_counters

ALL = [pytest.param(path, id=path.name) for path in samples("ncu")]
DRAM = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
SM = "sm__throughput.avg.pct_of_peak_sustained_elapsed"


@pytest.mark.parametrize(
    ("file", "kernel", "ns", "dram", "sm", "l2"),
    [
        ("h100_linear_d512_fp16.csv", "nvjet_", 10.3e3, 48.8, 8.1, 0.61),
        ("h100_linear_d512_w8a8.csv", "_w8a8_bmm_kernel", 8.4e3, 14.3, 39.4, 0.93),
    ],
)
def test_the_longest_launch_is_what_the_authors_published(
    file: str, kernel: str, ns: float, dram: float, sm: float, l2: float
) -> None:
    kernels = counters_summary(sample(f"ncu/{file}"))["kernels"]
    longest = next(entry for entry in kernels if entry["name"].startswith(kernel))["longest"]
    assert longest["duration_ns"] == pytest.approx(ns, abs=50)
    assert longest["metrics"][DRAM]["value"] == pytest.approx(dram, abs=0.05)
    assert longest["metrics"][SM]["value"] == pytest.approx(sm, abs=0.05)
    assert longest["l2_hit_rate"] == pytest.approx(l2, abs=0.005)


def test_the_mean_over_all_launches_is_what_the_authors_published() -> None:
    kernels = counters_summary(sample("ncu/h100_linear_d512_w8a8.csv"))["kernels"]
    entry = next(entry for entry in kernels if entry["name"] == "_w8a8_bmm_kernel")
    assert entry["launches"] == 31
    assert entry["duration_ns"] / 31 == pytest.approx(8.05e3, abs=5)
    assert entry["l2_hit_rate"] == pytest.approx(0.936, abs=0.0005)


def test_the_binary_report() -> None:
    path = sample("ncu/t4_mlp.ncu-rep")
    pytest.importorskip("ncu_report")
    counters = read_counters(path)
    assert counters.kernels == ("matrix_addition2D(float *, float *, float *, int, int)",)
    assert counters.grid.tolist() == [[63, 63, 1]]
    entry = counters_summary(path)["kernels"][0]
    assert entry["duration_ns"] == 52576
    assert entry["dram_bytes"] == 9612288 + 4189344
    assert entry["l2_hit_rate"] == pytest.approx(187917 / (187917 + 250000))
    # Of 1,131 metrics, 26 are text and some hold no value.
    assert 1000 < len(counters.metrics) < 1131


@pytest.mark.skipif(not ALL, reason="../shared/samples is not on this machine")
@pytest.mark.parametrize("path", ALL)
def test_every_file_reads_to_plain_json(path: Path) -> None:
    if path.suffix == ".ncu-rep":
        pytest.importorskip("ncu_report")
    assert looks_like_counters(path)
    document = counters_summary(path)
    assert document["kernels"]
    json.dumps(document, allow_nan=False)


@pytest.mark.skipif(not ALL, reason="../shared/samples is not on this machine")
@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.77, 0.99])
def test_truncated_copies_are_refused(
    path: Path, part: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / path.name
    content = path.read_bytes()
    copy.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(RecordError) as caught:
        counters_summary(copy)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not ALL, reason="../shared/samples is not on this machine")
@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"#"])
def test_overwritten_copies_are_refused(
    path: Path, fill: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if path.suffix == ".ncu-rep":
        pytest.importorskip("ncu_report")
    copy = tmp_path / path.name
    content = path.read_bytes()
    middle = len(content) // 2
    copy.write_bytes(content[:middle] + fill * 1000 + content[middle + 1000 :])
    with pytest.raises(RecordError) as caught:
        counters_summary(copy)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not ALL, reason="../shared/samples is not on this machine")
@pytest.mark.parametrize("path", [*samples("nsys"), *samples("kineto")], ids=lambda path: path.name)
def test_other_profilers_files_are_not_taken_for_counters(path: Path) -> None:
    assert not looks_like_counters(path)
