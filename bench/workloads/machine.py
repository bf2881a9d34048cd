"""The machine's own ceilings, measured with plain torch: a large copy and a large matrix product per dtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.instruments.cpu import last_level_cache_bytes
from bench.instruments.timing import NO_EVENTS, CallTimer, timer_for
from bench.record.schema import Case, metric
from bench.schemes import arm
from bench.schemes.definition import torch_dtype
from bench.workloads.models import require_device
from bench.workloads.outcome import Outcome

REPEATS = 10
# The most that a copy is of. A virtual machine is told of a whole socket's L3, hundreds of MB of which a part is its
# own: four times that took 20 s and 4 GB. Source and target together still exceed such a cache, and a machine of 4 GB
# has room for them.
MOST_BYTES = 384 << 20


def run(cases: Sequence[Case]) -> Iterator[Outcome]:
    """One outcome per dtype of ``cases`` (their scheme names a float arm)."""
    import torch

    device = cases[0].device
    require_device(device)
    timer = timer_for(device)
    with torch.inference_mode():
        for case in cases:
            yield _ceiling(case, timer, device)


def _ceiling(case: Case, timer: CallTimer, device: str) -> Outcome:
    import torch

    dtype = torch_dtype(arm(case.scheme).dtype)
    count = _copy_bytes(device) // dtype.itemsize
    source = torch.ones(count, dtype=dtype, device=device)
    target = torch.empty_like(source)
    size = 8192 if device == "cuda" else 512
    left = torch.randn(size, size, device=device).to(dtype)
    right = torch.randn(size, size, device=device).to(dtype)
    copies = _timed(timer, lambda: target.copy_(source))
    products = _timed(timer, lambda: left @ right)
    metrics = [metric("copy_time", copies), metric("gemm_time", products)]
    absent = {}
    overhead = timer.event_overhead()
    if overhead:
        metrics.append(metric("event_overhead", overhead))
    else:
        absent["event_overhead"] = NO_EVENTS
    setup = {
        "cache_bytes": last_level_cache_bytes(device),
        "dtype": arm(case.scheme).dtype,
        "copy_bytes": count * dtype.itemsize,
        "gemm_flop": 2 * size**3,
        "gemm_size": size,
        "threads": torch.get_num_threads(),
    }
    return Outcome(case, "ceiling", setup=setup, metrics=tuple(metrics), not_collected=absent)


def _copy_bytes(device: str) -> int:
    """Four times the last-level cache, so that the copy is one of memory, within what a machine can spare."""
    if device == "cuda":
        return max(4 * last_level_cache_bytes(device), 1 << 30)
    return min(max(4 * last_level_cache_bytes(device), 1 << 27), MOST_BYTES)


def _timed(timer: CallTimer, call: Any) -> tuple[float, ...]:
    timer.burst(call, 2, hold=False)
    return timer.burst(call, REPEATS, hold=True).forward
