"""Can it be profiled: counters, Nsight Compute, Nsight Systems, NVTX, py-spy."""

from __future__ import annotations

import re
import subprocess

from .check import Check, Machine

# Bits of capabilities(7).
_SYS_PTRACE, _SYS_ADMIN, _PERFMON = 19, 21, 38
# Drivers from this branch on take CAP_PERFMON in place of CAP_SYS_ADMIN.
_PERFMON_DRIVER = 565
# Nsight Systems up to this year record no ranges of nvtx packages newer than this version.
_OLD_NSYS_YEAR, _LAST_OLD_NVTX = 2023, (0, 2, 11)


def counters(machine: Machine) -> Check:
    """Whether the driver lets this process read the GPU's performance counters."""
    name, text = "GPU counters", machine.text("driver/nvidia/params")
    if not text:
        return Check(name, "missing", "no NVIDIA driver (/proc/driver/nvidia/params)", "needs a GPU and its driver")
    match = re.search(r"^RmProfilingAdminOnly:\s*(\d+)", text, re.MULTILINE)
    if match and match[1] == "0":
        return Check(name, "ok", "the driver gives them to every user")
    if machine.capability(_SYS_ADMIN):
        return Check(name, "ok", "for administrators only, and this process is one (CAP_SYS_ADMIN)")
    if machine.capability(_PERFMON) and _driver_branch(machine) >= _PERFMON_DRIVER:
        return Check(name, "ok", "for administrators only, and this process may (CAP_PERFMON)")
    remedy = "host: NVreg_RestrictProfilingToAdminUsers=0 for module nvidia; or container: --cap-add SYS_ADMIN"
    return Check(name, "limited", "not permitted (ERR_NVGPUCTRPERM): no cache hit rates", remedy)


def _driver_branch(machine: Machine) -> int:
    match = re.search(r"Kernel Module.*?\s(\d{3,})\.\d+", machine.text("driver/nvidia/version"))
    return int(match[1]) if match else 0


def ncu(machine: Machine) -> Check:
    """Nsight Compute's command line."""
    return _tool(machine, "Nsight Compute", "ncu", "no hardware counters", "install nsight-compute (CUDA toolkit)")


def nsys(machine: Machine) -> Check:
    """Nsight Systems' command line."""
    lost = "timelines by torch.profiler only"
    return _tool(machine, "Nsight Systems", "nsys", lost, "install nsight-systems (NVIDIA's apt repository)")


def _tool(machine: Machine, name: str, program: str, lost: str, remedy: str) -> Check:
    path = machine.program(program)
    if path is None:
        return Check(name, "missing", f"{program} is not on the PATH: {lost}", remedy)
    try:
        version = _version(machine.run([path, "--version"]))
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, "limited", f"{program} is there but does not run ({type(error).__name__})", remedy)
    return Check(name, "ok", f"{program} {version}")


def _version(text: str) -> str:
    match = re.search(r"\d+(\.\d+)+", text)
    return match[0] if match else "of unknown version"


def nvtx(machine: Machine) -> Check:
    """The nvtx package, and the trap of one too new for the nsys here."""
    version = machine.version("nvtx")
    if version is None:
        return Check("NVTX", "missing", "package nvtx is not installed: no named ranges", "make setup")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    year = _nsys_year(machine)
    if year is not None and year <= _OLD_NSYS_YEAR and numbers > _LAST_OLD_NVTX:
        detail = f"nvtx {version} with nsys of {year}: its ranges do not arrive"
        return Check("NVTX", "limited", detail, "pip install 'nvtx<=0.2.11', or install a newer nsys")
    return Check("NVTX", "ok", f"nvtx {version}")


def _nsys_year(machine: Machine) -> int | None:
    path = machine.program("nsys")
    if path is None:
        return None
    try:
        match = re.match(r"20\d\d", _version(machine.run([path, "--version"])))
    except (OSError, subprocess.SubprocessError):
        return None
    return int(match[0]) if match else None


def py_spy(machine: Machine) -> Check:
    """py-spy, and whether it may look into another process (ptrace(2), "Yama")."""
    version = machine.version("py-spy")
    if version is None or machine.program("py-spy") is None:
        return Check("py-spy", "missing", "not installed: no host call stacks", "make setup")
    if machine.capability(_SYS_PTRACE):
        return Check("py-spy", "ok", f"py-spy {version}; may attach to any process")
    scope = machine.text("sys/kernel/yama/ptrace_scope").strip() or "0"
    if scope in ("0", "1"):
        whom = "any process of this user" if scope == "0" else "processes that it starts itself, as the profile does"
        return Check("py-spy", "ok", f"py-spy {version}; may look into {whom}")
    remedy = "container: --cap-add SYS_PTRACE; host: sudo sysctl kernel.yama.ptrace_scope=1"
    return Check("py-spy", "limited", f"py-spy {version}, but ptrace is forbidden (scope {scope})", remedy)
