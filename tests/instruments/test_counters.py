import pytest
from fake_nvml import FakeGpu, FakeNvml
from hypothesis import given
from hypothesis import strategies as st

from bench.instruments.counters import (
    NvmlCounter,
    RaplCounter,
    available_counters,
    dram_counter,
    nvml_counter,
    package_domains,
    rapl_counter,
)
from bench.instruments.nvml import connect
from bench.instruments.rapl import MOST_WATTS
from bench.record.errors import MachineError

FULL = 262_143_328_850


def domain(root, name, kind, energy=0, full=FULL):
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{full}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    return folder


@pytest.fixture
def powercap(tmp_path):
    domain(tmp_path, "intel-rapl:0", "package-0")
    domain(tmp_path, "intel-rapl:0:0", "dram")
    domain(tmp_path, "intel-rapl:1", "package-1")
    domain(tmp_path, "intel-rapl:2", "psys")
    domain(tmp_path, "intel-rapl-mmio:0", "package-0")
    return tmp_path


def test_only_whole_packages_are_counted(powercap):
    assert [path.name for path in package_domains(powercap)] == ["intel-rapl:0", "intel-rapl:1"]


def test_packages_are_summed_in_joules(powercap):
    counter = rapl_counter(powercap)
    assert counter.read() == 0.0
    (powercap / "intel-rapl:0/energy_uj").write_text("1500000")
    (powercap / "intel-rapl:1/energy_uj").write_text("250000")
    assert counter.read() == pytest.approx(1.75)
    assert counter.read() == pytest.approx(1.75)


class Rapl:
    """A powercap folder whose counters a test moves, and a clock of its own."""

    def __init__(self, root, **starts):
        self.root, self.now = root, 50.0
        self.files = {name: domain(root, name, kind, *given) / "energy_uj" for name, (kind, *given) in starts.items()}

    def clock(self):
        return self.now

    def counter(self):
        return RaplCounter(package_domains(self.root), clock=self.clock)

    def show(self, raw, seconds=1.0, name="intel-rapl:0"):
        self.now += seconds
        self.files[name].write_text(str(raw))


@given(
    full=st.integers(10**10, 10**12),
    start=st.floats(0, 0.999),
    steps=st.lists(st.tuples(st.floats(0.001, 2.0), st.floats(0, MOST_WATTS)), min_size=1, max_size=20),
)
def test_wrap_around_is_made_good(tmp_path_factory, full, start, steps):
    """As long as it is read every few seconds, the joules are right whatever the counter wraps at."""
    root = tmp_path_factory.mktemp("powercap")
    true = first = int(start * full)
    rapl = Rapl(root, **{"intel-rapl:0": ("package-0", first, full)})
    counter, last = rapl.counter(), 0.0
    for seconds, watts in steps:
        true += int(seconds * watts * 1e6)
        rapl.show(true % full, seconds)
        joules = counter.read()
        assert joules >= last
        assert joules == pytest.approx((true - first) * 1e-6)
        last = joules


def test_a_wrap_that_may_have_passed_unseen_is_refused(tmp_path):
    """300 W over 1,000 s with a range of 262 kJ: two readings alone would be 37.9 W."""
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 0)})
    counter = rapl.counter()
    rapl.show(300_000_000_000 % FULL, 1000.0)
    with pytest.raises(MachineError, match=r"was not read for 1e\+03 s, and its 262143 J can pass unseen in 262 s"):
        counter.read()
    with pytest.raises(MachineError, match="was not read"):  # and it stays so: the next difference would be wrong too
        counter.read()


def test_a_counter_that_was_read_and_stood_still_for_a_wrap_is_not_said_to_be_unread(tmp_path):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7)})
    counter = rapl.counter()
    for _ in range(150):
        rapl.show(7, 2.0)
        counter.note()
    rapl.show(8, 2.0)
    with pytest.raises(MachineError, match=r"stood still for 304 s, and its 262143 J can pass unseen in 262 s"):
        counter.read()


def test_the_same_thousand_seconds_read_every_two_are_right(tmp_path):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 200_000_000_000)})
    counter = rapl.counter()
    for step in range(1, 501):
        rapl.show((200_000_000_000 + step * 600_000_000) % FULL, 2.0)
        counter.note()
    assert counter.read() == pytest.approx(300_000)
    setup = counter.setup()
    assert setup["range_j"] == [pytest.approx(262_143.32885)] and setup["longest_gap_s"] == pytest.approx(2.0)
    assert len(setup["readings"]) == 500 and setup["readings"][0] == [52.0, 200_600_000_000]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (99_999_999_000, "stepped backwards or was reset, from 100000 J to 100000 J"),  # by one millijoule
        (0, "stepped backwards or was reset, from 100000 J to 0 J"),
        (200_000_000_000, "jumped ahead, from 100000 J to 200000 J"),
    ],
)
def test_what_no_wrap_explains_is_refused(tmp_path, raw, why):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 100_000_000_000)})
    counter = rapl.counter()
    rapl.show(raw)
    with pytest.raises(MachineError, match=why):
        counter.read()


def test_a_range_of_zero_is_refused(tmp_path):
    domain(tmp_path, "intel-rapl:0", "package-0", 5, 0)
    with pytest.raises(MachineError, match="where it begins again is not known"):
        rapl_counter(tmp_path)


