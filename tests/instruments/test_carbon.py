import logging
from types import SimpleNamespace

import pytest

from bench.instruments import carbon
from bench.instruments.carbon import measure_carbon
from bench.record.errors import MachineError, MeasurementError, UsageError


class CPU:
    _mode = "cpu_load"


class GPU:
    pass


class RAM:
    pass


class FakeTracker:
    """Measures every second, as told by ``world.scheduled``, and when it starts and stops."""

    def __init__(self, world, parts, energy):
        self._world, self._hardware, self._energy = world, parts, energy
        logging.getLogger("codecarbon").warning("Multiple instances of codecarbon are allowed to run at the same time.")

    def start(self):
        self._began = self._world.now

    def stop(self):
        for line in self._world.logs:
            logging.getLogger("codecarbon").warning(*line)
        if self._world.scheduled is not None:
            self._power_measurement_count = 2 + int((self._world.now - self._began) * self._world.scheduled)
        seconds = self._world.now - self._began + self._world.set_ahead
        self.final_emissions_data = SimpleNamespace(
            duration=seconds,
            energy_consumed=self._energy * 3,
            cpu_energy=self._energy,
            gpu_energy=self._energy,
            ram_energy=self._energy,
            emissions=2e-6,
            cpu_power=self._energy * 3.6e6 / seconds if seconds else 0.0,
            ram_power=10.0,
        )


class World:
    """``scheduled``: measurements a second; None: a CodeCarbon that does not count them. ``logs``: what it warns of.
    ``set_ahead``: s by which the clock of the day is set ahead in a window."""

    def __init__(self, parts=(), energy=1e-6, scheduled=1.0, logs=(), set_ahead=0.0):
        self.set_ahead = set_ahead
        self.now, self.parts, self.energy, self.trackers = 0.0, list(parts), energy, 0
        self.scheduled, self.logs = scheduled, logs

    def tracker(self):
        self.trackers += 1
        return FakeTracker(self, self.parts, self.energy)

    def work(self):
        self.now += 0.4
        return 10

    def measure(self, **options):
        given = {"country": "DEU", "min_seconds": 1.0, "tracker_factory": self.tracker, "clock": lambda: self.now}
        return measure_carbon(self.work, **(given | options))


def values(readings):
    return {metric.name: metric.values for metric in readings.metrics}


def test_energies_are_in_joules_and_tokens_are_counted():
    world = World([RAM(), CPU()])
    readings = world.measure(windows=2)
    found = values(readings)
    assert found["window_tokens"] == (30, 30)
    assert found["window_time"] == pytest.approx((1.2, 1.2))
    assert found["codecarbon_energy"] == pytest.approx((10.8, 10.8))
    assert found["codecarbon_energy_cpu"] == pytest.approx((3.6, 3.6))
    assert found["codecarbon_emissions"] == (2e-6, 2e-6)
    assert world.trackers == 3  # the first one only warms up


def test_without_a_gpu_its_energy_is_absent_and_not_zero():
    readings = World([RAM(), CPU()]).measure()
    assert "codecarbon_energy_gpu" not in values(readings)
    assert readings.not_collected["codecarbon_energy_gpu"]
    assert readings.findings == ()


def test_a_gpu_that_did_the_work_unseen_is_a_warning():
    readings = World([RAM(), CPU()]).measure(gpu=True)
    assert [finding.code for finding in readings.findings] == ["codecarbon-without-gpu"]


def test_a_gpu_that_is_seen_is_reported():
    readings = World([RAM(), CPU(), GPU()]).measure(gpu=True)
    assert values(readings)["codecarbon_energy_gpu"] == pytest.approx((3.6,))
    assert readings.findings == ()


def test_what_is_estimated_is_labelled():
    guessed = World([RAM(), CPU()]).measure().setup
    assert guessed["estimated"] is True
    assert guessed["estimated_parts"] == ["cpu", "ram"]
    assert "TDP" in guessed["estimated_why"]
    assert guessed["country"] == "DEU"
    rapl = CPU()
    rapl._mode = "intel_rapl"
    measured = World([RAM(), rapl]).measure().setup
    assert measured["estimated"] is True
    assert measured["estimated_parts"] == ["ram"]
    assert measured["sources"]["cpu"] == "RAPL"


SILENT = ("Background scheduler didn't run for a long period (%ds), results might be inaccurate", 42)


