import mmap
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml

from bench.instruments.memory import MemoryWatch, resident_peak
from bench.instruments.nvml import connect


def values(watch):
    return {metric.name: metric.values[0] for metric in watch.metrics()}


class FakeCuda:
    def __init__(self):
        self.peak, self.reserved, self.calls = 0, 0, []

    def synchronize(self, device):
        self.calls.append("synchronize")

    def reset_peak_memory_stats(self, device):
        self.calls.append("reset")
        self.peak = 0

    def max_memory_allocated(self, device):
        return self.peak

    def max_memory_reserved(self, device):
        return self.reserved


def proc(tmp_path, kib):
    (tmp_path / "status").write_text(f"Name:\tx\nVmHWM:\t   {kib} kB\nVmRSS:\t 5 kB\n")
    return tmp_path


def test_resident_peak_is_in_bytes(tmp_path):
    assert resident_peak(proc(tmp_path, 12)) == 12 * 1024


def test_on_the_cpu_the_device_has_reasons(tmp_path):
    (tmp_path / "clear_refs").touch()
    with MemoryWatch("cpu", proc=proc(tmp_path, 100)) as watch:
        proc(tmp_path, 300)
    assert values(watch) == {"memory_resident_peak": 300 * 1024}
    assert watch.peak() == 300 * 1024
    assert set(watch.not_collected()) == {"memory_allocated_peak", "memory_reserved_peak", "memory_device_used"}
    assert (tmp_path / "clear_refs").read_text() == "5"


def test_an_old_peak_that_cannot_be_reset_is_not_ours(tmp_path):
    (tmp_path / "clear_refs").mkdir()  # cannot be written, as for a process without permission
    with MemoryWatch("cpu", proc=proc(tmp_path, 100)) as watch:
        pass
    assert watch.metrics() == []
    assert watch.peak() is None
    assert "reached before" in watch.not_collected()["memory_resident_peak"]
    with MemoryWatch("cpu", proc=proc(tmp_path, 100)) as watch:
        proc(tmp_path, 101)
    assert values(watch) == {"memory_resident_peak": 101 * 1024}


def test_a_peak_that_was_reset_counts_even_if_it_comes_back_the_same(tmp_path):
    (tmp_path / "clear_refs").touch()
    with MemoryWatch("cpu", proc=proc(tmp_path, 100)) as watch:
        pass
    assert watch.peak() == 100 * 1024


def test_no_proc_at_all_is_a_reason(tmp_path):
    with MemoryWatch("cpu", proc=tmp_path / "none") as watch:
        pass
    assert "cannot be read" in watch.readings().not_collected["memory_resident_peak"]


def test_on_a_gpu_torch_and_the_driver_are_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cuda = FakeCuda()
    cuda.peak = 999  # from loading; must be forgotten
    torch = SimpleNamespace(cuda=cuda)
    with MemoryWatch("cuda", torch, connect(FakeNvml()), proc=proc(tmp_path, 1)) as watch:
        cuda.peak, cuda.reserved = 40, 64
    assert values(watch)["memory_allocated_peak"] == watch.peak() == 40
    assert values(watch)["memory_reserved_peak"] == 64
    assert values(watch)["memory_device_used"] == 7 << 30
    assert cuda.calls == ["synchronize", "reset", "synchronize"]


def test_without_nvml_only_the_drivers_view_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = connect(FakeNvml(unsupported=["nvmlDeviceGetMemoryInfo"]))
    with MemoryWatch("cuda", SimpleNamespace(cuda=FakeCuda()), nvml, proc=proc(tmp_path, 1)) as watch:
        pass
    assert "Not Supported" in watch.not_collected()["memory_device_used"]
    assert "memory_allocated_peak" in values(watch)


def test_a_failure_inside_passes_through_without_asking_the_device(tmp_path):
    cuda = FakeCuda()
    with (
        pytest.raises(RuntimeError, match="out of memory"),
        MemoryWatch("cuda", SimpleNamespace(cuda=cuda), proc=proc(tmp_path, 1)),
    ):
        raise RuntimeError("out of memory")
    assert cuda.calls == ["synchronize", "reset"]


def test_the_real_resident_peak_sees_a_large_block():
    size = 64 << 20
    with MemoryWatch("cpu") as first:
        pass
    # Mapped, not allocated: the allocator may give a block that earlier tests freed and that is resident already.
    with MemoryWatch("cpu") as watch, mmap.mmap(-1, size) as block:
        block.write(b"x" * size)
    if not first.metrics():
        pytest.skip("this kernel does not let the peak be reset")
    assert watch.peak() - first.peak() > size // 2