def test_a_small_range_is_read_more_often(tmp_path):
    assert Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 0, 10**9)}).counter().period == pytest.approx(0.25)
    assert Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 0)}).counter().period == 2.0


def test_dies_that_show_one_counter_are_counted_once(tmp_path):
    same = 123_456_789
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0-die-0", same), "intel-rapl:1": ("package-0-die-1", same)})
    counter = rapl.counter()
    rapl.show(same + 10**8, 1.0)
    rapl.show(same + 10**8, 0.0, "intel-rapl:1")
    assert counter.read() == pytest.approx(100.0)
    (finding,) = counter.findings()
    assert finding.code == "energy-packages-mirrored" and "package-0-die-1" in finding.message
    assert counter.setup()["mirrored"] == ["package-0-die-1 (intel-rapl:1)"]


def test_packages_that_only_began_alike_are_two(tmp_path):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7), "intel-rapl:1": ("package-1", 7)})
    counter = rapl.counter()
    rapl.show(7 + 10**8, 1.0)
    rapl.show(7 + 2 * 10**8, 0.0, "intel-rapl:1")
    assert counter.read() == pytest.approx(300.0)
    assert counter.findings() == () and counter.setup()["mirrored"] == []


def test_twins_that_part_later_are_not_believed(tmp_path):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7), "intel-rapl:1": ("package-1", 7)})
    counter = rapl.counter()
    rapl.show(10**8, 1.0)
    rapl.show(10**8, 0.0, "intel-rapl:1")
    counter.read()
    rapl.show(2 * 10**8, 1.0)
    with pytest.raises(MachineError, match="are they one or two"):
        counter.read()


def test_another_clock_begins_anew(tmp_path):
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7)})
    counter = RaplCounter(package_domains(tmp_path))
    counter.timed_by(rapl.clock)
    rapl.show(7 + 3 * 10**8)
    assert counter.read() == pytest.approx(300.0)
    counter.timed_by(rapl.clock)  # the same one changes nothing
    assert counter.read() == pytest.approx(300.0)


def test_a_long_time_before_the_windows_is_not_theirs(tmp_path):
    """A model may load for minutes between finding the counter and the first window."""
    rapl = Rapl(tmp_path, **{"intel-rapl:0": ("package-0", 7)})
    counter = rapl.counter()
    rapl.show(5, 1000.0)
    counter.timed_by(rapl.clock)
    rapl.show(5 + 3 * 10**8)
    assert counter.read() == pytest.approx(300.0)


def test_memory_is_counted_apart(powercap):
    counter = dram_counter(powercap)
    (powercap / "intel-rapl:0:0/energy_uj").write_text("2000000")
    assert (counter.name, counter.read()) == ("dram", pytest.approx(2.0))
    (powercap / "intel-rapl:0:0/name").write_text("core")
    with pytest.raises(MachineError, match="does not count its memory's energy apart"):
        dram_counter(powercap)


def test_the_board_counter_under_mig_is_refused(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(MachineError, match="MIG is on"):
        nvml_counter(connect(FakeNvml([FakeGpu(mig=1)])))
    assert nvml_counter(connect(FakeNvml(unsupported=["nvmlDeviceGetMigMode"]))).read() == 1000.0


def test_unreadable_and_missing_counters_say_what_to_do(powercap, monkeypatch):
    with pytest.raises(MachineError, match="bare metal"):
        rapl_counter(powercap / "nowhere")

    def refuse(self, *_, **__):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return original(self)

    original = type(powercap).read_text
    monkeypatch.setattr(type(powercap), "read_text", refuse)
    with pytest.raises(MachineError, match="run as root"):
        rapl_counter(powercap)


def test_a_damaged_counter_is_a_machine_error(powercap):
    (powercap / "intel-rapl:0/energy_uj").write_text("many")
    with pytest.raises(MachineError, match="cannot be read"):
        rapl_counter(powercap)


def test_nvml_counts_in_millijoules():
    nvml = connect(FakeNvml([FakeGpu(energy_mj=[5_000, 7_500])]))
    counter = NvmlCounter(nvml, nvml.handles()[0])
    assert (counter.read(), counter.read()) == (5.0, 7.5)


def test_available_counters_on_a_gpu(powercap, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    counters, reasons = available_counters(True, nvml=connect(FakeNvml()), powercap=powercap)
    assert [counter.name for counter in counters] == ["gpu", "cpu", "dram"]
    assert reasons == {}


def test_available_counters_name_each_missing_metric(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    old = connect(FakeNvml(unsupported=["nvmlDeviceGetTotalEnergyConsumption"]))
    counters, reasons = available_counters(True, nvml=old, powercap=tmp_path)
    assert counters == []
    assert set(reasons) == {"energy_gpu", "idle_energy_gpu", "energy_cpu", "idle_energy_cpu"}
    assert "Not Supported" in reasons["energy_gpu"]
    assert "on the CPU" in available_counters(False, powercap=tmp_path)[1]["energy_gpu"]


@pytest.mark.gpu
def test_the_real_counter_grows_during_matmuls():
    import time

    torch = pytest.importorskip("torch")
    uuid = str(torch.cuda.get_device_properties(0).uuid)
    counter = nvml_counter(uuid=uuid)
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)
    before, end = counter.read(), time.perf_counter() + 2
    while time.perf_counter() < end:
        a @ a
        torch.cuda.synchronize()
    assert counter.read() - before > 2 * 30  # no data-centre GPU works below 30 W
