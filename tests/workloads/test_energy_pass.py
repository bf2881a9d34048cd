"""The energy pass with counters that tick every millisecond, and a card that draws 100 W at rest and 300 W at work."""

import time
from types import SimpleNamespace

import pytest

from bench.instruments.readings import Readings
from bench.record.schema import metric
from bench.workloads import observers
from tests import factories as make


class Card:
    def __init__(self):
        self.began, self.busy, self.joules, self.last = time.perf_counter(), False, 0.0, time.perf_counter()

    def step(self):
        now = time.perf_counter()
        self.joules += (now - self.last) * (300.0 if self.busy else 100.0)
        self.last = now
        return self.joules

    def work(self, _batch):
        self.step()
        self.busy = True
        time.sleep(0.03)
        self.step()
        self.busy = False
        return SimpleNamespace(tokens=5)


@pytest.fixture(scope="module")
def outcome():
    card = Card()
    session = SimpleNamespace(case=make.case("nf4", device="cuda"), batches=[None], generate=card.work)
    unused = Readings((metric("unused_energy_gpu", 7.0),), {"unused_gpu_other_processes": "no driver"})
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(observers, "gpu_uuid", lambda device: "a")
        patch.setattr(observers, "_sources", lambda uuid: {"gpu_power": lambda: 100.0, "gpu_clock_sm": lambda: 1e9})
        counters = [SimpleNamespace(name="gpu", read=card.step)]
        patch.setattr(observers, "available_counters", lambda gpu, uuid: (counters, {"energy_cpu": "no RAPL"}))
        options = {"energy_seconds": 0.05, "energy_windows": 3, "unused": unused}
        return observers.energy(session, options, None)


def test_rest_lies_before_and_after_the_work(outcome):
    found = {one.name: one.values for one in outcome.metrics}
    assert len(found["idle_begin"]) == len(found["idle_energy_gpu"]) == 4
    assert [moment < 0 for moment in found["idle_begin"]] == [True, True, False, False]
    assert found["idle_begin"][2] > found["work_end"][-1]
    assert min(found["idle_sample_time"]) < 0 < max(found["idle_sample_time"])


def test_samples_of_rest_and_of_work_are_apart(outcome):
    found = {one.name: one.values for one in outcome.metrics}
    for prefix in ("", "idle_"):
        for name in ("gpu_power", "counter_gpu"):
            assert len(found[f"{prefix}{name}"]) == len(found[f"{prefix}sample_time"])
    assert "gpu_clock_sm" in found and "idle_gpu_clock_sm" not in found
    assert max(found["counter_gpu"]) <= min(
        joules
        for moment, joules in zip(found["idle_sample_time"], found["idle_counter_gpu"], strict=True)
        if moment > found["work_end"][-1]
    )


def test_every_window_has_its_ticks_and_the_works_own_begin_and_end(outcome):
    found = {one.name: one.values for one in outcome.metrics}
    ticks = found["edge_time_gpu"]
    assert len(found["work_begin"]) == 3 and len(ticks) == 6
    for window in range(3):
        times = ticks[2 * window], found["work_begin"][window], found["work_end"][window], ticks[2 * window + 1]
        assert list(times) == sorted(times)


def test_what_the_unused_card_drew_is_in_the_same_record(outcome):
    assert ("unused_energy_gpu", (7.0,)) in [(one.name, one.values) for one in outcome.metrics]
    assert outcome.not_collected == {"energy_cpu": "no RAPL", "unused_gpu_other_processes": "no driver"}
