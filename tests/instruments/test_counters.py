import pytest
from fake_nvml import FakeGpu, FakeNvml
from hypothesis import given
from hypothesis import strategies as st

from bench.instruments.counters import NvmlCounter, available_counters, nvml_counter, package_domains, rapl_counter
from bench.instruments.nvml import connect
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


@given(
    full=st.integers(1_000, 10**12),
    start=st.floats(0, 0.999),
    steps=st.lists(st.floats(0, 0.999), min_size=1, max_size=20),
)
def test_wrap_around_is_made_good(tmp_path_factory, full, start, steps):
    root = tmp_path_factory.mktemp("powercap")
    true = first = int(start * full)
    file = domain(root, "intel-rapl:0", "package-0", first, full) / "energy_uj"
    counter, last = rapl_counter(root), 0.0
    for step in steps:
        true += int(step * full)  # less than a full range between two reads
        file.write_text(str(true % full))
        joules = counter.read()
        assert joules >= last
        assert joules == pytest.approx((true - first) * 1e-6)
        last = joules


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
    assert [counter.name for counter in counters] == ["gpu", "cpu"]
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
