import threading

import pytest
from fake_nvml import FakeGpu, FakeNvml

from bench.instruments.nvml import connect
from bench.instruments.sampler import Sampler, gpu_sources
from bench.record.errors import MachineError


def values(readings):
    return {metric.name: metric.values for metric in readings.metrics}


def sampled(sources, times, began=None):
    clock = iter(times)
    sampler = Sampler(sources, clock=lambda: next(clock))
    for _ in times:
        sampler.sample()
    return sampler.readings(began)


def test_gpu_sources_are_in_si_units():
    nvml = connect(FakeNvml([FakeGpu(temperature=61, throttle=0x24)]))
    readings = values(sampled(gpu_sources(nvml, nvml.handles()[0]), [5.0, 5.1]))
    assert set(readings) == {"sample_time", "gpu_power", "gpu_temperature", "gpu_clock_sm", "gpu_throttle_reasons"}
    assert readings["gpu_power"] == (123.456, 123.456)
    assert readings["gpu_temperature"][0] == 61
    assert readings["gpu_clock_sm"][0] == 1980e6
    assert readings["gpu_throttle_reasons"][0] == 0x24


def test_an_older_driver_knows_throttle_reasons_by_the_older_name():
    nvml = connect(FakeNvml([FakeGpu(throttle=4)], unsupported=["nvmlDeviceGetCurrentClocksEventReasons"]))
    assert gpu_sources(nvml, nvml.handles()[0])["gpu_throttle_reasons"]() == 4


def test_time_zero_is_the_first_window():
    readings = values(sampled({"gpu_power": lambda: 1.0}, [10.0, 10.1, 10.2], began=10.1))
    assert readings["sample_time"] == pytest.approx((-0.1, 0.0, 0.1))


def test_a_column_that_fails_is_left_out_whole():
    answers = iter([50.0])

    def temperature():
        try:
            return next(answers)
        except StopIteration:
            raise MachineError("GPU is lost") from None

    readings = sampled({"gpu_power": lambda: 2.0, "gpu_temperature": temperature}, [0.0, 0.1, 0.2])
    assert values(readings) == {"sample_time": (0.0, 0.1, 0.2), "gpu_power": (2.0, 2.0, 2.0)}
    assert readings.not_collected == {"gpu_temperature": "GPU is lost"}


def test_nothing_to_sample_has_a_reason():
    readings = Sampler({}).readings()
    assert readings.metrics == ()
    assert "sample_time" in readings.not_collected


def test_samples_come_from_another_thread_until_the_block_ends():
    threads, enough = set(), threading.Event()

    def source():
        threads.add(threading.get_ident())
        if len(sampler._times) >= 3:
            enough.set()
        return 1.0

    sampler = Sampler({"gpu_power": source}, period=0.001)
    with sampler:
        assert enough.wait(10)
    count = len(values(sampler.readings())["gpu_power"])
    assert threads.isdisjoint({threading.get_ident()})
    assert count >= 3
    assert len(values(sampler.readings())["sample_time"]) == count
    assert not sampler._thread.is_alive()


def test_a_source_that_breaks_is_left_out_and_the_others_go_on():
    readings = iter([1.0, 1.0, ValueError("x")])

    def bad():
        value = next(readings)
        if isinstance(value, Exception):
            raise value
        return value

    found = sampled({"gpu_power": lambda: 2.0, "gpu_temperature": bad}, [0.0, 0.1, 0.2, 0.3])
    assert values(found) == {"sample_time": (0.0, 0.1, 0.2, 0.3), "gpu_power": (2.0,) * 4}
    assert found.not_collected == {"gpu_temperature": "ValueError: x"}
    assert [(one.code, one.evidence) for one in found.findings] == [("energy-sample-broken", "ValueError: x")]


def test_a_reading_that_is_no_number_is_left_out():
    found = sampled({"gpu_power": lambda: 2.0, "gpu_clock_sm": lambda: float("nan")}, [0.0, 0.1])
    assert set(values(found)) == {"sample_time", "gpu_power"} and "nan" in found.not_collected["gpu_clock_sm"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_told():
    ticks = iter([0.0, 0.1])
    sampler = Sampler({"gpu_power": lambda: 1.0}, period=0.001, clock=lambda: next(ticks))
    with sampler:
        sampler._thread.join(10)
    found = sampler.readings(0.0, "idle_")
    assert values(found) == {"idle_sample_time": (0.0, 0.1), "idle_gpu_power": (1.0, 1.0)}
    assert [one.code for one in found.findings] == ["energy-sampler-stopped"]


def test_a_block_may_be_entered_again():
    sampler = Sampler({"gpu_power": lambda: 1.0}, period=60.0)
    for _ in range(2):
        with sampler:
            pass
    assert len(values(sampler.readings())["gpu_power"]) == 2
