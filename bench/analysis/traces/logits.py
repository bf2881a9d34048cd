"""The softmax that chooses a token, in traces where nothing around its launch tells it from attention's.

torch names both alike. Attention of one kernel (flash, paged) holds its own softmax; where it runs in every layer, a
softmax that runs once or twice a step is no layer's. This is inferred from how often they run, and said.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bench.record import causes as c
from bench.record.codes import distinct

from ..ledger.class_table import Rule
from ..timeline.range_names import with_timeline
from .doubts import kernels_per_step
from .taken import Taken

_SOFTMAX = re.compile(
    r"(?i)at::native.*(cunn_soft_?max|softmax_warp_forward)(?!.*LogSoftMax)|^(?!.*log)softmax_warp_fwd"
)
_WHOLE_ATTENTION = re.compile(
    r"(?i)flash\w*(_fwd|fwd)|flashattn|fmha|paged\w*attention|pagedkv|unified_attention|mla_|sdpa"
)
# A token is chosen so often in a step at most, and attention runs so many times as often at least.
_MOST, _TIMES = 2.5, 4.0


def with_chosen_tokens(found: Taken) -> Taken:
    """The trace with a rule for each such softmax, tried after the user's own. Raises RecordError where it has no such
    steps."""
    analysis = found.analysis
    kernels, strings = analysis.timeline.kernels, analysis.timeline.strings
    if not any(_SOFTMAX.search(strings[name]) for name in distinct(kernels.name).tolist()):
        return found
    counts = kernels_per_step(analysis, found.step_range)
    attention = max((count for name, count in counts.items() if _WHOLE_ATTENTION.search(name)), default=0.0)
    names = [name for name in counts if _SOFTMAX.search(name)]
    often = sum(counts[name] for name in names)
    if not names or often > _MOST or attention < _TIMES * often:
        return found
    rules = (Rule(c.SAMPLING, "kernel", name=f"^{re.escape(name)}$", no_range=r"^layer$") for name in names)
    made = with_timeline(analysis, analysis.timeline)
    made.rules = (*analysis.rules, *rules)
    note = f"softmax runs ×{often:.2g} a step and attention ×{attention:.3g}: it is taken for choosing the token"
    return replace(found, analysis=made, notes=(*found.notes, note))
