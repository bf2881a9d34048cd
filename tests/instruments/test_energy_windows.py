import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.instruments.energy import measure_idle, measure_windows
from bench.record.errors import MachineError, MeasurementError

POLL = 0.002


class World:
    """A clock that only work and sleep move, and a device that draws ``busy`` W at work and ``idle`` W otherwise."""

    def __init__(self, busy=400.0, idle=100.0, update=0.1):
        self.now, self.joules, self.busy, self.idle, self.update = 1000.0, 0.0, busy, idle, update
        self.shown, self.shown_until = 0.0, 1000.0 + update

    def pass_time(self, seconds, power):
        while self.now + seconds >= self.shown_until:
            step = self.shown_until - self.now
            self.joules, self.now, seconds = self.joules + step * power, self.shown_until, max(seconds - step, 0.0)
            self.shown, self.shown_until = self.joules, self.shown_until + self.update
        self.now, self.joules = self.now + seconds, self.joules + seconds * power

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.pass_time(seconds, self.idle)

    def work(self, seconds, tokens=7):
        def once():
            self.pass_time(seconds, self.busy)
            return tokens

        return once

    @property
    def outside(self):
        return {"clock": self.clock, "sleep": self.sleep}


class Counter:
    def __init__(self, world, name="gpu"):
        self._world, self.name = world, name

    def read(self):
        return self._world.shown


def values(readings):
    return {metric.name: metric.values for metric in readings.metrics}


@settings(max_examples=60, deadline=None)
@given(call=st.floats(0.01, 1.5), length=st.floats(0.5, 5.0), power=st.floats(50, 700))
def test_energy_and_time_are_of_the_same_interval(call, length, power):
    """At constant power, energy ÷ time of every window is that power to within the polling step, tail included."""
    world = World(busy=power, idle=power)
    done = measure_windows(world.work(call), [Counter(world)], min_seconds=length, windows=2, **world.outside)
    for joules, seconds in zip(done.energies["gpu"], done.times, strict=True):
        assert seconds >= length
        assert joules / seconds == pytest.approx(power, rel=2 * POLL / seconds + 1e-6)


@settings(max_examples=40, deadline=None)
@given(call=st.floats(0.05, 1.5))
def test_net_energy_has_no_trace_of_the_tail(call):
    """energy − idle power × time leaves the work's own surplus, whatever the tail is."""
    world = World(busy=400, idle=100)
    done = measure_windows(world.work(call), [Counter(world)], min_seconds=2.0, windows=1, **world.outside)
    readings = values(done.readings())
    worked = readings["window_time"][0] - readings["window_tail_time"][0]
    net = readings["energy_gpu"][0] - 100 * readings["window_time"][0]
    assert net == pytest.approx(300 * worked, abs=2 * POLL * 400)
    assert 0 <= readings["window_tail_time"][0] <= world.update + POLL


def test_tokens_and_windows_are_counted():
    world = World()
    done = measure_windows(world.work(0.3, tokens=5), [Counter(world)], min_seconds=1.0, windows=3, **world.outside)
    assert done.tokens == (20, 20, 20)  # 0.3 s × 4 is the first to reach 1 s
    assert len(done.times) == len(done.energies["gpu"]) == 3
    assert done.began >= 1000.0
    assert set(values(done.readings())) == {
        "window_time", "window_tokens", "window_tail_time", "work_begin", "work_end",
        "energy_gpu", "edge_time_gpu",
    }  # fmt: skip
    assert done.readings().findings == ()


def test_idle_windows_have_their_own_names():
    world = World(idle=90)
    done = measure_idle([Counter(world)], 2.0, 2, **world.outside)
    readings = values(done.readings())
    assert set(readings) == {
        "idle_time", "idle_begin", "idle_energy_gpu", "idle_edge_time_gpu",
    }  # fmt: skip
    for joules, seconds in zip(readings["idle_energy_gpu"], readings["idle_time"], strict=True):
        assert joules / seconds == pytest.approx(90, rel=0.01)


def test_without_counters_time_and_tokens_remain():
    world = World()
    done = measure_windows(world.work(0.5), [], min_seconds=1.0, windows=1, **world.outside)
    assert done.times == (1.0,)
    assert done.tails == (0.0,)
    assert done.energies == {}


def test_a_counter_that_never_moves_is_not_a_result():
    world = World(update=math.inf)
    done = measure_windows(world.work(0.5), [Counter(world)], min_seconds=1.0, windows=2, **world.outside)
    readings = done.readings()
    assert "energy_gpu" not in values(readings)
    assert "no increase in 2 of 2 windows" in readings.not_collected["energy_gpu"]
    assert [finding.code for finding in readings.findings] == ["energy-counter-slow", "energy-counter-zero"]
    assert "0, 0" in readings.findings[1].evidence
    # It was waited for once, not at each of the four edges.
    assert world.now - 1000.0 < 2 * 1.0 + 2.1


