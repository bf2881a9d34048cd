"""The model's attention call in a trace: when the host is in it, and which library computed it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from bench.record.timeline import Spans, Timeline

from ..timeline.intervals import Cover

# The range that the annotator draws around the attention function that transformers calls.
RANGE = "attention"
_OPERATOR = re.compile(r"scaled_dot_product|attention|flash_?attn|fmha", re.IGNORECASE)

# What torch dispatches to by its operators' names; without operators (nsys) its kernels' names must do.
_BACKENDS = (
    ("cudnn", r"_scaled_dot_product_cudnn_attention$|cudnn_generated\w*sdpa"),
    ("flash", r"_scaled_dot_product_flash_attention(_for_cpu)?$|flash_attn::|^flash_fwd|flash::flash_fwd"),
    ("efficient", r"_scaled_dot_product_efficient_attention$|fmha_cutlass"),
    ("math", r"_scaled_dot_product_attention_math$"),
)
_KNOWN = tuple((name, re.compile(pattern)) for name, pattern in _BACKENDS)


def calls_of(timeline: Timeline) -> Cover:
    """When a thread of the host is inside the attention call: the annotator's range where the trace has any, else the
    operators that are attention by their name."""
    ranges = _named(timeline, timeline.ranges, re.compile(f"^{RANGE}$"))
    return ranges if len(ranges.start) else _named(timeline, timeline.operators, _OPERATOR)


def is_call(range_: str, operator: str) -> bool:
    """Whether what is to start next in a range, by an operator, is the attention call."""
    return range_ == RANGE or _OPERATOR.search(operator) is not None


def _named(timeline: Timeline, spans: Spans, pattern: re.Pattern[str]) -> Cover:
    wanted = np.array([pattern.search(text) is not None for text in timeline.strings], bool)
    mine = wanted[spans.name] if len(spans) else np.zeros(0, bool)
    return Cover.union(spans.start[mine], spans.end[mine])


def backends(timeline: Timeline, start: int, end: int) -> Mapping[str, int]:
    """Backend → how many attention calls it computed between two times; {} where the trace does not tell."""
    for spans in (timeline.operators, timeline.kernels):
        inside = (spans.start >= start) & (spans.end <= end)
        names = [timeline.strings[name] for name in spans.name[inside].tolist()]
        found = {backend: sum(map(bool, map(pattern.search, names))) for backend, pattern in _KNOWN}
        if any(found.values()):
            return {backend: count for backend, count in found.items() if count}
    return {}
