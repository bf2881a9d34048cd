"""Can a GPU be measured: the driver, torch's and bitsandbytes' builds, the energy counter, nvidia-smi."""

from __future__ import annotations

import re
from pathlib import Path

from bench.instruments.counters import nvml_counter
from bench.instruments.gpu import facts
from bench.record.errors import MachineError
from bench.record.metrics import JOULES_PER_KWH

from .check import Check, Machine

_DRIVER_REMEDY = "install the NVIDIA driver on the host, and start the container with --gpus all"
_TORCH_REMEDY = "install a CUDA build of torch that your driver can run (on Linux x86-64, PyPI's own torch is one)"


def driver(machine: Machine) -> Check:
    """The GPUs that CUDA programs can see, and the driver."""
    try:
        nvml = machine.nvml()
        gpus = [facts(nvml, handle) for handle in nvml.visible(machine.environ)]
    except MachineError as error:
        return Check("GPU and driver", "missing", str(error), _DRIVER_REMEDY)
    if not gpus:
        return Check("GPU and driver", "missing", "no GPU is visible", "unset CUDA_VISIBLE_DEVICES, or set it to a GPU")
    names = ", ".join(f"{gpu.get('name')} (sm {gpu.get('compute_capability')})" for gpu in gpus)
    detail = f"{names}; driver {gpus[0].get('driver')}, CUDA up to {gpus[0].get('cuda_driver')}"
    if any(gpu.get("mig") for gpu in gpus):
        return Check("GPU and driver", "limited", f"{detail}; MIG is on", "measure on a GPU with MIG off")
    return Check("GPU and driver", "ok", detail)


def torch_build(machine: Machine) -> Check:
    """The CUDA that torch was built for, beside what the driver offers; torch itself is not imported."""
    name, version = "torch for CUDA", machine.version("torch")
    if version is None:
        return Check(name, "missing", "torch is not installed", "make setup")
    cuda = torch_cuda(machine)
    if cuda is None:
        remedy = _TORCH_REMEDY if _has_gpu(machine) else f"with a GPU: {_TORCH_REMEDY}"
        return Check(name, "limited", f"torch {version} is a CPU build: CPU figures only", remedy)
    offered = _driver_cuda(machine)
    # Within a major version an older driver runs newer builds (CUDA minor-version compatibility).
    if offered is not None and offered < int(cuda.split(".")[0]):
        return Check(name, "limited", f"torch {version} needs CUDA {cuda}; the driver ends at {offered}", _TORCH_REMEDY)
    return Check(name, "ok", f"torch {version}, built for CUDA {cuda}")


def torch_cuda(machine: Machine) -> str | None:
    """ "13.0" for a CUDA build, None for a CPU build or no torch: read from torch/version.py as text."""
    folder = machine.folder("torch")
    try:
        text = (folder / "version.py").read_text() if folder else ""
    except OSError:
        return None
    match = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return match[1] if match else None


def bitsandbytes_build(machine: Machine) -> Check:
    """Whether bitsandbytes holds a library for torch's CUDA. Its own rule: same major version, else nothing."""
    name, version, folder = "bitsandbytes", machine.version("bitsandbytes"), machine.folder("bitsandbytes")
    if version is None or folder is None:
        return Check(name, "missing", "bitsandbytes is not installed: no int8, fp4 or nf4", "make setup")
    cuda = torch_cuda(machine)
    if cuda is None:
        return _cpu_library(name, version, folder)
    known = _cuda_libraries(folder)
    override = machine.environ.get("BNB_CUDA_VERSION")
    if override is not None:
        return _overridden(name, version, override, known)
    same = [library for library in known if library[0] == int(cuda.split(".")[0])]
    if not same:
        remedy = "install a bitsandbytes that has it, or a torch for a CUDA it has"
        return Check(name, "missing", f"{version} has no library for CUDA {cuda}", remedy)
    return Check(name, "ok", f"{version} with a library for CUDA {cuda.split('.')[0]}")


def _cpu_library(name: str, version: str, folder: Path) -> Check:
    if (folder / "libbitsandbytes_cpu.so").exists():
        return Check(name, "ok", f"{version} with its CPU library")
    return Check(name, "limited", f"{version} without its CPU library: slow fallbacks only", "reinstall bitsandbytes")


def _cuda_libraries(folder: Path) -> list[tuple[int, int]]:
    names = [file.name for file in folder.glob("libbitsandbytes_cuda*.so")]
    numbers = [match[1] for name in names if (match := re.fullmatch(r"libbitsandbytes_cuda(\d{3,})\.so", name))]
    return [(int(number[:-1]), int(number[-1])) for number in numbers]


def _overridden(name: str, version: str, override: str, known: list[tuple[int, int]]) -> Check:
    if override in {f"{major}{minor}" for major, minor in known}:
        return Check(name, "ok", f"{version}; BNB_CUDA_VERSION={override} chooses its library")
    return Check(name, "missing", f"BNB_CUDA_VERSION={override} names a library it lacks", "unset BNB_CUDA_VERSION")


def energy_counter(machine: Machine) -> Check:
    """NVML's total-energy counter."""
    try:
        counter = nvml_counter(machine.nvml())
        return Check(
            "GPU energy counter", "ok", f"NVML, {counter.read() / JOULES_PER_KWH:.1f} kWh since the driver loaded"
        )
    except MachineError as error:
        return Check("GPU energy counter", "missing", str(error), "needs a Volta or newer GPU, whole (no MIG slice)")


def nvidia_smi(machine: Machine) -> Check:
    """CodeCarbon counts a GPU only if this program runs."""
    if machine.program("nvidia-smi"):
        return Check("nvidia-smi", "ok", "on the PATH (CodeCarbon needs it to see the GPU)")
    remedy = "put it on the PATH; in a container ask for the 'utility' driver capability"
    return Check("nvidia-smi", "missing", "not on the PATH: CodeCarbon will see no GPU", remedy)


def _has_gpu(machine: Machine) -> bool:
    try:
        return bool(machine.nvml().visible(machine.environ))
    except MachineError:
        return False


def _driver_cuda(machine: Machine) -> int | None:
    try:
        return int(machine.nvml().call("nvmlSystemGetCudaDriverVersion")) // 1000
    except MachineError:
        return None
