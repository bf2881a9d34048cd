"""Names of ranges without what torch's emit_nvtx appends to each instance: ", seq = 5, op_id = 301, sizes = [[…]]".

The trace keeps the names as they were recorded, as `nsys stats` reports them; here is one name for one thing.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from bench.record.codes import encode
from bench.record.timeline import Timeline

from ..timeline import Analysis

_EMITTED = re.compile(r", (?:seq|op_id|sizes|input_op_ids) = .*$", re.DOTALL)
# Of the launches, which do not depend on what ranges are called.
_KEPT = ("calls_by_id", "launch", "copy_call", "asked", "calling", "devices", "busy", "waiting", "latencies")


def with_timeline(analysis: Analysis, timeline: Timeline) -> Analysis:
    """An analysis of the same calls and work with other ranges; what is known of the launches is kept."""
    made = Analysis(timeline, analysis.rules)
    made.__dict__.update({name: value for name, value in analysis.__dict__.items() if name in _KEPT})
    return made


def one_name_each(analysis: Analysis) -> Analysis:
    """The trace with one name for all instances of a range; itself where nothing was appended to any."""
    timeline = analysis.timeline
    if not any(" = " in text and _EMITTED.search(text) for text in timeline.strings):
        return analysis
    used, place = encode(timeline.ranges.name)
    texts = {text: number for number, text in enumerate(timeline.strings)}
    every = list(timeline.strings)
    names = np.empty(len(used), np.int32)
    for number, name in enumerate(used.tolist()):
        cleaned = _EMITTED.sub("", timeline.strings[name])
        if cleaned not in texts:
            texts[cleaned] = len(every)
            every.append(cleaned)
        names[number] = texts[cleaned]
    ranges = replace(timeline.ranges, name=names[place])
    return with_timeline(analysis, replace(timeline, strings=tuple(every), ranges=ranges))
