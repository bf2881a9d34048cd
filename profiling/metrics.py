"""Which hardware counters are asked for, in tiers, and on which chips they exist.

The tiers are what fits in few replay passes: passes.py says how many. A name that a chip does not know makes
ncu fail, so only names of that chip are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.analysis.judging.by_observers import STALL

from .passes import AMPERE, HOPPER
from .readers.counters import Counters


@dataclass(frozen=True)
class Counter:
    """One metric of ncu. ``chips``: compute capabilities that have it, () for every chip since Volta."""

    name: str
    meaning: str
    chips: tuple[str, ...] = ()


_PIPE = "sm__inst_executed_pipe_{}.avg.pct_of_peak_sustained_active"
_OPERATION = "smsp__sass_thread_inst_executed_op_{}_pred_on.sum"

CACHE_CORE = (
    Counter("gpu__time_duration.sum", "time of the launch"),
    Counter("l1tex__t_sectors_lookup_hit.sum", "sectors found in L1"),
    Counter("l1tex__t_sectors_lookup_miss.sum", "sectors not found in L1"),
    Counter("lts__t_sectors_srcunit_tex_lookup_hit.sum", "sectors that the SMs found in L2"),
    Counter("lts__t_sectors_srcunit_tex_lookup_miss.sum", "sectors that the SMs did not find in L2"),
    Counter("dram__bytes_read.sum", "bytes read from device memory"),
    Counter("dram__bytes_write.sum", "bytes written to device memory"),
    Counter("dram__throughput.avg.pct_of_peak_sustained_elapsed", "device memory, share of its peak"),
    Counter("sm__warps_active.avg.pct_of_peak_sustained_active", "achieved occupancy"),
)

CAUSE = (
    Counter("sm__inst_executed.sum", "warp instructions executed"),
    Counter("sm__inst_issued.avg.pct_of_peak_sustained_active", "issue slots used"),
    Counter("sm__cycles_elapsed.max", "cycles of the launch"),
    Counter("sm__cycles_active.avg", "cycles with at least one warp, mean over SMs"),
    Counter(STALL.format("long_scoreboard"), "warps waiting for L2 or device memory"),
    Counter(STALL.format("lg_throttle"), "warps waiting for the load/store queue"),
    Counter(STALL.format("wait"), "warps waiting for a fixed latency"),
    Counter(
        STALL.format("short_scoreboard"), "warps waiting for a shuffle (a table look-up), shared memory, a division"
    ),
    Counter(STALL.format("mio_throttle"), "warps waiting for the queue of shuffles and shared memory"),
    Counter(STALL.format("branch_resolving"), "warps waiting for a branch (a look-up by comparisons)"),
    Counter(STALL.format("math_pipe_throttle"), "warps waiting for a pipe of the SM"),
    Counter(STALL.format("not_selected"), "warps that could issue while another did"),
    Counter(_PIPE.format("alu"), "integer and logic pipe"),
    Counter(_PIPE.format("fma"), "fused multiply-add pipe"),
    Counter(_PIPE.format("lsu"), "load/store pipe"),
    Counter("sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active", "tensor pipe"),
    Counter(_OPERATION.format("integer"), "integer thread instructions (the dequantisation's address arithmetic)"),
    Counter(_OPERATION.format("fp16"), "16-bit floating-point thread instructions"),
    Counter(_OPERATION.format("fp32"), "32-bit floating-point thread instructions"),
    Counter(_OPERATION.format("conversion"), "conversions between types"),
    Counter(_PIPE.format("fp16"), "16-bit floating-point pipe", (AMPERE,)),
    Counter(_PIPE.format("tensor_op_gmma"), "tensor pipe, warp-group instructions", (HOPPER,)),
)

# Several passes more: asked for only on request.
OPTIONAL = (Counter("sm__throughput.avg.pct_of_peak_sustained_elapsed", "busiest unit of the SM, share of its peak"),)

TIERS = {"core": CACHE_CORE, "cause": CACHE_CORE + CAUSE, "all": CACHE_CORE + CAUSE + OPTIONAL}


def metric_names(tier: str, chip: str | None = None) -> tuple[str, ...]:
    """Names of a tier ("core", "cause" or "all") for a chip such as "sm_90".

    Without a chip, only names that every chip has. Raises KeyError for an unknown tier.
    """
    return tuple(counter.name for counter in TIERS[tier] if not counter.chips or chip in counter.chips)


def requested_but_absent(asked: Iterable[str], counters: Counters) -> tuple[str, ...]:
    """The asked metrics that came back for no launch, in the order asked.

    ncu leaves a metric out, or prints n/a, without failing: a caller must say so, never read it as 0.
    """
    return tuple(name for name in asked if bool(np.isnan(counters.values(name)).all()))
