"""The machine a record was made on: what stays (``capture``) and what changes (``state``). Nothing here raises:
a part that cannot be read is left out, with its reason where there is a place for it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import Environment
from bench.record.secrets import is_secret_name, mask_text

from . import cpu, gpu
from .fitness import during, unfit
from .nvml import Nvml, connect

__all__ = ["capture", "during", "state", "unfit"]

# Remembers the last reading, so that a later state covers all the time between.
_OTHERS = cpu.OthersMeter()
_PACKAGES = frozenset(
    (
        *("accelerate", "bitledger", "bitsandbytes", "codecarbon", "evalplus", "hqq", "mkl", "ncu-report", "numpy"),
        *("nvidia-ml-py", "nvtx", "optimum-quanto", "py-spy", "safetensors", "tokenizers", "torch", "torchao"),
        *("transformers", "triton"),
    )
)
# An allow-list, because the environment of a job also holds tokens and passwords.
_VARIABLES = re.compile(
    "|".join(
        (
            r"(OMP|MKL|OPENBLAS|NUMEXPR|TORCH)_NUM_THREADS|TORCH_NUM_INTEROP_THREADS",
            r"OMP_(PROC_BIND|PLACES|SCHEDULE|WAIT_POLICY|DYNAMIC)|KMP_(AFFINITY|BLOCKTIME)|GOMP_CPU_AFFINITY",
            r"MKL_(DYNAMIC|ENABLE_INSTRUCTIONS|DEBUG_CPU_TYPE)|ONEDNN_MAX_CPU_ISA|DNNL_MAX_CPU_ISA|ONEDNN_VERBOSE",
            r"ATEN_CPU_CAPABILITY|OPENBLAS_CORETYPE|MALLOC_ARENA_MAX|LD_PRELOAD|GLIBC_TUNABLES",
            r"CUDA_(VISIBLE_DEVICES|DEVICE_ORDER|LAUNCH_BLOCKING|MODULE_LOADING|DEVICE_MAX_CONNECTIONS|CACHE_DISABLE)",
            r"CUBLAS_WORKSPACE_CONFIG|CUBLASLT_WORKSPACE_SIZE|NVIDIA_TF32_OVERRIDE|NVIDIA_VISIBLE_DEVICES",
            r"PYTORCH_(ALLOC_CONF|CUDA_ALLOC_CONF|NVML_BASED_CUDA_CHECK|JIT)|TORCH_(COMPILE_DISABLE|CUDNN_\w+)",
            r"TORCH_(ALLOW_TF32_CUBLAS_OVERRIDE|BLAS_PREFER_CUBLASLT|SHOW_DISPATCH_TRACE)|TORCHDYNAMO_DISABLE",
            r"BNB_\w+|BITSANDBYTES_NOWELCOME|TEARDOWN_CUPTI|DISABLE_CUPTI_LAZY_REINIT",
            r"SLURMD_NODENAME|SLURM_(JOB_ID|ARRAY_JOB_ID|ARRAY_TASK_ID|RESTART_COUNT|JOB_PARTITION|CLUSTER_NAME)",
            r"SLURM_(CPUS_PER_TASK|JOB_GPUS|STEP_GPUS|CPU_BIND)",
            r"HF_HUB_OFFLINE|TRANSFORMERS_OFFLINE|TOKENIZERS_PARALLELISM|PYTHONHASHSEED|PYTHONOPTIMIZE|PYTHONMALLOC",
            r"NSYS_\w*SESSION\w*|CUDA_INJECTION64_PATH|NVTX_INJECTION64_PATH|BITLEDGER_IMAGE_DIGEST",
        )
    )
)
_GIT_SECONDS = 5


def capture(repository: Path | None = None, nvml: Nvml | None = None) -> Environment:
    """All that does not change during a run. ``before`` and ``after`` are left empty: fill them from ``state``."""
    return Environment(
        hostname=socket.gethostname(),
        os=_os_name(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        cpu=cpu.facts(),
        gpus=_gpus(nvml),
        packages=packages(),
        source=source(repository),
        variables=variables(),
    )


def state(folder: Path = Path(), nvml: Nvml | None = None, *, wait: bool = True) -> dict[str, Any]:
    """The machine now: load, memory, clock, temperature, free bytes of ``folder``'s disk, and each GPU.

    "busy_others_cores" is the mean since the last call. The first call of a process sleeps 0.2 s for it; without
    ``wait`` it has none, and neither has another call so soon.
    Without a GPU "gpus" is empty and "gpus_reason" says why.
    """
    now: dict[str, Any] = {
        "load_average": _load_average(),
        "busy_others_cores": _OTHERS.cores(wait=wait),
        "cpu_temperature_degc": cpu.temperature_degc(),
        "disk_free_bytes": _disk_free(folder),
        **cpu.memory(),
    }
    now = {name: value for name, value in now.items() if value is not None}
    try:
        now["cpu_clock_hz"] = cpu.clock_hz()
    except MachineError as error:
        now["cpu_clock_reason"] = str(error)
    return now | _gpu_states(nvml)


def _gpus(nvml: Nvml | None) -> tuple[dict[str, Any], ...]:
    try:
        nvml = nvml or connect()
        return tuple(gpu.facts(nvml, handle) for handle in nvml.visible())
    except MachineError:
        return ()  # state() has room for the reason


def _gpu_states(nvml: Nvml | None) -> dict[str, Any]:
    try:
        nvml = nvml or connect()
        gpus = [gpu.state(nvml, handle) for handle in nvml.visible()]
        certain = nvml.order_is_certain()
    except MachineError as error:
        return {"gpus": [], "gpus_reason": str(error)}
    return {"gpus": gpus, "gpu_order_certain": certain} | (
        {} if gpus else {"gpus_reason": "CUDA_VISIBLE_DEVICES leaves no GPU"}
    )


def _load_average() -> list[float] | None:
    try:
        return list(os.getloadavg())
    except OSError:
        return None


def _os_name() -> str:
    try:
        pretty = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        pretty = ""
    return f"{pretty or platform.system()}, kernel {platform.release()}"


def _disk_free(folder: Path) -> int | None:
    # The run folder may not exist yet: its nearest existing parent is on the same disk.
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def packages() -> dict[str, str]:
    """Versions of the installed packages that bear on a measurement, without importing them."""
    found = {}
    for package in distributions():
        name = re.sub(r"[-_.]+", "-", str(package.metadata["Name"] or "")).lower()
        if name in _PACKAGES or name.startswith("nvidia-"):
            found[name] = package.version
    return dict(sorted(found.items()))


def variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The known variables that are set and change speed or what is measured; never any other, and no credentials."""
    environ = os.environ if environ is None else environ
    known = (name for name in sorted(environ) if _VARIABLES.fullmatch(name) and not is_secret_name(name))
    return {name: mask_text(environ[name], environ) for name in known}


