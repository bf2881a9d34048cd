"""How large the last-level cache is: what rotation must exceed."""

from __future__ import annotations

from pathlib import Path

from .cpu import caches

# Where the size cannot be read: larger than on most machines, so that cold stays cold.
FALLBACK_BYTES = 64 << 20
_CPU0 = Path("/sys/devices/system/cpu/cpu0/cache")


def last_level_cache_bytes(device: str, folder: Path = _CPU0) -> int:
    """The GPU's L2 as CUDA reports it, or the CPU's largest cache."""
    if device == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).L2_cache_size) or FALLBACK_BYTES
    return max(caches(folder).values(), default=FALLBACK_BYTES)
