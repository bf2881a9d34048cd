"""Whether the clocks of host and GPU agree in a trace: a kernel cannot begin before the call that launches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.record.schema import Finding

from ..timeline import Analysis

if TYPE_CHECKING:
    from .pair import Trace

# Fewer than this share of the kernels may begin too early, as where a clock was corrected in between.
_FEW = 0.01
# Clocks of recordings agree within this.
_SMALL_NS = 1_000
CLOCKS = "clocks-apart"


def too_early(analysis: Analysis) -> tuple[float, int]:
    """(the share of launched kernels that begin before their call does, the most ns by which one does)."""
    known = analysis.launch >= 0
    if not known.any():
        return 0.0, 0
    ahead = -analysis.latencies.launch[known]
    early = ahead > _SMALL_NS
    return float(early.mean()), int(np.max(ahead, initial=0))


def clocks_apart(traces: Sequence[Trace]) -> list[Finding]:
    """A finding for each trace whose clocks do not agree."""
    made = []
    for name, trace in zip(("reference", "candidate"), traces, strict=True):
        share, most = too_early(trace.analysis)
        if share > _FEW:
            message = f"the clocks of host and GPU are apart in the {name}'s trace: what is idle time there is unsure"
            evidence = (
                f"{share:.0%} of its kernels begin before the call that launches them, by up to {most / 1e3:.3g} µs"
            )
            made.append(Finding(CLOCKS, "warning", message, evidence, "record again, with a newer version of the tool"))
    return made