def test_each_counter_has_its_own_ticks():
    """Two counters of unlike ticks: the energy of each is exact between its own two ticks, whatever the other does."""
    world = World(busy=400, idle=100)
    slow = World(busy=400, idle=100, update=0.35)
    world_pass = world.pass_time
    world.pass_time = lambda seconds, power: (world_pass(seconds, power), slow.pass_time(seconds, power))
    counters = [Counter(world), Counter(slow, "cpu")]
    done = measure_windows(world.work(0.3), counters, min_seconds=1.0, windows=3, **world.outside)
    readings = values(done.readings())
    for name in ("gpu", "cpu"):
        times, joules = readings[f"edge_time_{name}"], [edge.joules for edge in done.edges[name]]
        for window in range(3):
            began, ended = readings["work_begin"][window], readings["work_end"][window]
            opened, closed = times[2 * window], times[2 * window + 1]
            assert opened <= began < ended <= closed
            true = 400 * (ended - began) + 100 * (closed - opened - (ended - began))
            assert joules[2 * window + 1] - joules[2 * window] == pytest.approx(true, abs=2 * POLL * 400)
            assert readings[f"energy_{name}"][window] == pytest.approx(true, abs=2 * POLL * 400)


def test_idle_windows_before_and_after_are_told_apart_by_their_begin():
    world = World(busy=400, idle=100)
    counters = [Counter(world)]
    before = measure_idle(counters, 1.0, 2, **world.outside)
    busy = measure_windows(world.work(0.3), counters, min_seconds=1.0, windows=1, **world.outside)
    idle = before + measure_idle(counters, 1.0, 1, **world.outside)
    readings = values(idle.readings(busy.began))
    first, second, third = readings["idle_begin"]
    assert first < second < 0 < busy.times[0] <= third
    assert len(readings["idle_energy_gpu"]) == 3 and len(readings["idle_edge_time_gpu"]) == 6


def test_a_counter_that_failed_in_one_idle_pass_is_used_in_neither():
    world = World()
    counters = [Counter(world)]
    good = measure_idle(counters, 1.0, 1, **world.outside)
    counters[0].read = lambda: (_ for _ in ()).throw(MachineError("GPU is lost"))
    bad = measure_idle(counters, 1.0, 1, **world.outside)
    for both in (good + bad, bad + good):
        assert "idle_energy_gpu" not in values(both.readings())
        assert "GPU is lost" in both.readings().not_collected["idle_energy_gpu"]


def test_a_counter_that_steps_backwards_for_a_moment_is_withheld():
    """Every window still increases, so their differences alone would not show it."""
    world = World()
    counter, reads = Counter(world), []
    counter.read = lambda: (reads.append(1), world.shown - (150.0 if len(reads) > 40 else 0.0))[1]
    done = measure_windows(world.work(0.5), [counter], min_seconds=1.5, windows=3, **world.outside)
    assert "stepped backwards" in done.readings().not_collected["energy_gpu"]
    assert [finding.code for finding in done.findings] == ["energy-counter-refused"]


def test_a_counter_that_ticks_slowly_is_waited_for():
    world = World(busy=300, idle=300, update=1.5)
    done = measure_windows(world.work(0.5), [Counter(world)], min_seconds=2.0, windows=2, **world.outside)
    assert done.findings == ()
    for joules, seconds in zip(done.energies["gpu"], done.times, strict=True):
        assert joules / seconds == pytest.approx(300, rel=0.005)


def test_a_counter_that_runs_backwards_is_not_a_result():
    world = World()
    backwards = Counter(world)
    backwards.read = lambda: -world.shown
    done = measure_windows(world.work(0.5), [backwards], min_seconds=1.0, windows=1, **world.outside)
    assert "energy_gpu" in done.readings().not_collected
    assert done.readings().findings[0].severity == "warning"


def test_a_counter_that_dies_takes_no_other_with_it():
    world = World()
    dying, reads = Counter(world, "cpu"), []

    def read():
        reads.append(1)
        if len(reads) > 10:
            raise MachineError("GPU is lost")
        return world.shown

    dying.read = read
    done = measure_windows(world.work(0.5), [Counter(world), dying], min_seconds=1.0, windows=2, **world.outside)
    readings = done.readings()
    assert len(values(readings)["energy_gpu"]) == 2
    assert "GPU is lost" in readings.not_collected["energy_cpu"]


def test_no_tokens_and_no_windows_are_errors():
    world = World()
    with pytest.raises(MeasurementError, match="no tokens"):
        measure_windows(world.work(0.5, tokens=0), [], min_seconds=1.0, windows=1, **world.outside)
    with pytest.raises(MeasurementError, match="at least one"):
        measure_windows(world.work(0.5), [], min_seconds=1.0, windows=0, **world.outside)
