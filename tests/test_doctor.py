import json
import time
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.doctor import Check, Machine, diagnose, host, profilers
from bench.doctor import gpu as gpu_checks
from bench.instruments.nvml import Nvml
from bench.record.errors import MachineError
from bench.report.check_tables import print_checks
from benchmarks import first_report


class NvmlError(Exception):
    pass


def nvml(cuda=13000):
    """A driver with one GPU that answers a few questions and refuses all others."""
    known = {
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: "handle",
        "nvmlDeviceGetName": lambda _: "NVIDIA H200",
        "nvmlDeviceGetCudaComputeCapability": lambda _: (9, 0),
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlSystemGetCudaDriverVersion": lambda: cuda,
        "nvmlDeviceGetTotalEnergyConsumption": lambda _: 3_600_000_000,
    }
    constants = {"NVML_CLOCK_SM": 1, "NVML_CLOCK_MEM": 2, "NVML_TEMPERATURE_GPU": 0}
    return Nvml(SimpleNamespace(NVMLError=NvmlError, **known, **constants, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN=1))


def no_nvml():
    raise MachineError("no NVIDIA driver answers here")


@dataclass
class Fake:
    """The parts of a machine that a test sets; ``machine`` puts them behind the doctor's windows."""

    root: object
    versions: dict = field(default_factory=dict)
    programs: dict = field(default_factory=dict)
    environ: dict = field(default_factory=dict)
    nvml: object = no_nvml

    def file(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def machine(self):
        def folder(name):
            path = self.root / "packages" / name
            return path if path.exists() else None

        def run(command):
            answer = self.programs[command[0]]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return Machine(
            proc=self.root / "proc",
            powercap=self.root / "powercap",
            environ=self.environ,
            nvml=self.nvml,
            version=self.versions.get,
            folder=folder,
            program=lambda name: name if name in self.programs else None,
            run=run,
        )


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Fake(tmp_path)


def capabilities(fake, *bits):
    fake.file("proc/self/status", f"CapEff:\t{sum(1 << bit for bit in bits):016x}\n")


def params(fake, admin_only, branch=570):
    fake.file("proc/driver/nvidia/params", f"Mobile: 1\nRmProfilingAdminOnly: {admin_only}\n")
    version = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {branch}.86.15  Thu Jan  1\n"
    fake.file("proc/driver/nvidia/version", version)


@pytest.mark.parametrize(
    ("admin_only", "bits", "branch", "status"),
    [
        (0, (), 535, "ok"),
        (1, (), 570, "limited"),
        (1, (21,), 535, "ok"),
        (1, (38,), 570, "ok"),
        (1, (38,), 550, "limited"),
    ],
)
def test_counters_permission(fake, admin_only, bits, branch, status):
    params(fake, admin_only, branch)
    capabilities(fake, *bits)
    check = profilers.counters(fake.machine())
    assert check.status == status
    assert bool(check.remedy) is (status != "ok")


def test_counters_without_a_driver_or_proc(fake):
    assert profilers.counters(fake.machine()).status == "missing"


def build(fake, cuda, libraries=("cpu",)):
    fake.versions |= {"torch": "2.13.0", "bitsandbytes": "0.50.2"}
    fake.file("packages/torch/version.py", f"from typing import Optional\ncuda: Optional[str] = {cuda!r}\nhip = None\n")
    for library in libraries:
        fake.file(f"packages/bitsandbytes/libbitsandbytes_{library}.so", "")


@pytest.mark.parametrize(
    ("cuda", "driver", "status"),
    [("13.0", 13000, "ok"), ("12.8", 13000, "ok"), ("13.2", 13000, "ok"), ("13.0", 12080, "limited")],
)
def test_torch_build_against_the_driver(fake, cuda, driver, status):
    build(fake, cuda)
    fake.nvml = lambda: nvml(driver)
    assert gpu_checks.torch_build(fake.machine()).status == status


def test_a_cpu_build_of_torch_is_limited_and_none_is_missing(fake):
    assert gpu_checks.torch_build(fake.machine()).status == "missing"
    build(fake, None)
    assert gpu_checks.torch_build(fake.machine()).status == "limited"


@pytest.mark.parametrize(
    ("cuda", "libraries", "override", "status"),
    [
        (None, ("cpu",), None, "ok"),
        (None, ("cuda130",), None, "limited"),
        ("13.0", ("cuda130",), None, "ok"),
        ("13.9", ("cuda130",), None, "ok"),
        ("13.0", ("cuda128", "cpu"), None, "missing"),
        ("13.0", ("cuda128",), "128", "ok"),
        ("13.0", ("cuda130",), "128", "missing"),
    ],
)
def test_bitsandbytes_library_for_torchs_cuda(fake, cuda, libraries, override, status):
    build(fake, cuda, libraries)
    if override:
        fake.environ["BNB_CUDA_VERSION"] = override
    assert gpu_checks.bitsandbytes_build(fake.machine()).status == status


def test_driver_and_energy_counter(fake):
    assert gpu_checks.driver(fake.machine()).status == "missing"
    assert gpu_checks.energy_counter(fake.machine()).status == "missing"
    fake.nvml = nvml
    assert "NVIDIA H200 (sm 9.0); driver 580.1, CUDA up to 13.0" in gpu_checks.driver(fake.machine()).detail
    assert "1.0 kWh" in gpu_checks.energy_counter(fake.machine()).detail
    fake.environ["CUDA_VISIBLE_DEVICES"] = ""
    assert "CUDA_VISIBLE_DEVICES" in gpu_checks.driver(fake.machine()).remedy


@pytest.mark.parametrize(
    ("nsys", "package", "status"),
    [
        ("NVIDIA Nsight Systems version 2022.4.2.50-32196742v0", "0.2.17", "limited"),
        ("NVIDIA Nsight Systems version 2023.4.1", "0.2.12", "limited"),
        ("NVIDIA Nsight Systems version 2023.4.1", "0.2.11", "ok"),
        ("NVIDIA Nsight Systems version 2025.1.1", "0.2.17", "ok"),
        (None, "0.2.17", "ok"),
        (None, None, "missing"),
    ],
)
def test_nvtx_version_trap(fake, nsys, package, status):
    fake.programs |= {"nsys": nsys} if nsys else {}
    fake.versions |= {"nvtx": package} if package else {}
    assert profilers.nvtx(fake.machine()).status == status


def test_tools_give_their_version_or_what_is_lost(fake):
    assert "no hardware counters" in profilers.ncu(fake.machine()).detail
    fake.programs["ncu"] = "NVIDIA (R) Nsight Compute\nVersion 2025.2.0.0 (build 1)\n"
    assert profilers.ncu(fake.machine()).detail == "ncu 2025.2.0.0"
    fake.programs["nsys"] = OSError("Exec format error")
    assert profilers.nsys(fake.machine()).status == "limited"


@pytest.mark.parametrize(
    ("scope", "bits", "status"),
    [(None, (), "ok"), ("1", (), "ok"), ("2", (), "limited"), ("3", (19,), "ok")],
)
def test_py_spy_permission(fake, scope, bits, status):
    fake.versions["py-spy"], fake.programs["py-spy"] = "0.4.1", ""
    capabilities(fake, *bits)
    if scope is not None:
        fake.file("proc/sys/kernel/yama/ptrace_scope", f"{scope}\n")
    assert profilers.py_spy(fake.machine()).status == status


def test_rapl_and_codecarbon(fake):
    fake.versions["codecarbon"] = "3.3.2"
    assert host.rapl(fake.machine()).status == "missing"
    assert host.codecarbon(fake.machine()).status == "limited"
    for name, text in (("name", "package-0"), ("energy_uj", "1"), ("max_energy_range_uj", "99")):
        fake.file(f"powercap/intel-rapl:0/{name}", text)
    assert host.rapl(fake.machine()).status == "ok"
    assert host.codecarbon(fake.machine()).status == "ok"


@pytest.mark.parametrize(("gib", "status"), [(1.5, "limited"), (2.5, "ok")])
def test_the_memory_that_smoke_wants_is_what_the_first_report_took_and_a_reserve(fake, monkeypatch, gib, status):
    """A laptop of 4 GB is told nothing."""
    fake.file("proc/meminfo", f"MemAvailable: {round(gib * 2**20)} kB\n")
    monkeypatch.setattr(host.cpu, "memory_limit", lambda: None)
    assert host.memory(fake.machine()).status == status
    took = first_report.recorded()
    assert took["peak_bytes"] < host._SMOKE_MEMORY < 2 * first_report.GOAL_BYTES


def test_hub_is_not_asked_when_offline(fake, monkeypatch):
    monkeypatch.setattr(host, "reach", lambda *_: pytest.fail("asked the network"))
    fake.environ["HF_HUB_OFFLINE"] = "1"
    assert host.hub(fake.machine()).status == "limited"


def test_hub_answers_or_not(fake, monkeypatch):
    asked = []
    monkeypatch.setattr(host, "reach", lambda address, _: asked.append(address) or "")
    fake.environ["HF_ENDPOINT"] = "https://mirror.example"
    assert host.hub(fake.machine()).status == "ok"
    assert asked == ["https://mirror.example"]
    monkeypatch.setattr(host, "reach", lambda *_: "Name or service not known")
    check = host.hub(fake.machine())
    assert (check.status, bool(check.remedy)) == ("missing", True)


def test_a_hub_that_hangs_is_left(monkeypatch):
    monkeypatch.setattr(host, "_ask", lambda *_: time.sleep(30))
    assert host.reach("https://example.org", 0.01) == "no answer in time"


def test_only_web_addresses_are_asked():
    assert host.reach("file:///etc/passwd", 1.0) == "not a web address"


def test_disk_of_a_folder_to_be_made(tmp_path, monkeypatch):
    assert host.disk(tmp_path / "not" / "yet").status == "ok"
    monkeypatch.setattr(host.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 30))
    assert host.disk(tmp_path).status == "limited"
    monkeypatch.setattr(host.os, "access", lambda *_: False)
    assert host.disk(tmp_path).status == "missing"


