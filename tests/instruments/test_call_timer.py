"""The CUDA timer's logic with a fake device: what is queued, in which order, and what is read from it."""

from types import SimpleNamespace

import pytest

from bench.instruments.timing import CpuTimer, CudaTimer


class FakeCuda:
    """A device whose clock moves only with the work that is queued; it notes everything in ``log``."""

    def __init__(self):
        self.now_ms = 0.0
        self.log = []
        outer = self

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing
                self.created = False

            def record(self):
                if not self.created:  # as torch does, which takes long
                    self.created = True
                    outer.now_ms += 35.0
                self.at = outer.now_ms
                outer.log.append("event")

            def elapsed_time(self, other):
                assert outer.log[-1] == "synchronize", "read before the device was done"
                return other.at - self.at

        self.Event = Event

    def synchronize(self):
        self.log.append("synchronize")

    def _sleep(self, cycles):
        self.log.append("sleep")

    def work(self, ms):
        self.now_ms += ms
        self.log.append("work")


@pytest.fixture
def cuda():
    return FakeCuda()


def test_device_times_are_in_seconds_one_per_call(cuda):
    lengths = iter([2.0, 3.0, 5.0])
    burst = CudaTimer(SimpleNamespace(cuda=cuda)).burst(lambda: cuda.work(next(lengths)), 3, hold=True)
    assert burst.forward == pytest.approx((0.002, 0.003, 0.005))
    assert len(burst.dispatch) == 3


def test_the_queue_is_held_before_the_first_event_and_all_is_issued_without_waiting(cuda):
    CudaTimer(SimpleNamespace(cuda=cuda)).burst(lambda: cuda.work(1), 2, hold=True)
    made = ["event"] * 4
    timed = ["synchronize", "sleep", "event", "work", "event", "event", "work", "event", "synchronize"]
    assert cuda.log == made + timed


def test_a_call_that_reads_back_is_not_put_behind_a_held_queue(cuda):
    CudaTimer(SimpleNamespace(cuda=cuda)).burst(lambda: cuda.work(1), 1, hold=False)
    assert "sleep" not in cuda.log


def test_the_event_overhead_is_that_of_an_empty_pair(cuda):
    assert CudaTimer(SimpleNamespace(cuda=cuda)).event_overhead(4) == [0.0] * 4


def test_cpu_times_are_positive_and_the_call_is_made_each_time():
    made = []
    burst = CpuTimer().burst(lambda: made.append(1), 5, hold=True)
    assert len(made) == len(burst.forward) == 5
    assert min(burst.forward) > 0
    assert burst.dispatch == ()


@pytest.mark.gpu
def test_events_agree_with_the_wall_clock_for_a_long_product():
    import time

    import torch

    from bench.instruments.timing import timer_for

    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    a @ a
    burst = timer_for("cuda").burst(lambda: a @ a, 10, hold=True)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        a @ a
    torch.cuda.synchronize()
    wall = (time.perf_counter() - start) / 10
    assert sum(burst.forward) / 10 == pytest.approx(wall, rel=0.1)
