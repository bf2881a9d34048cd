"""What the operating system tells about the processor and the memory. Linux; anything missing is left out."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError

_CPU = Path("/sys/devices/system/cpu")
_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
# The instruction sets that decide which kernels torch, oneDNN and bitsandbytes choose.
_FLAGS = re.compile(r"avx|avx2|fma|f16c|amx_\w+|avx512\w*|avx_vnni|sse4_2|asimd\w*|sve\w*|bf16|i8mm")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read(path: Path) -> str | None:
    """A small file's text, or None if it is not there or may not be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def facts(cpu: Path = _CPU, proc: Path = _PROC, cgroup: Path = _CGROUP) -> dict[str, Any]:
    """Model, cores, caches in bytes, flags, governor and memory in bytes, by name. What is unknown is left out."""
    info = read(proc / "cpuinfo") or ""
    usable = sorted(os.sched_getaffinity(0))
    flags = _field(info, "flags") or _field(info, "Features") or ""
    known: dict[str, Any] = {
        "model": _field(info, "model name") or os.uname().machine,
        "logical_cores": os.cpu_count(),
        "usable_cores": len(usable),
        "quota_cores": quota_cores(cgroup),
        "sockets": len(set(re.findall(r"^physical id\s*:\s*(\d+)", info, re.MULTILINE))) or None,
        "flags": sorted(flag for flag in flags.split() if _FLAGS.fullmatch(flag)),
        "hypervisor": "hypervisor" in flags.split(),
        "governor": read(cpu / f"cpu{usable[0]}/cpufreq/scaling_governor"),
        "clock_max_hz": _khz(read(cpu / f"cpu{usable[0]}/cpufreq/cpuinfo_max_freq")),
        "memory_bytes": _meminfo(proc).get("MemTotal"),
        "memory_limit_bytes": memory_limit(cgroup),
        **caches(cpu / f"cpu{usable[0]}/cache"),
    }
    return {name: value for name, value in known.items() if value is not None}


def caches(folder: Path) -> dict[str, int]:
    """Bytes of each data cache that the first usable core sees: l1d_bytes, l2_bytes, l3_bytes."""
    found = {}
    for index in sorted(folder.glob("index*")):
        kind, level, size = (read(index / name) or "" for name in ("type", "level", "size"))
        match = re.fullmatch(r"(\d+)([KMG])?", size)
        if match and kind in ("Data", "Unified"):
            name = f"l{level}d_bytes" if kind == "Data" else f"l{level}_bytes"
            found[name] = int(match[1]) * _UNITS.get(match[2], 1)
    return found


def quota_cores(cgroup: Path = _CGROUP) -> float | None:
    """Cores' worth of time that the container may use (cgroup 2 or 1), or None without a limit."""
    both = (read(cgroup / "cpu.max") or "").split()
    quota, period = (
        both
        if len(both) == 2
        else (
            read(cgroup / "cpu/cpu.cfs_quota_us") or "",
            read(cgroup / "cpu/cpu.cfs_period_us") or "",
        )
    )
    if quota.isdigit() and period.isdigit() and int(period):
        return int(quota) / int(period)
    return None


def memory_limit(cgroup: Path = _CGROUP) -> int | None:
    """Bytes the container may use (cgroup 2 or 1), or None without a limit."""
    text = read(cgroup / "memory.max") or read(cgroup / "memory/memory.limit_in_bytes") or ""
    # cgroup 1 writes "no limit" as a number near 2^63.
    return int(text) if text.isdigit() and int(text) < 1 << 60 else None


def clock_hz(cpu: Path = _CPU, proc: Path = _PROC) -> float:
    """Mean clock of the usable cores in Hz.

    Raises MachineError in a virtual machine that hides it: /proc/cpuinfo then repeats a constant.
    """
    cores = sorted(os.sched_getaffinity(0))
    measured = [_khz(read(cpu / f"cpu{core}/cpufreq/scaling_cur_freq")) for core in cores]
    known = [value for value in measured if value is not None]
    if known:
        return sum(known) / len(known)
    info = read(proc / "cpuinfo") or ""
    if "aperfmperf" not in (_field(info, "flags") or "").split():
        raise MachineError("the CPU clock is not readable here (virtual machines hide it)")
    clocks = [float(value) * 1e6 for value in re.findall(r"^cpu MHz\s*:\s*([\d.]+)", info, re.MULTILINE)]
    if not clocks:
        raise MachineError("the CPU clock is not readable here")
    return sum(clocks) / len(clocks)


