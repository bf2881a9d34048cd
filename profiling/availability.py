"""What this machine allows: for each observer nothing, or the reason it cannot run and the remedy.

``probe`` looks at the machine; the functions that judge what it found are pure.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .readers.ncu_chatter import BUSY, NOT_PERMITTED, PERMISSION

# Bits of CapEff in /proc/self/status (linux/capability.h).
SYS_PTRACE, SYS_ADMIN, PERFMON = 19, 21, 38
_NSYS_REMEDY = "install Nsight Systems (Debian: nsight-systems from non-free) or use the Kineto timeline"
_PTRACE_REMEDY = "start the container with --cap-add SYS_PTRACE, or run as root"


@dataclass(frozen=True)
class NotCollected:
    """Why an observer cannot run here, and what to do about it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"not collected: {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class ProfilingTools:
    """What ``probe`` found. ``tools``: name → path, or None if absent. ``capabilities``: CapEff as a number.

    ``driver_parameters``: the text of /proc/driver/nvidia/params, None where there is no driver.
    ``ptrace_scope``: Yama's setting, None where the kernel has none.
    """

    tools: Mapping[str, str | None]
    gpu: bool
    driver_parameters: str | None
    capabilities: int
    ptrace_scope: int | None

    def may(self, capability: int) -> bool:
        return bool(self.capabilities >> capability & 1)


def probe(root: Path = Path("/")) -> ProfilingTools:
    """Look at this machine. ``root``: where /proc and /dev are (for tests)."""
    parameters = _text(root / "proc/driver/nvidia/params")
    status = _text(root / "proc/self/status") or ""
    capabilities = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    scope = (_text(root / "proc/sys/kernel/yama/ptrace_scope") or "").strip()
    return ProfilingTools(
        tools={name: find_tool(name) for name in ("ncu", "nsys", "py-spy")},
        gpu=any((root / "dev").glob("nvidia[0-9]*")),
        driver_parameters=parameters,
        capabilities=int(capabilities, 16),
        ptrace_scope=int(scope) if scope.isdecimal() else None,
    )


def find_tool(name: str) -> str | None:
    """The tool on the search path, or beside the running Python (a virtual environment that is not activated)."""
    of_python = Path(sys.executable).parent / name
    return shutil.which(name) or (str(of_python) if os.access(of_python, os.X_OK) else None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def no_ncu(machine: ProfilingTools) -> NotCollected | None:
    """Why hardware counters cannot be collected; None if nothing speaks against it."""
    if not machine.gpu:
        return NotCollected("no NVIDIA GPU", "run on a machine with one; in a container pass --gpus all")
    if machine.tools.get("ncu") is None:
        return NotCollected("ncu was not found", "install Nsight Compute, or put its folder on PATH")
    if not counters_permitted(machine):
        return _split(NOT_PERMITTED)
    return None


def counters_permitted(machine: ProfilingTools) -> bool:
    """False where the driver admits administrators only and this process is not one.

    CAP_PERFMON is enough for drivers from R565 on, so it is given the benefit of the doubt.
    """
    restricted = "RmProfilingAdminOnly: 1" in (machine.driver_parameters or "")
    return not restricted or machine.may(SYS_ADMIN) or machine.may(PERFMON)


def no_nsys(machine: ProfilingTools) -> NotCollected | None:
    """Why nsys cannot run. It needs no GPU: without one it records NVTX ranges."""
    return None if machine.tools.get("nsys") else NotCollected("nsys was not found", _NSYS_REMEDY)


def no_py_spy(machine: ProfilingTools) -> NotCollected | None:
    """Why py-spy cannot read another process. It starts that process itself, which Yama's scope 1 allows."""
    if machine.tools.get("py-spy") is None:
        return NotCollected("py-spy was not found", "run 'pip install py-spy'")
    scope = machine.ptrace_scope or 0
    if scope >= 3:
        return NotCollected(
            "the kernel forbids tracing (ptrace_scope 3)", "start the machine with kernel.yama.ptrace_scope=1"
        )
    if scope == 2 and not machine.may(SYS_PTRACE):
        return NotCollected("tracing is for administrators (ptrace_scope 2)", _PTRACE_REMEDY)
    return None


def ncu_refusal(output: str) -> NotCollected | None:
    """The refusal in ncu's own output, where it started and then could not collect."""
    if PERMISSION in output:
        return _split(NOT_PERMITTED)
    return _split(BUSY) if "driver resource was unavailable" in output else None


def py_spy_refusal(output: str) -> NotCollected | None:
    """The refusal in py-spy's own output."""
    refused = ("permission denied", "operation not permitted")
    if any(text in output.lower() for text in refused):
        return NotCollected("py-spy may not trace other processes here", _PTRACE_REMEDY)
    return None


def _split(text: str) -> NotCollected:
    reason, _, remedy = text.partition(": ")
    return NotCollected(reason, remedy)
