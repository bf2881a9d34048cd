"""Is this machine fit to be measured? Each doubt is a finding with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.record.schema import Environment, Finding

from .gpu import HARDWARE, POWER_CAP, THERMAL, decode_reasons

# A quarter of the cores: less moves a run on two cores by less than its noise.
_BUSY_SHARE = 0.25
_DISK_BYTES = 2 << 30
_MEMORY_BYTES = 4 << 30
_SWAP_BYTES = 64 << 20
_DEGREES_BELOW_SLOWDOWN = 5


def unfit(environment: Environment, state: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What about the machine in this ``state`` (from ``environment.state``) could spoil a measurement."""
    gpus = [_Gpu(facts, now) for facts, now in zip(environment.gpus, state.get("gpus", ()), strict=False)]
    findings = [*_processor(environment.cpu, state), *_resources(state), *_order(state)]
    for one in gpus:
        findings += [*one.in_use(), *one.held_back(), *one.modes()]
    if not gpus:
        findings.append(_no_gpu(str(state.get("gpus_reason", "none is visible"))))
    return tuple(findings)


def during(environment: Environment, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What about the GPUs spoils what was measured between two states: others' work, held-back clocks, no answer."""
    known = len(before.get("gpus", ()))
    gpus = [_Gpu(facts, now) for facts, now in zip(environment.gpus, after.get("gpus", ()), strict=False)]
    gone = [_Gpu(facts, {}).unanswering(str(after.get("gpus_reason", ""))) for facts in environment.gpus[:known]]
    if not gpus:
        return tuple(gone)
    return tuple(finding for one in gpus for finding in (*one.in_use(), *one.held_back()))


def _processor(cpu: Mapping[str, Any], state: Mapping[str, Any]) -> Iterator[Finding]:
    cores, busy = cpu.get("usable_cores", 1), state.get("busy_others_cores", 0.0)
    if busy > _BUSY_SHARE * cores:
        load = ", ".join(f"{value:.2f}" for value in state.get("load_average", ()))
        yield Finding(
            "cpu-busy",
            "warning",
            f"other processes keep {busy:.1f} of {cores} usable cores busy",
            evidence=f"load average {load}",
            remedy="stop them, or reserve the machine (on a cluster: an exclusive node)",
        )
    governor = cpu.get("governor")
    if governor is not None and governor != "performance":
        yield Finding(
            "cpu-governor",
            "warning",
            f"the CPU frequency governor is {governor!r}: host-bound times vary with it",
            remedy="sudo cpupower frequency-set -g performance",
        )


def _resources(state: Mapping[str, Any]) -> Iterator[Finding]:
    swap = state.get("swap_used_bytes", 0)
    if swap > _SWAP_BYTES:
        yield Finding(
            "swap-in-use",
            "warning",
            f"{swap / 2**30:.1f} GiB of swap are in use: a paged-out weight is read at the disk's speed",
            remedy="free memory, then 'sudo swapoff -a && sudo swapon -a'",
        )
    memory = state.get("memory_available_bytes")
    if memory is not None and memory < _MEMORY_BYTES:
        yield Finding(
            "low-memory",
            "warning",
            f"only {memory / 2**30:.1f} GiB of memory are available",
            remedy="close other programs, or take a smaller model or batch size",
        )
    disk = state.get("disk_free_bytes")
    if disk is not None and disk < _DISK_BYTES:
        yield Finding(
            "low-disk",
            "warning",
            f"only {disk / 2**30:.1f} GiB are free for the run folder; traces need gigabytes",
            remedy="free space, or choose another folder with --out",
        )


def _order(state: Mapping[str, Any]) -> Iterator[Finding]:
    if state.get("gpu_order_certain") is False:
        yield Finding(
            "gpu-order",
            "warning",
            "this host has unlike GPUs and CUDA may number them otherwise than the driver does",
            remedy="export CUDA_DEVICE_ORDER=PCI_BUS_ID before the run",
        )


def _no_gpu(reason: str) -> Finding:
    return Finding(
        "no-gpu",
        "info",
        f"no GPU: {reason}",
        remedy="for GPU figures install the NVIDIA driver, and start the container with --gpus all",
    )


class _Gpu:
    """One GPU's facts and state, and the doubts they raise."""

    def __init__(self, facts: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        self._facts, self._now = facts, now
        self._label = f"GPU {facts.get('index', '?')} ({facts.get('name', 'unknown')})"

    def in_use(self) -> Iterator[Finding]:
        others, load = self._now.get("other_processes", 0), self._now.get("utilisation", 0.0)
        # Without other processes the load is our own last kernel: NVML averages over up to a second.
        if others:
            yield Finding(
                "gpu-in-use",
                "warning",
                f"{self._label}: {others} other process{'es' if others > 1 else ''} on it",
                evidence=f"utilisation {load:.0%}",
                remedy="stop them (nvidia-smi lists them), or choose another GPU with CUDA_VISIBLE_DEVICES",
            )

    def held_back(self) -> Iterator[Finding]:
        mask = self._now.get("throttle_mask", 0)
        bad = mask & (THERMAL | HARDWARE | POWER_CAP)
        if bad:
            yield Finding(
                "gpu-throttled",
                "warning",
                f"{self._label}: its clocks are held back ({', '.join(decode_reasons(bad))})",
                evidence=f"NVML mask 0x{mask:x}",
                remedy=_throttle_remedy(bad),
            )
        temperature, limit = self._now.get("temperature_degc"), self._facts.get("temperature_slowdown_degc")
        if temperature is not None and limit is not None and temperature > limit - _DEGREES_BELOW_SLOWDOWN:
            yield Finding(
                "gpu-hot",
                "warning",
                f"{self._label}: {temperature:.0f} °C, and it slows down at {limit:.0f} °C",
                remedy="let it cool, improve the airflow, or lower the power limit",
            )

    def unanswering(self, reason: str) -> Finding:
        return Finding(
            "gpu-unanswering",
            "warning",
            f"{self._label}: its driver stopped answering during the measurement",
            evidence=reason,
            remedy="look for Xid errors in the kernel's log (dmesg), reset the GPU, then run again",
        )

    def modes(self) -> Iterator[Finding]:
        if self._facts.get("mig"):
            yield Finding(
                "gpu-mig",
                "warning",
                f"{self._label}: MIG is on, so a slice is measured and energy is counted for the whole board",
                remedy="measure on a GPU with MIG off (an administrator: nvidia-smi -mig 0)",
            )
        if self._facts.get("ecc") is False:
            yield Finding(
                "gpu-ecc-off",
                "info",
                f"{self._label}: ECC is off: bandwidth can be higher than on a machine with ECC",
                remedy="compare only with machines that have ECC off too",
            )
        if self._facts.get("persistence") is False:
            yield Finding(
                "gpu-persistence-off",
                "info",
                f"{self._label}: persistence mode is off: the driver unloads between runs and the first call is slow",
                remedy="sudo nvidia-smi -pm 1",
            )


def _throttle_remedy(mask: int) -> str:
    if mask & THERMAL:
        return "let it cool and improve the airflow"
    if mask & HARDWARE:
        return "check the power supply and the power brake of the chassis"
    return "raise the power limit (nvidia-smi -pl) or accept it: figures then hold for this limit only"