def temperature_degc(sys_class: Path = Path("/sys/class")) -> float | None:
    """The hottest CPU sensor, or None where none is readable."""
    zones = [zone / "temp" for zone in sys_class.glob("thermal/thermal_zone*") if "pkg" in (read(zone / "type") or "")]
    chips = [
        chip for chip in sys_class.glob("hwmon/hwmon*") if read(chip / "name") in ("coretemp", "k10temp", "zenpower")
    ]
    files = zones + [file for chip in chips for file in chip.glob("temp*_input")]
    values = [int(text) / 1000 for file in files if (text := read(file)) and text.lstrip("-").isdigit()]
    return max(values, default=None)


def memory(proc: Path = _PROC) -> dict[str, int]:
    """Available memory and used swap in bytes."""
    info = _meminfo(proc)
    known = {"memory_available_bytes": info.get("MemAvailable")}
    if "SwapTotal" in info and "SwapFree" in info:
        known["swap_used_bytes"] = info["SwapTotal"] - info["SwapFree"]
    return {name: value for name, value in known.items() if value is not None}


class OthersMeter:
    """How many of the usable cores other processes keep busy, on average since it was last asked.

    Load average cannot tell our own last Case from a stranger and lags by a minute; this can and does not.
    Asked again after a measurement it says how busy the machine was during it.
    """

    def __init__(self, proc: Path = _PROC, min_seconds: float = 0.2) -> None:
        self._proc, self._min_seconds = proc, min_seconds
        self._last: tuple[float, float] | None = None

    def cores(self, *, wait: bool = True) -> float | None:
        """Cores' worth of foreign work, or None where /proc/stat is not readable.

        Sleeps until there are ``min_seconds`` to average over, because the kernel counts in ticks of 10 ms; without
        ``wait`` None where there are fewer yet, and where it is asked for the first time.
        """
        last = self._last = self._last if self._last is not None else self._reading()
        if last is None:
            return None
        missing = last[0] + self._min_seconds - time.perf_counter()
        if missing > 0 and not wait:
            return None
        time.sleep(max(0.0, missing))
        self._last = self._reading()
        if self._last is None:
            return None
        return max(0.0, (self._last[1] - last[1]) / (self._last[0] - last[0]))

    def _reading(self) -> tuple[float, float] | None:
        """Now, and the seconds that were busy until now without this process and the children it waited for."""
        busy = _busy_seconds(os.sched_getaffinity(0), self._proc)
        own = os.times()
        ours = own.user + own.system + own.children_user + own.children_system
        return None if busy is None else (time.perf_counter(), busy - ours)


def _busy_seconds(cores: set[int], proc: Path) -> float | None:
    """Seconds that these cores did not idle since boot (proc(5), /proc/stat; guest time is within user time)."""
    rows = re.findall(r"^cpu(\d+) (.*)$", read(proc / "stat") or "", re.MULTILINE)
    ticks = 0
    for number, fields in rows:
        user, nice, system, _idle, _iowait, *rest = map(int, fields.split())
        if int(number) in cores:
            ticks += user + nice + system + sum(rest[:3])  # irq, softirq, steal
    return ticks / os.sysconf("SC_CLK_TCK") if rows else None


def _field(info: str, name: str) -> str | None:
    match = re.search(rf"^{name}\s*:\s*(.+)$", info, re.MULTILINE)
    return match[1].strip() if match else None


def _meminfo(proc: Path) -> dict[str, int]:
    rows = re.findall(r"^(\w+):\s+(\d+) kB$", read(proc / "meminfo") or "", re.MULTILINE)
    return {name: int(value) * 1024 for name, value in rows}


def _khz(text: str | None) -> float | None:
    return int(text) * 1e3 if text and text.isdigit() else None


# Where the size cannot be read: larger than on most machines, so that cold stays cold.
FALLBACK_BYTES = 64 << 20
_CPU0 = Path("/sys/devices/system/cpu/cpu0/cache")


def last_level_cache_bytes(device: str) -> int:
    """The GPU's L2 as CUDA reports it, or the CPU's largest cache."""
    if device == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).L2_cache_size) or FALLBACK_BYTES
    return max(caches(_CPU0).values(), default=FALLBACK_BYTES)
