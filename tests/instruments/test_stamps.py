from types import SimpleNamespace

import pytest

from bench.instruments.timing import DeviceClock, Stamps, synchronize
from bench.record.errors import MeasurementError


class FakeCuda:
    """A device whose clock stands at ``now`` ms and whose events can be read only once it was waited for."""

    def __init__(self):
        self.now, self.done, self.events, self.waits = 0.0, False, 0, []

    def Event(self, enable_timing):
        assert enable_timing
        self.events += 1
        return FakeEvent(self)

    def synchronize(self, device):
        self.done = True
        self.waits.append(device)


class FakeEvent:
    """Like torch's: it is created when it is first recorded, which takes long."""

    def __init__(self, cuda):
        self._cuda, self._created = cuda, False

    def record(self):
        if not self._created:
            self._created = True
            self._cuda.now += 35.0
        self.at, self._cuda.done = self._cuda.now, False

    def elapsed_time(self, later):
        assert self._cuda.done, "read before the device was waited for"
        return later.at - self.at


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def stamps(cuda):
    return Stamps("cuda:1", 4, SimpleNamespace(cuda=cuda))


def test_cuda_offsets_are_in_seconds_from_the_first_mark(cuda, stamps):
    for later in (5.0, 2.0, 5.0):
        cuda.now += later
        stamps.mark()
    assert stamps.seconds() == pytest.approx([0.0, 0.002, 0.007])
    assert stamps.intervals() == pytest.approx([0.002, 0.005])
    assert cuda.waits[-1] == "cuda:1"


def test_events_are_made_in_advance_and_used_again(cuda, stamps):
    made = cuda.events
    for _ in range(3):
        for _ in range(4):
            stamps.mark()
        assert len(stamps.seconds()) == 4
        stamps.reset()
    assert cuda.events == made == 4


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_too_many_marks_are_reported_and_not_lost(cuda, device):
    stamps = Stamps(device, 2, SimpleNamespace(cuda=cuda))
    for _ in range(3):
        stamps.mark()
    with pytest.raises(MeasurementError, match=r"3 time stamps .* 2 were planned"):
        stamps.seconds()


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_no_marks_and_reset(cuda, device):
    stamps = Stamps(device, 2, SimpleNamespace(cuda=cuda))
    assert stamps.seconds() == stamps.intervals() == []
    stamps.mark()
    assert stamps.seconds() == [0.0]
    stamps.reset()
    assert stamps.seconds() == []


def test_host_marks_use_perf_counter(monkeypatch):
    ticks = iter([10_000, 12_000, 17_000])
    monkeypatch.setattr("bench.instruments.timing.time.perf_counter_ns", lambda: next(ticks))
    stamps = Stamps("cpu", 3)
    for _ in range(3):
        stamps.mark()
    assert stamps.seconds() == pytest.approx([0.0, 2e-6, 7e-6])


def test_long_cuda_runs_keep_the_precision_of_each_interval(cuda):
    """elapsed_time is a 32-bit float: from the first mark, microseconds are lost after seconds."""
    stamps = Stamps("cuda", 3, SimpleNamespace(cuda=cuda))
    for now in (0.0, 60_000.0, 60_000.125):
        cuda.now = now
        stamps.mark()
    assert stamps.intervals()[1] == pytest.approx(0.000125, rel=1e-6)


def test_clock_waits_for_the_device_only_on_a_gpu(cuda):
    torch = SimpleNamespace(cuda=cuda)
    DeviceClock("cuda", torch).now()
    synchronize("cuda", torch)
    assert cuda.waits == ["cuda", "cuda"]
    DeviceClock("cpu", torch).now()
    synchronize("cpu", torch)
    assert cuda.waits == ["cuda", "cuda"]


@pytest.mark.gpu
def test_events_agree_with_the_host_clock():
    torch = pytest.importorskip("torch")
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
    clock, stamps = DeviceClock("cuda"), Stamps("cuda", 2)
    for _ in range(20):
        a @ a
    start = clock.now()
    stamps.mark()
    for _ in range(200):
        a @ a
    stamps.mark()
    host = clock.now() - start
    assert stamps.seconds()[1] == pytest.approx(host, rel=0.05)
