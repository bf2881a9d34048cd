import pytest
from fake_nvml import FakeGpu, FakeNvml

from bench.instruments.energy_pass import measure_unused
from bench.instruments.nvml import connect


@pytest.fixture(autouse=True)
def _no_selection(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)


def test_the_unused_card_has_a_window_and_samples():
    card = FakeGpu(energy_mj=list(range(1_000_000, 2_000_000, 50)), pids=[1, 2])
    readings = measure_unused(0.05, connect(FakeNvml([card])))
    found = {metric.name: metric.values for metric in readings.metrics}
    assert set(found) == {
        "unused_time", "unused_energy_gpu", "unused_sample_time", "unused_gpu_other_processes",
    }  # fmt: skip
    assert found["unused_gpu_other_processes"][0] == 2
    assert found["unused_time"][0] >= 0.05 and found["unused_energy_gpu"][0] > 0


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        (FakeNvml([FakeGpu("NVIDIA A"), FakeGpu("NVIDIA B")]), "unlike GPUs"),
        (FakeNvml([FakeGpu(mig=1)]), "MIG is on"),
        (FakeNvml(unsupported=["nvmlDeviceGetTotalEnergyConsumption"]), "Not Supported"),
    ],
)
def test_where_it_cannot_be_had_the_reason_is_kept(fake, why):
    readings = measure_unused(0.05, connect(fake))
    assert readings.metrics == () and why in readings.not_collected["unused_energy_gpu"]