def test_a_bare_machine_gives_every_check_with_a_remedy(fake, tmp_path):
    fake.environ["HF_HUB_OFFLINE"] = "1"
    checks = diagnose(tmp_path, fake.machine())
    assert len({check.name for check in checks}) == len(checks) == 16
    assert all(check.remedy and "\n" not in check.remedy for check in checks if check.status != "ok")
    assert all(check.detail for check in checks)
    json.dumps([asdict(check) for check in checks])


def test_a_check_that_breaks_hides_no_other(fake, tmp_path):
    fake.environ["HF_HUB_OFFLINE"] = "1"
    fake.nvml = lambda: 1 / 0
    checks = diagnose(tmp_path, fake.machine())
    broken = [check for check in checks if "ZeroDivisionError" in check.detail]
    assert broken
    assert len(checks) == 16


def test_the_table_is_readable_in_80_columns(capsys):
    checks = [Check("GPU and driver", "missing", "none " * 30, "install [brackets] it"), Check("Disk", "ok", "9 GiB")]
    console = Console(width=80, force_terminal=False, color_system=None)
    print_checks(checks, console)
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "→ install [brackets] it" in text
    assert "1 ok, 1 missing" in text


def test_the_doctor_needs_no_heavy_package():
    import subprocess
    import sys

    code = (
        "import sys\nfor name in ('torch', 'transformers', 'bitsandbytes', 'pynvml', 'codecarbon'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\nimport bench.report.check_tables\nfrom bench.doctor import Machine, diagnose\n"
        "machine = Machine(environ={'HF_HUB_OFFLINE': '1'})\nassert len(diagnose(Path('.'), machine)) == 16\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