def source(repository: Path | None = None, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The commit of ``repository`` (default: where this file is) and whether it was changed since, and the
    container image's digest. In an image or a bundle, which hold no git checkout, the commit is the one that they were
    made from. What is unknown has a reason instead: commit_reason, image_reason."""
    environ = os.environ if environ is None else environ
    digest = environ.get("BITLEDGER_IMAGE_DIGEST", "")
    image = {"image_digest": digest} if digest else {"image_reason": "BITLEDGER_IMAGE_DIGEST is not set"}
    repository = repository or Path(__file__).resolve().parents[2]
    known = _commit(repository)
    return (known if "commit" in known else _built_from(environ) or bundled_commit(repository) or known) | image


def _built_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the Dockerfile's GIT_COMMIT said, in the form of "git describe --dirty"; nothing where that is no commit."""
    commit = environ.get("BITLEDGER_COMMIT", "")
    match = re.fullmatch(r"([0-9a-f]{40})(-dirty)?", commit)
    return {"commit": match[1], "dirty": bool(match[2]), "commit_from": "the image"} if match else {}


def _commit(repository: Path) -> dict[str, Any]:
    try:
        # A commit of some surrounding repository would be a false statement about this code.
        if Path(_git(repository, "rev-parse", "--show-toplevel")).resolve() != repository.resolve():
            return {"commit_reason": "this code is not the top of a git checkout"}
        commit = _git(repository, "rev-parse", "HEAD")
        # Records and reports written by a run are not changes of the code.
        changes = _git(repository, "status", "--porcelain", "--", ".", ":(exclude)reports")
    except FileNotFoundError:
        return {"commit_reason": "git is not installed"}
    except (OSError, subprocess.SubprocessError) as error:
        return {"commit_reason": f"git does not answer: {_reason(error)}"}
    return {"commit": commit, "dirty": bool(changes)}


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "--no-optional-locks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
    return done.stdout.strip()


def _reason(error: Exception) -> str:
    words = str(getattr(error, "stderr", "") or error).strip()
    # git's first line names the folder of this machine: what went wrong is enough.
    return re.sub(r"\(?'?/[^\s')]*'?\)?", "…", words.splitlines()[0]) if words else type(error).__name__


_MANIFEST = "bundle/manifest.json"
# Wheels are not the source, and runs are what it writes.
_NOT_SOURCE = ("bundle/", "reports/")


def bundled_commit(repository: Path) -> dict[str, Any]:
    """{"commit", "dirty", "commit_from"} by the bundle's manifest; nothing where there is none that names a commit."""
    try:
        manifest = json.loads((repository / _MANIFEST).read_text())
        commit, files = str(manifest["commit"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    source = {name: digest for name, digest in files.items() if not name.startswith(_NOT_SOURCE)}
    dirty = any(_sha256(repository / name) != digest for name, digest in source.items())
    return {"commit": commit, "dirty": dirty, "commit_from": "the bundle"}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
