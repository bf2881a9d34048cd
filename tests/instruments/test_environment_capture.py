import json
from dataclasses import asdict, replace

import pytest
from fake_nvml import FakeGpu, FakeNvml

from bench.instruments import environment
from bench.instruments.gpu import decode_reasons
from bench.instruments.nvml import connect
from bench.record.schema import Case, Record, environment_from_json, from_json, to_json


@pytest.fixture(autouse=True)
def all_gpus_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def gpu():
    return FakeGpu(throttle=0x4 | 0x20, pids=[1, 2])


@pytest.fixture
def nvml(gpu):
    return connect(FakeNvml([gpu]))


def record(machine):
    case = Case("machine", "none", "none", "fp16", "cuda", 0)
    return Record("run", "ceiling", case, 0, "ok", machine, "2026-01-01T00:00:00Z", ("bench",))


def test_a_record_with_it_survives_json(nvml):
    now = environment.state(nvml=nvml)
    machine = replace(environment.capture(nvml=nvml), before=now, after=now)
    made = record(machine)
    assert from_json(json.loads(json.dumps(to_json(made), allow_nan=False))) == made
    assert environment_from_json(json.loads(json.dumps(asdict(machine)))) == machine


def test_gpu_facts_are_in_si(nvml):
    (gpu,) = environment.capture(nvml=nvml).gpus
    assert gpu["name"] == "NVIDIA H200"
    assert gpu["power_limit_w"] == 700.0
    assert gpu["clock_sm_max_hz"] == 1980e6
    assert gpu["cuda_driver"] == "12.8"
    assert gpu["compute_capability"] == "9.0"
    assert (gpu["ecc"], gpu["mig"]) == (True, False)
    assert "not_available" not in gpu


def test_what_a_driver_lacks_is_named_with_its_reason(gpu):
    nvml = connect(FakeNvml([gpu], unsupported=["nvmlDeviceGetMigMode", "nvmlDeviceGetPowerUsage"]))
    (facts,) = environment.capture(nvml=nvml).gpus
    assert "mig" not in facts
    assert "Not Supported" in facts["not_available"]["mig"]
    (now,) = environment.state(nvml=nvml)["gpus"]
    assert "power_w" not in now
    assert "Not Supported" in now["not_available"]["power_w"]


def test_gpu_state_decodes_the_mask_and_counts_strangers(nvml):
    (now,) = environment.state(nvml=nvml)["gpus"]
    assert now["throttle_mask"] == 0x24
    assert now["throttle_reasons"] == ["sw_power_cap", "sw_thermal_slowdown"]
    assert now["other_processes"] == 2
    assert now["utilisation"] == 0.25


def test_our_own_process_is_no_stranger(gpu, nvml, monkeypatch):
    import os

    gpu.pids = [os.getpid(), 1]
    assert environment.state(nvml=nvml)["gpus"][0]["other_processes"] == 1
    # In a container the driver gives the host's ids; our own context is then known from torch.
    gpu.pids = [111_111, 222_222]
    monkeypatch.setattr("bench.instruments.gpu._holds_cuda_context", lambda: True)
    assert environment.state(nvml=nvml)["gpus"][0]["other_processes"] == 1


def test_without_a_driver_there_is_a_reason_and_no_exception(monkeypatch):
    from bench.record.errors import MachineError

    def refuse():
        raise MachineError("no NVIDIA driver answers here")

    monkeypatch.setattr("bench.instruments.environment.connect", refuse)
    assert environment.capture().gpus == ()
    now = environment.state()
    assert now["gpus"] == []
    assert "no NVIDIA driver" in now["gpus_reason"]
    findings = environment.unfit(environment.capture(), now)
    assert "no-gpu" in {finding.code for finding in findings}


def test_state_of_a_folder_that_does_not_exist_yet(tmp_path, nvml):
    assert environment.state(tmp_path / "a/b/c", nvml)["disk_free_bytes"] > 0


def test_unknown_reason_bits_are_kept():
    assert decode_reasons(0) == []
    assert decode_reasons(0x1 | 0x10000) == ["gpu_idle", "0x10000"]
