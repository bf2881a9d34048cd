import pytest

from bench.instruments.fitness import unfit
from bench.record.schema import Environment

GIB = 1 << 30
GOOD_GPU = {
    "index": 0,
    "name": "NVIDIA H200",
    "temperature_slowdown_degc": 90,
    "ecc": True,
    "mig": False,
    "persistence": True,
}
GOOD_NOW = {"temperature_degc": 40, "throttle_mask": 0x1, "other_processes": 0, "utilisation": 0.9}


def findings(cpu=(), state=(), gpu=(), now=()):
    processor = {"usable_cores": 8, "governor": "performance", **dict(cpu)}
    machine = Environment("host", "os", "python", processor, ({**GOOD_GPU, **dict(gpu)},))
    good = {"busy_others_cores": 0.1, "load_average": [0.0, 0.0, 0.0], "swap_used_bytes": 0, "gpu_order_certain": True}
    good |= {"disk_free_bytes": 100 * GIB, "memory_available_bytes": 64 * GIB, "gpus": [{**GOOD_NOW, **dict(now)}]}
    return unfit(machine, {**good, **dict(state)})


def test_a_fit_machine_has_no_findings():
    assert findings() == ()


@pytest.mark.parametrize(
    ("part", "change", "code", "severity"),
    [
        ("state", {"busy_others_cores": 2.1}, "cpu-busy", "warning"),
        ("cpu", {"governor": "powersave"}, "cpu-governor", "warning"),
        ("state", {"swap_used_bytes": GIB}, "swap-in-use", "warning"),
        ("state", {"memory_available_bytes": GIB}, "low-memory", "warning"),
        ("state", {"disk_free_bytes": GIB}, "low-disk", "warning"),
        ("state", {"gpu_order_certain": False}, "gpu-order", "warning"),
        ("now", {"other_processes": 1}, "gpu-in-use", "warning"),
        ("now", {"throttle_mask": 0x4}, "gpu-throttled", "warning"),
        ("now", {"throttle_mask": 0x48}, "gpu-throttled", "warning"),
        ("now", {"temperature_degc": 86}, "gpu-hot", "warning"),
        ("gpu", {"mig": True}, "gpu-mig", "warning"),
        ("gpu", {"ecc": False}, "gpu-ecc-off", "info"),
        ("gpu", {"persistence": False}, "gpu-persistence-off", "info"),
    ],
)
def test_each_doubt_is_one_finding_with_a_remedy(part, change, code, severity):
    (finding,) = findings(**{part: change})
    assert (finding.code, finding.severity) == (code, severity)
    assert finding.remedy
    assert finding.message


def test_evidence_names_the_mask_and_the_load():
    assert findings(now={"throttle_mask": 0x21})[0].evidence == "NVML mask 0x21"
    busy = findings(state={"busy_others_cores": 4, "load_average": [3.5, 1, 1]})[0]
    assert "3.50" in busy.evidence


def test_nothing_known_raises_nothing_but_no_gpu():
    machine = Environment("host", "os", "python", {})
    assert [finding.code for finding in unfit(machine, {})] == ["no-gpu"]


def test_a_gpu_of_which_nothing_is_known_is_no_finding():
    assert unfit(Environment("h", "o", "p", {}, ({},)), {"gpus": [{}]}) == ()