@pytest.mark.parametrize(
    ("scheduled", "logs", "evidence"),
    [
        (1.0, [SILENT], "Background scheduler didn't run for a long period (42s), results might be inaccurate"),
        (None, [SILENT], "Background scheduler didn't run for a long period (42s), results might be inaccurate"),
        (0.0, [], "0 of 4 measurements in 4.0 s"),
        (0.26, [], "1 of 4 measurements in 4.0 s"),
    ],
)
def test_a_scheduler_that_did_not_run_is_a_finding(scheduled, logs, evidence):
    readings = World([RAM(), CPU()], scheduled=scheduled, logs=logs).measure(min_seconds=3.8, windows=2)
    assert [(one.code, one.evidence) for one in readings.findings] == [("codecarbon-scheduler", evidence)]
    assert readings.setup["warnings"] == ([evidence] if logs else [])


@pytest.mark.parametrize(("scheduled", "seconds"), [(1.0, 3.8), (0.6, 3.8), (0.0, 1.0), (None, 3.8)])
def test_a_scheduler_that_ran_or_that_cannot_be_judged_is_none(scheduled, seconds):
    assert World([RAM(), CPU()], scheduled=scheduled).measure(min_seconds=seconds).findings == ()


@pytest.mark.parametrize(
    ("ahead", "told"), [(0.0, []), (0.5, []), (3600.0, ["codecarbon-clock"]), (-5.0, ["codecarbon-clock"])]
)
def test_a_clock_that_was_set_meanwhile_is_a_finding(ahead, told):
    """CodeCarbon 2 times its windows by the clock of the day."""
    found = World(set_ahead=ahead).measure(min_seconds=4.0).findings
    assert [one.code for one in found if one.code == "codecarbon-clock"] == told


def test_its_log_is_kept_and_not_printed(capfd):
    readings = World([RAM(), CPU()], logs=[("odd thing %s", 1)]).measure()
    assert readings.setup["warnings"] == ["odd thing 1"] and readings.findings == ()
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("codecarbon").filters == []


def test_its_own_powers_and_the_countrys_intensity_are_kept():
    readings = World([RAM(), CPU()]).measure(windows=2)
    assert values(readings)["codecarbon_power_cpu"] == pytest.approx((3.0, 3.0))
    assert values(readings)["codecarbon_power_ram"] == (10.0, 10.0)
    assert readings.setup["carbon_intensity_kg_per_kwh"] == pytest.approx(2e-6 / 3e-6)


def test_no_energy_is_an_error():
    with pytest.raises(MeasurementError, match="gave no energy"):
        World([RAM(), CPU()], energy=0.0).measure()


def test_the_real_tracker_knows_its_countries():
    pytest.importorskip("codecarbon")
    with pytest.raises(UsageError, match="DEU or USA"):
        measure_carbon(lambda: 1, country="XXX", min_seconds=0.1)


def test_the_real_tracker_prints_nothing_and_writes_nothing(tmp_path, monkeypatch, capfd):
    pytest.importorskip("codecarbon")
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
    # A user's own settings must not bend the figures.
    (home / ".codecarbon.config").write_text("[codecarbon]\npue = 5.0\nsave_to_file = true\nforce_ram_power = 500\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    readings = measure_carbon(_spin, country="DEU", min_seconds=0.3)
    found = values(readings)
    ram_watts = found["codecarbon_energy_ram"][0] / found["window_time"][0]
    assert 1 < ram_watts < 400
    assert found["codecarbon_energy"][0] > 0
    assert capfd.readouterr() == ("", "")
    assert [*home.iterdir(), *here.iterdir()] == [home / ".codecarbon.config"]


def _spin():
    import time

    end = time.perf_counter() + 0.1
    while time.perf_counter() < end:
        pass
    return 1


@pytest.mark.parametrize(
    ("missing", "told"), [("codecarbon", "is not installed"), ("pandas", "cannot be used without pandas")]
)
def test_without_codecarbon_or_what_it_needs_a_line_says_which(monkeypatch, missing, told):
    def data_source():
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    def importing(name):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return SimpleNamespace(DataSource=data_source)

    monkeypatch.setattr(carbon, "import_module", importing)
    with pytest.raises(MachineError, match=rf"CodeCarbon {told}: 'make setup', or pip install {missing}"):
        measure_carbon(lambda: 1, country="DEU", min_seconds=1.0)
