"""What the host offers: cores, memory, CPU energy, CodeCarbon, disk, and the Hugging Face hub."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

from bench.instruments import cpu
from bench.instruments.counters import rapl_counter
from bench.record.errors import MachineError

from .check import Check, Machine

HUB_SECONDS = 2.0
# What all processes of the smoke preset take together is in docs/performance.md; and a reserve.
_SMOKE_MEMORY, _TRACE_DISK = 2 << 30, 5 << 30
_OFF = ("", "0", "false", "no", "off")


def cores(machine: Machine) -> Check:
    """Cores and what is known of the CPU."""
    known = cpu.facts(proc=machine.proc)
    count, quota = known["usable_cores"], known.get("quota_cores")
    detail = f"{count} usable of {known['logical_cores']}; {known['model']}"
    if quota is not None and quota < count:
        detail += f"; limited to {quota:g} cores' time"
    if count < 2 or (quota is not None and quota < 2):
        return Check("CPU cores", "limited", detail, "give it two cores: the launching thread needs one of its own")
    return Check("CPU cores", "ok", detail)


def memory(machine: Machine) -> Check:
    """Memory that is free now, within the container's limit."""
    free = cpu.memory(machine.proc).get("memory_available_bytes")
    if free is None:
        return Check("Memory", "limited", "/proc/meminfo cannot be read", "mount /proc")
    limit = cpu.memory_limit()
    free = free if limit is None else min(free, limit)
    if free < _SMOKE_MEMORY:
        return Check(
            "Memory",
            "limited",
            f"{free / 2**30:.1f} GiB available; the smoke preset wants {_SMOKE_MEMORY >> 30}",
            "free memory",
        )
    return Check("Memory", "ok", f"{free / 2**30:.1f} GiB available")


def rapl(machine: Machine) -> Check:
    """CPU energy counters."""
    try:
        rapl_counter(machine.powercap)
    except MachineError as error:
        reason, _, remedy = str(error).partition(": ")
        return Check("CPU energy (RAPL)", "missing", reason, remedy or "mount /sys/class/powercap, readable")
    return Check("CPU energy (RAPL)", "ok", "readable")


def codecarbon(machine: Machine) -> Check:
    """CodeCarbon, and which of its parts will be guesses."""
    version = machine.version("codecarbon")
    if version is None:
        return Check("CodeCarbon", "missing", "not installed: no second opinion on energy", "make setup")
    if rapl(machine).status == "ok":
        return Check("CodeCarbon", "ok", f"{version}; its RAM figure is a constant, always labelled estimated")
    detail = f"{version}; CPU and RAM are guesses here and labelled estimated"
    return Check("CodeCarbon", "limited", detail, "its CPU figure is measured where RAPL is readable")


def disk(folder: Path) -> Check:
    """Space for records and traces, and whether the folder may be written."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK):
        return Check("Disk", "missing", f"{folder} cannot be written", "choose another folder with --out")
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check("Disk", "limited", f"free space unknown ({error.strerror})", "choose another folder with --out")
    if free < _TRACE_DISK:
        detail = f"{free / 2**30:.1f} GiB free in {folder}; traces need gigabytes"
        return Check("Disk", "limited", detail, "free space, or choose another folder with --out")
    return Check("Disk", "ok", f"{free / 2**30:.0f} GiB free in {folder}")


def hub(machine: Machine) -> Check:
    """Whether models can be downloaded."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if machine.environ.get(name, "").lower() not in _OFF:
            detail = f"{name} is set: cached and local models, shapes and the smoke model only"
            return Check("Hugging Face hub", "limited", detail, f"unset {name} to download models")
    address = machine.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    reason = reach(address, HUB_SECONDS)
    if reason:
        detail = f"{address} does not answer ({reason}); shapes and the smoke model work"
        return Check("Hugging Face hub", "missing", detail, "use --model FOLDER, shape:…, or smoke; or set HF_ENDPOINT")
    return Check("Hugging Face hub", "ok", f"{address} answers")


def reach(address: str, seconds: float) -> str:
    """Ask for an address's head. Returns "" if anything answers, else why not, after ``seconds`` at most."""
    answer = ["no answer in time"]
    # A name look-up knows no time-out, so it runs in a thread that may be left behind.
    thread = threading.Thread(target=lambda: answer.__setitem__(0, _ask(address, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0]


def _ask(address: str, seconds: float) -> str:
    if not address.startswith(("https://", "http://")):
        return "not a web address"
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the scheme is checked above
    try:
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return ""
    except urllib.error.HTTPError:
        return ""  # it answered, if only to refuse a HEAD
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, ValueError) as error:
        return str(error)
